"""A database with everything that pg_dump can carry: what a copy must bring over unchanged.

The statements lie in the folder `fidelity`, in sections. A section's first line is `--- its title`, and may end
with what it needs: `superuser`, `icu`, `since 15` (the server's major version).
"""

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import psycopg2.errors
import psycopg2.extensions

_FOLDER = Path(__file__).with_name("fidelity")
_APPLICATION = Path(__file__).parents[2] / "worker" / "demo" / "escrow.sql"
_HEADING = re.compile(
    r"^--- (?P<title>.*?)(?P<superuser> superuser)?(?P<icu> icu)?(?: since (?P<since>\d+))?$", re.MULTILINE
)


@dataclass(frozen=True, kw_only=True)
class _Section:
    """Statements that are sent as one string, and what they need."""

    title: str
    statements: str
    superuser: bool
    icu: bool
    since: int


def fill(dsn: str) -> None:
    """Fill an empty database, as a superuser; `users`, `escrows`, `wallets`, `transactions` are the demo's."""
    _fill(dsn, superuser=True)


def fill_plain(dsn: str) -> None:
    """Fill an empty database with what its owner may create without being a superuser."""
    _fill(dsn, superuser=False)


def _fill(dsn: str, *, superuser: bool) -> None:
    with closing(psycopg2.connect(dsn)) as connection:
        connection.autocommit = True
        _execute(connection, "the application", _APPLICATION.read_text())
        icu = _has_icu(connection)
        for section in _sections():
            fits = (superuser or not section.superuser) and (icu or not section.icu)
            if fits and connection.server_version // 10000 >= section.since:
                _execute(connection, section.title, section.statements)
        _leave_an_invalid_index(connection)


def _sections() -> Iterator[_Section]:
    for path in sorted(_FOLDER.glob("*.sql")):
        text = path.read_text()
        headings = list(_HEADING.finditer(text))
        ends = [heading.start() for heading in headings[1:]] + [len(text)]
        for heading, end in zip(headings, ends, strict=True):
            yield _Section(
                title=f"{path.name}, {heading['title']}",
                statements=text[heading.end() : end],
                superuser=bool(heading["superuser"]),
                icu=bool(heading["icu"]),
                since=int(heading["since"] or 0),
            )


def _execute(connection: psycopg2.extensions.connection, title: str, statements: str) -> None:
    with connection.cursor() as cursor:
        try:
            cursor.execute(statements)
        except psycopg2.Error as error:
            error.add_note(f"in {title}")
            raise


def _has_icu(connection: psycopg2.extensions.connection) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_collation WHERE collname = 'und-x-icu')")
        row = cursor.fetchone()
    return bool(row and row[0])


def _leave_an_invalid_index(connection: psycopg2.extensions.connection) -> None:
    """What an interrupted CREATE INDEX CONCURRENTLY leaves behind; pg_dump does not carry it."""
    try:
        _execute(connection, "the invalid index", "CREATE UNIQUE INDEX CONCURRENTLY invalid ON kinds.duplicates (a)")
    except psycopg2.errors.UniqueViolation:
        return
    raise AssertionError("the index was built, so nothing is invalid")
