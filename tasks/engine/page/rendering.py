"""A PageView as one HTML file that needs nothing else: style and script are in it, and it may load nothing.

Every value is escaped by the template engine; the two texts that are not (style and script) are our own files, and the
page's policy allows these two by their hash and nothing else. So a hostile table name is text, and stays text.
"""

import base64
import hashlib
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from config.logs import harmless
from tasks.engine.page import words
from tasks.engine.page.calendar import OUTCOMES, marks_of, outcome_words
from tasks.engine.page.view import PageView
from tasks.engine.step_titles import STEP_TITLES

_COLOURS = {"good": "#1a8a50", "warn": "#c77700", "bad": "#c5352b", "new": "#2563eb"}


def render(page: PageView) -> str:
    """The whole file."""
    environment, style, script = _loaded()
    return environment.get_template("page.html.j2").render(
        page=page,
        style=Markup(style),  # noqa: S704 - our own files
        script=Markup(script),  # noqa: S704
        policy=policy(style, script),
    )


def policy(style: str, script: str) -> str:
    """The Content-Security-Policy: no request to anywhere, no script and no style but these."""
    return (
        f"default-src 'none'; style-src {_hash_of(style)}; script-src {_hash_of(script)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def icon(tone: str) -> str:
    """The sign in the browser's tab: a dot in the colour of the verdict, as an address that holds the picture."""
    dot = f'<circle cx="8" cy="8" r="7" fill="{_COLOURS[tone]}"/>'
    picture = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">{dot}</svg>'
    return f"data:image/svg+xml,{quote(picture)}"


def _hash_of(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _plain(value: Any) -> Any:
    """Characters that would turn the direction of a line, or nothing would show, are written out."""
    return harmless(value) if type(value) is str else value


@lru_cache(maxsize=1)
def _loaded() -> tuple[Environment, str, str]:
    loader = PackageLoader("tasks.engine.page", "")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_plain,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["instant"] = words.instant
    environment.globals.update(icon=icon, marks=marks_of, outcomes=OUTCOMES, steps=STEP_TITLES, words_of=outcome_words)
    style, script = (loader.get_source(environment, name)[0] for name in ("page.css", "page.js"))
    return environment, style, script
