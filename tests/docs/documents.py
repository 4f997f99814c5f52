"""The papers of this project, as tests read them: headings, code blocks, tables, links."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAPERS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_ROW = re.compile(r"^\|(.+)\|$", re.MULTILINE)
_CELL = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True, kw_only=True)
class Block:
    """One fenced block: its language, its text, and the heading that it stands under."""

    language: str
    text: str
    heading: str


def blocks(document: str, language: str) -> list[Block]:
    """The fenced blocks of one language, in their order."""
    return [
        Block(language=found[1], text=found[2], heading=headings(document[: found.start()])[-1])
        for found in _FENCED.finditer(document)
        if found[1] == language
    ]


def prose(document: str) -> str:
    """The document without its fenced blocks."""
    return _FENCED.sub("", document)


def headings(document: str) -> list[str]:
    return re.findall(r"^#+ (.+)$", prose(document), re.MULTILINE)


def anchors(document: str) -> set[str]:
    """The fragments that links may name: GitHub's rule for headings."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings(document)}


def links(document: str) -> Iterator[str]:
    """Where links and pictures lead."""
    yield from _LINK.findall(prose(document))


def section(document: str, heading: str) -> str:
    """What stands below a heading, up to the next of the same or a higher level."""
    found = re.search(rf"^(#+) {re.escape(heading)}$", document, re.MULTILINE)
    assert found, f"there is no heading {heading!r}"
    level = len(found[1])
    after = document[found.end() :]
    following = re.search(rf"^#{{1,{level}}} ", after, re.MULTILINE)
    return after[: following.start()] if following else after


def rows(text: str) -> list[list[str]]:
    """The rows of all tables in a text, their headings left out; cells without what surrounds them."""
    found = [[cell.strip() for cell in _CELL.split(row)] for row in _ROW.findall(text)]
    rules = [place for place, row in enumerate(found) if all(re.fullmatch(r":?-+:?", cell) for cell in row)]
    left_out = {*rules, *(place - 1 for place in rules)}
    return [row for place, row in enumerate(found) if place not in left_out]


def words(cell: str) -> list[str]:
    """What stands between backticks."""
    return re.findall(r"`([^`]+)`", cell)
