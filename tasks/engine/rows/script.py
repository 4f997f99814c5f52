r"""What psql is told to do, so that its standard output is the part of a dump that holds rows and values of sequences.

Each line that pg_dump writes around the rows is given by the server, as a row of a COPY: text that COPY would escape
as the word for NULL, which it sends as it is. Many statements go as one string (`\;` keeps psql from sending), so that
a thousand tables take a few round trips.
"""

import re
from collections.abc import Iterator, Sequence

from tasks.engine.rows.kept import Segment
from tasks.engine.rows.listing import LeftToPgDump, Listed

LINES_BEHIND = (rb"\.", b"", b"")
"""What stands behind a table's rows."""
# Statements of one string are parsed together, and its transaction keeps a lock on each of its tables.
_STRING_BYTES = 256 << 10
_STRING_TABLES = 500
_COPY_LINES = 400  # rows of one VALUES list
# What COPY's text format writes otherwise. The delimiter is \x01 here, so that a tab can stand in the word for NULL.
_ESCAPED = re.compile(rb"[\\\b\t\v\f]")
_UNSENDABLE = re.compile(rb"[\r\x01]")
_LINE_ENDS = re.compile(rb"[\r\n]")
# pg_dump's own; and the defaults of the database must not end the session.
_SESSION = (
    b"SET datestyle = ISO", b"SET intervalstyle = postgres", b"SET extra_float_digits = 3",
    b"SET synchronize_seqscans = off", b"SET row_security = off", b"SET search_path = ''",
    b"SET statement_timeout = 0", b"SET idle_in_transaction_session_timeout = 0", b"SET idle_session_timeout = 0",
)  # fmt: skip
_SESSION_SINCE_17 = (b"SET transaction_timeout = 0",)


def rows_script(
    parts: Sequence[Segment],
    sequences: Sequence[Listed],
    *,
    mark: bytes,
    snapshot: str,
    server_major: int,
    keep_owners: bool,
    lock_timeout_s: float,
) -> Iterator[bytes]:
    """The script in pieces, in the database's encoding; LeftToPgDump for a name that cannot be sent.

    mark: a line that psql writes between two parts; snapshot: the exported one, which each string's transaction takes
    up; server_major: of the server; keep_owners: whether the comments name them, as pg_dump's do.
    """
    session = [*_SESSION, *(_SESSION_SINCE_17 if server_major >= 17 else ())]
    begin = [
        b"BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        b"SET TRANSACTION SNAPSHOT " + literal(snapshot.encode()),
    ]
    for part in parts:
        last = part is parts[-1]
        batches = [*_batches(part.tables)] if part.tables or last else []
        for number, tables in enumerate(batches, 1):
            lines = Lines()
            for table in tables:
                lines.add(*lines_before(table, keep_owners=keep_owners))
                lines.statement(_copy(table))
                lines.add(*LINES_BEHIND)
            for sequence in sequences if last and number == len(batches) else ():
                lines.add(*_heading(sequence, b"", b"SEQUENCE SET", keep_owners=keep_owners))
                lines.value(sequence)
                lines.add(b"", b"")
            yield _string([*begin, *session, *_locked(tables, lock_timeout_s), *lines.statements()])
            session = []
        if not last:
            yield b"\\qecho " + mark + b"\n"


def lines_before(table: Listed, *, keep_owners: bool) -> list[bytes]:
    """What stands before a table's rows."""
    heading = _heading(table, b"Data for ", b"TABLE DATA", keep_owners=keep_owners)
    return [*heading, *copy_line(table).split(b"\n")]


def literal(text: bytes) -> bytes:
    """A string of SQL, under standard_conforming_strings."""
    return b"'" + text.replace(b"'", b"''") + b"'"


def _string(statements: Sequence[bytes]) -> bytes:
    return b" \\;\n".join([*statements, b"COMMIT"]) + b";\n"


