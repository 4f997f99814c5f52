"""A small COPY block in other words: one INSERT, which can go in one string with many others.

The server makes the same of both: each field is a literal of no type yet, so the column's own input function reads it,
as it does for COPY. What is not sure to mean the same stays COPY.
"""

import re
from dataclasses import dataclass

from tasks.engine.dumpfile_reader import CopyBlock, Statement
from tasks.engine.dumpfile_rules import QUALIFIED_NAME

SMALL_BYTES = 64 << 10
_SMALL_FIELDS = 5_000
"""What a block may hold to go as INSERT. Each field costs the server more than by COPY: all of them 2 ms at most."""
ENCODINGS = frozenset({"UTF8", "SQL_ASCII"})
"""In others the server looks for bytes that are no character while it reads the whole string, and names no row."""

_CREATED = re.compile(rb"CREATE (?:UNLOGGED |TEMPORARY )?TABLE (" + QUALIFIED_NAME + rb") ")
_RULE = re.compile(rb"CREATE (?:OR REPLACE )?RULE ")
_COPY = re.compile(rb"COPY (?P<into>(?P<table>" + QUALIFIED_NAME + rb") \((?P<columns>.*)\)) FROM stdin;", re.DOTALL)
# What COPY TO writes for a byte; others, \x41 or \101, are read by COPY alone.
_ESCAPED = {
    b"\\\\": b"\\", b"\\b": b"\b", b"\\f": b"\f", b"\\n": b"\n", b"\\r": b"\r", b"\\t": b"\t", b"\\v": b"\v",
}  # fmt: skip
_ESCAPE = re.compile(rb"\\.", re.DOTALL)
# A quote of ours while those of the data are told from it: the reader refuses a file with such a byte.
_OURS = b"\0"


@dataclass(frozen=True, kw_only=True)
class Rows(Statement):
    """The INSERT that stands for a block. line: the block's; block: its data in memory, should COPY be needed."""

    block: CopyBlock


class PlainTables:
    """The tables that a dump has made so far and whose rows are simply stored: no rule rewrites what is inserted."""

    def __init__(self) -> None:
        self._names: set[bytes] = set()
        self._rules = False

    def note(self, text: bytes) -> None:
        """Follow a statement of the dump."""
        if created := _CREATED.match(text):
            self._names.add(created[1])
        elif _RULE.match(text):  # COPY goes past rules; pg_dump makes them behind the data
            self._rules = True

    def hold(self, block: CopyBlock) -> bool:
        """Whether the block's table is one of them. What an extension made is not."""
        copied = _COPY.fullmatch(block.text)
        return copied is not None and copied["table"] in self._names and not self._rules


def copy_columns(text: bytes) -> tuple[bytes, bytes] | None:
    """A COPY statement's table and columns, quoted as they stand there; None when it names no column."""
    copied = _COPY.fullmatch(text)
    return (copied["table"], copied["columns"]) if copied is not None and copied["columns"] else None


def insert_statement(text: bytes, data: bytes) -> bytes | None:
    r"""The INSERT for a COPY statement and its whole data, which is not empty; None where COPY reads better, or alone.

    The session must have standard_conforming_strings on, and the data's encoding among ENCODINGS.
    """
    copied = _COPY.fullmatch(text)
    if copied is None or b"\r" in data or data.count(b"\t") + data.count(b"\n") > _SMALL_FIELDS:
        return None
    # From here on the only separators are the data's own: what stands within a field is escaped.
    values = data[:-1].replace(b"'", b"''").replace(b"\t", b"\0,\0").replace(b"\n", b"\0),\n(\0")
    values = (b"(\0" + values + b"\0)").replace(b"\0\\N\0", b"NULL")
    try:
        values = _ESCAPE.sub(_byte, values)
    except KeyError:
        return None
    # an identity column takes what the dump says; for other columns the words mean nothing
    return b"INSERT INTO " + copied["into"] + b" OVERRIDING SYSTEM VALUE VALUES\n" + values.replace(_OURS, b"'") + b";"


def _byte(escape: re.Match[bytes]) -> bytes:
    return _ESCAPED[escape[0]]
