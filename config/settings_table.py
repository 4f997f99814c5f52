"""Keeps the table of settings in a document true: `python -m config.settings_table README.md [--check]`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from config.kinds import Shown, Whole
from config.settings import Settings, is_secret, setting_names

_BEGIN, _END = "<!-- settings -->", "<!-- /settings -->"


def settings_table() -> str:
    """Every setting in a Markdown table: name, default, meaning."""
    rows = [_row(name, Settings.model_fields[name]) for name in setting_names()]
    return "\n".join(["| setting | default | meaning |", "|---|---|---|", *rows])


def _row(name: str, field: FieldInfo) -> str:
    secret = " (secret)" if is_secret(name) else ""
    cells = (f"`{name.upper()}`{secret}", _default(field), field.description or "")
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    for mark in field.metadata:
        if isinstance(mark, Shown):
            return mark.text
    unit = next((f" {mark.unit}" for mark in field.metadata if isinstance(mark, Whole)), "")
    return f"`{_as_written(field.default)}`{unit}"


def _as_written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(value)
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def with_table(document: str) -> str:
    """The document with the table of today between its two marks; raises ValueError when it has none."""
    before, begin, rest = document.partition(_BEGIN)
    _old, end, after = rest.partition(_END)
    if not (begin and end):
        raise ValueError(f"it has no {_BEGIN} ... {_END}")
    return f"{before}{begin}\n{settings_table()}\n{end}{after}"


def main(arguments: Sequence[str]) -> int:
    """Write the table into the document, or with --check tell whether it stands there: 0 true, 1 stale, 2 usage."""
    paths = [Path(argument) for argument in arguments if argument != "--check"]
    if len(paths) != 1:
        sys.stderr.write("usage: python -m config.settings_table DOCUMENT [--check]\n")
        return 2
    document = paths[0].read_text(encoding="utf-8")
    try:
        wanted = with_table(document)
    except ValueError as fault:
        sys.stderr.write(f"{paths[0]} cannot hold the table of settings: {fault}\n")
        return 2
    if "--check" not in arguments:
        paths[0].write_text(wanted, encoding="utf-8")
    elif wanted != document:
        sys.stderr.write(f"{paths[0]} is stale: run python -m config.settings_table {paths[0]}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
