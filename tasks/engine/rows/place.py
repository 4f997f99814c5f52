"""Where the rows belong in a dump that pg_dump writes without them: before whatever it writes behind table data."""

import re
from collections.abc import Iterator
from typing import BinaryIO

from tasks.engine.dumpfile_lexer import StatementLexer, Unreadable
from tasks.engine.rows.listing import LeftToPgDump, Listing

_EDGE = b"--\n"
_COMMENT = re.compile(rb"-- (?:Data for )?Name: (.*); Type: ([A-Z ]+); Schema: (.*); Owner: .*\n")
_TRAILER = b"-- PostgreSQL database dump complete\n"
_BLOCK_BYTES = 1 << 18
_SINCE_17 = b"SET transaction_timeout = 0;\n"
# The sections of pg_dump 14 to 18. A comment and a security label stand behind what they are about.
_BEFORE = frozenset(
    b"ACCESS METHOD|AGGREGATE|BLOB|CAST|COLLATION|COMMENT|CONVERSION|DEFAULT|DOMAIN|EXTENSION|FOREIGN DATA WRAPPER|"
    b"FOREIGN TABLE|FUNCTION|MATERIALIZED VIEW|OPERATOR|OPERATOR CLASS|OPERATOR FAMILY|PROCEDURAL LANGUAGE|PROCEDURE|"
    b"SCHEMA|SECURITY LABEL|SEQUENCE|SEQUENCE OWNED BY|SERVER|SHELL TYPE|TABLE|TABLE ATTACH|TEXT SEARCH CONFIGURATION|"
    b"TEXT SEARCH DICTIONARY|TEXT SEARCH PARSER|TEXT SEARCH TEMPLATE|TRANSFORM|TYPE|USER MAPPING|VIEW".split(b"|")
)
_BEHIND = frozenset(
    b"ACL|BLOB METADATA|BLOBS|CHECK CONSTRAINT|CONSTRAINT|DEFAULT ACL|EVENT TRIGGER|FK CONSTRAINT|INDEX|INDEX ATTACH|"
    b"MATERIALIZED VIEW DATA|POLICY|PUBLICATION|PUBLICATION TABLE|PUBLICATION TABLES IN SCHEMA|ROW SECURITY|RULE|"
    b"STATISTICS|TRIGGER".split(b"|")
)


class Text:
    """pg_dump's output as it comes: first up to the rows' place, then the rest.

    A setting that the dumped server does not know is left out: nobody could load the file there by hand.
    """

    def __init__(self, stream: BinaryIO, listing: Listing, *, server_major: int) -> None:
        self.found = False
        self._stream = stream
        self._held = b""
        self._unknown = {_SINCE_17} if server_major < 17 else set()
        self._created: set[tuple[bytes, bytes]] = set()
        self._expected = {(_on_one_line(schema), _on_one_line(name)) for schema, name in listing.created}

    def before(self) -> Iterator[bytes]:
        """Its lines up to the place; LeftToPgDump where that is not understood. `found` is false when it ends early."""
        lexer, inside, edge = StatementLexer(), False, b""
        for line in self._stream:
            if not inside and line in self._unknown:
                continue
            if inside or not (line.startswith((b"--", b"\\")) or line == b"\n"):
                inside = self._goes_on(lexer, line, inside=inside)
            elif edge and self._is_behind(line):
                self.found, self._held = True, edge + line
                return
            yield edge
            edge = b""
            if line == _EDGE and not inside:
                edge = line
            else:
                yield line
        yield edge

    def rest(self) -> Iterator[bytes]:
        """What stands behind the rows, in blocks."""
        yield self._held
        while block := self._stream.read(_BLOCK_BYTES):
            yield block

    def _goes_on(self, lexer: StatementLexer, line: bytes, *, inside: bool) -> bool:
        """Whether a statement stands open at the end of a line that began with one open or begins one."""
        try:
            ends = lexer.feed(line)
        except Unreadable as error:
            raise LeftToPgDump(f"a statement of the schema is not understood: {error}") from error
        return bool(line[ends[-1] :].strip()) if ends else inside or bool(line.strip())

    def _is_behind(self, line: bytes) -> bool:
        """Whether this line, behind `--`, is the comment of what stands behind the rows."""
        if line == _TRAILER:
            self._demand_same_tables()
            return True
        if not line.startswith((b"-- Name: ", b"-- Data for Name: ")):
            return False
        comment = _COMMENT.fullmatch(line)
        if comment is None or line.count(b"; Type: ") > 1:
            raise LeftToPgDump("a comment of pg_dump, or a name in it, is not understood")
        name, kind, schema = comment.groups()
        if kind in _BEHIND:
            self._demand_same_tables()
            return True
        if kind not in _BEFORE:
            raise LeftToPgDump(f"pg_dump writes {kind.decode()}, and where that stands is not known")
        if kind in {b"TABLE", b"SEQUENCE"}:
            self._created.add((schema, name))
        return False

    def _demand_same_tables(self) -> None:
        if self._created != self._expected:
            raise LeftToPgDump("pg_dump creates other tables or sequences than were listed")


def _on_one_line(name: bytes) -> bytes:
    return name.replace(b"\n", b" ").replace(b"\r", b" ")