def _batches(tables: Sequence[Listed]) -> Iterator[Sequence[Listed]]:
    """At least one, if an empty one."""
    begun = size = 0
    for number, table in enumerate(tables):
        if number - begun == _STRING_TABLES or size > _STRING_BYTES:
            yield tables[begun:number]
            begun, size = number, 0
        size += 2 * (sum(map(len, table.columns)) + len(table.quoted)) + 200
    yield tables[begun:]


def _locked(tables: Sequence[Listed], lock_timeout_s: float) -> list[bytes]:
    """At once, so that nobody who comes later is waited for."""
    if not tables:
        return []
    names = b", ".join(b"ONLY " + table.quoted for table in tables)
    return [
        b"SET lock_timeout = %d" % int(lock_timeout_s * 1000),
        b"LOCK TABLE " + names + b" IN ACCESS SHARE MODE",
        b"SET lock_timeout = 0",
    ]


def _heading(listed: Listed, pfx: bytes, kind: bytes, *, keep_owners: bool) -> tuple[bytes, ...]:
    name, schema, owner = (
        _LINE_ENDS.sub(b" ", text) for text in (listed.name, listed.schema, listed.owner if keep_owners else b"-")
    )
    return b"--", b"-- %bName: %b; Type: %b; Schema: %b; Owner: %b" % (pfx, name, kind, schema, owner), b"--", b""


def copy_line(table: Listed) -> bytes:
    columns = b"(" + b", ".join(table.columns) + b")" if table.columns else b""
    return b"COPY %b %b FROM stdin;" % (table.quoted, columns)


def _copy(table: Listed) -> bytes:
    if table.condition:
        return b"COPY (SELECT %b FROM %b %b) TO STDOUT" % (
            b", ".join(table.columns), table.quoted, table.condition,
        )  # fmt: skip
    columns = b"(" + b", ".join(table.columns) + b") " if table.columns else b""
    return b"COPY %b %bTO STDOUT" % (table.quoted, columns)


class Lines:
    """Statements whose output is the lines that were added, word by word."""

    def __init__(self) -> None:
        self._statements: list[bytes] = []
        self._rows: list[bytes] = []
        self._null: bytes | None = None

    def add(self, *lines: bytes) -> None:
        for line in lines:
            self._add(line)

    def statement(self, statement: bytes) -> None:
        """One whose output stands between the lines before and behind it."""
        self._end_copy()
        self._statements.append(statement)

    def value(self, sequence: Listed) -> None:
        """The statement that gives a sequence its value."""
        begin = b"SELECT pg_catalog.setval(" + literal(sequence.quoted)
        if any(pattern.search(begin) for pattern in (_ESCAPED, _UNSENDABLE, _LINE_ENDS)):
            raise LeftToPgDump("a sequence's name holds a character that COPY escapes")
        self._row(
            b"(SELECT %b || last_value || CASE WHEN is_called THEN ', true);' ELSE ', false);' END FROM %b)"
            % (literal(begin + b", "), sequence.quoted)
        )

    def statements(self) -> list[bytes]:
        self._end_copy()
        return self._statements

    def _add(self, line: bytes) -> None:
        if _UNSENDABLE.search(line):
            raise LeftToPgDump("a name holds a carriage return or another character that COPY cannot send")
        if not _ESCAPED.search(line):
            self._row(literal(line))
            return
        if self._null not in {None, line}:
            self._end_copy()
        self._null = line
        self._row(b"NULL")

    def _row(self, value: bytes) -> None:
        if len(self._rows) == _COPY_LINES:
            self._end_copy()
        self._rows.append(b"(" + value + b")")

    def _end_copy(self) -> None:
        if not self._rows:
            return
        null = b"" if self._null is None else b", NULL " + literal(self._null)
        self._statements.append(b"COPY (VALUES %b) TO STDOUT (DELIMITER E'\\x01'%b)" % (b", ".join(self._rows), null))
        self._rows, self._null = [], None
