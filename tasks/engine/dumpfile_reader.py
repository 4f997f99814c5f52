"""A dump file as statements and COPY blocks, in one pass; the loader and the inspection share it."""

import io
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from psycopg2.extensions import encodings

from tasks.engine.dumpfile_lexer import StatementLexer, Unreadable
from tasks.engine.dumpfile_rules import Kind, classify, copy_target, sequence_value, setting
from tasks.engine.dumpfile_source import MAX_STATEMENT_BYTES, DumpSource
from tasks.engine.errors import DumpRefused
from tasks.engine.packing import Readable, unpacked

TableName = tuple[str, str]
"""Schema and table (or sequence), unquoted."""

_HEADER = b"--\n-- PostgreSQL database dump\n--\n"
_TRAILER = b"-- PostgreSQL database dump complete\n"
# \unrestrict follows the trailer in minor releases since August 2025
_END = re.compile(rb"--\n" + re.escape(_TRAILER) + rb"--\n\s*(?:\\unrestrict [A-Za-z0-9]+\n\s*)?\Z")
_END_BYTES = 1024
_META_COMMAND = re.compile(rb"\\(?:un)?restrict [A-Za-z0-9]+\n")
_ENCODING = re.compile(rb"^SET client_encoding = '([A-Za-z0-9_]+)';$", re.MULTILINE)
_HEAD_BYTES = 8192


@dataclass(frozen=True, kw_only=True)
class SequenceValue:
    """What a `setval` line of the dump gives a sequence."""

    last_value: int
    is_called: bool


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A statement with its semicolon, as bytes in the dump's encoding. line: where it begins in the file."""

    text: bytes
    line: int
    kind: Kind


@dataclass(frozen=True, kw_only=True)
class CopyBlock:
    """A COPY statement and the data behind it, which is read from the file while it is iterated over, once.

    data: pieces that may end within a row; data_line: of the first row in the file.
    """

    text: bytes
    line: int
    table: TableName
    data: Iterator[bytes]
    data_line: int


@contextmanager
def open_dump(
    path: Path,
    *,
    keys: Sequence[str] = (),
    progress: Callable[[int], None] | None = None,
    without: Sequence[tuple[int, int]] = (),
    hashing: Executor | None = None,
    growing: Readable | None = None,
) -> Iterator["DumpReader"]:
    """A reader of the file, whose first lines were looked at already, and the last ones where that is possible.

    keys: secret keys of age, for an encrypted dump. without: the data of these COPY blocks is left out, as if it were
    not in the file; where each begins and ends, in bytes, in the file's order. The dump must be plain. hashing: a
    thread that hashes meanwhile. growing: gives the bytes of a plain file that is still written.
    """
    with nullcontext(growing) if growing else unpacked(path, keys) as stream:
        if isinstance(stream, io.FileIO):
            check_end(path, stream)
        rest = _Without(stream, without) if isinstance(stream, io.FileIO) and without else stream
        head = _read_head(path, rest)
        yield DumpReader(path.name, _Rejoined(head, rest), head=head, progress=progress, hashing=hashing)


def check_end(path: Path, file: BinaryIO | io.FileIO) -> None:
    """Refuse what is empty or cut off, by its last bytes."""
    size = file.seek(0, os.SEEK_END)
    if not size:
        raise DumpRefused(f"the dump {path.name} is empty; make a new one")
    file.seek(max(0, size - _END_BYTES))
    tail = file.read(_END_BYTES)
    file.seek(0)
    if file.read(len(_HEADER)) == _HEADER and not _END.search(tail):
        raise DumpRefused(
            f"the dump {path.name} is cut off or has a tail that is not pg_dump's: its last lines lack "
            f"'{_TRAILER.decode().strip()}'; make a new one"
        )
    file.seek(0)


def _read_head(path: Path, stream: Readable) -> bytes:
    """The file's first bytes; refuse at once what is not pg_dump's plain format."""
    head = b""
    while len(head) < _HEAD_BYTES and (piece := stream.read(_HEAD_BYTES - len(head))):
        head += piece
    if not head.startswith(_HEADER):
        raise DumpRefused(f"line 1 of {path.name} is not the first of a plain dump by pg_dump; make a new dump")
    return head


class _Rejoined:
    """A stream whose first bytes were read already."""

    def __init__(self, head: bytes, rest: Readable) -> None:
        self._head, self._rest = head, rest

    def read(self, size: int = -1, /) -> bytes:
        head, self._head = self._head, b""
        return head + self._rest.read(size - len(head)) if head else self._rest.read(size)


class _Without:
    """A file but for some stretches of it."""

    def __init__(self, file: io.FileIO, stretches: Sequence[tuple[int, int]]) -> None:
        self._file, self._stretches = file, list(reversed(stretches))

    def read(self, size: int = -1, /) -> bytes:
        if self._stretches:
            begin, end = self._stretches[-1]
            if (left := begin - self._file.tell()) > 0:
                return self._file.read(min(size, left) if size >= 0 else left)
            self._file.seek(end)
            self._stretches.pop()
            return self.read(size)
        return self._file.read(size)


class DumpReader:
    """One pass over a dump. `rows`, `statements` and `sha256` are complete when `items` is exhausted."""

    def __init__(
        self,
        name: str,
        file: Readable,
        *,
        head: bytes,
        progress: Callable[[int], None] | None = None,
        hashing: Executor | None = None,
    ) -> None:
        self.rows: Counter[TableName] = Counter()
        self.statements = 0
        self._name = name
        self._source = DumpSource(file, progress=progress, hashing=hashing)
        self._lexer = StatementLexer()
        self._complete = False
        self._in_large_objects = False
        self._in_preamble = True
        self._judging = 0  # the line that is judged; 0 while the file is read on
        found = _ENCODING.search(head)
        self._encoding = found[1].decode() if found else "UTF8"
        self._source.check_utf8 = self._encoding == "UTF8"

    @property
    def encoding(self) -> str:
        """The dump's client_encoding, as PostgreSQL spells it."""
        return self._encoding

    @property
    def standard_strings(self) -> bool:
        """The dump's standard_conforming_strings, as far as it was read."""
        return self._lexer.standard_strings

    @property
    def line(self) -> int:
        """The number of the line that is read next."""
        return self._source.line

    @property
    def bytes_read(self) -> int:
        return self._source.bytes_read

    @property
    def offset(self) -> int:
        return self._source.offset

    @property
    def sha256(self) -> str:
        return self._source.sha256

    def passed_over(self, lines: int) -> None:
        """So many lines that stand in the file here were left out: those behind them keep their numbers."""
        self._source.line += lines

    def items(self) -> Iterator[Statement | CopyBlock]:
        """The statements and COPY blocks in the file's order; DumpRefused where it must not be read on."""
        with self._refusing():
            for text, line, rest in self._texts():
                self.statements += 1
                self._judging = line
                item = self._item(text, line, rest)
                yield item
                if isinstance(item, CopyBlock):
                    for _ in item.data:  # what the caller left
                        pass
            if not self._complete or self._in_large_objects:
                raise Unreadable("the trailer does not stand behind the last statement")

    def sequence_value(self, statement: Statement) -> tuple[TableName, SequenceValue]:
        """What a statement of the kind SEQUENCE_VALUE says."""
        self._judging = statement.line
        with self._refusing():
            schema, name, last_value, is_called = sequence_value(statement.text, standard_strings=self.standard_strings)
        return self._table(schema, name), SequenceValue(last_value=last_value, is_called=is_called)

    def _texts(self) -> Iterator[tuple[bytes, int, bytes]]:
        """Each statement's text, the line where it begins, and what stands behind it in its last line."""
        parts: list[bytes] = []
        begun = length = 0
        while line := self._next_line():
            number = self._judging
            if not parts and self._is_between_statements(line):
                continue
            if self._complete:
                raise Unreadable("something stands behind the trailer")
            if line == _TRAILER and not self._lexer.in_quotes:
                break
            position = 0
            for end in self._lexer.feed(line):
                parts.append(line[position:end])
                yield b"".join(parts).strip(), begun if len(parts) > 1 else number, line[end:].strip()
                parts, length, position = [], 0, end
            if position and not line[position:].strip():
                continue
            begun = begun if parts else number
            parts.append(line[position:])
            length += len(line)
            if length > MAX_STATEMENT_BYTES:
                raise Unreadable(f"a statement is longer than {MAX_STATEMENT_BYTES >> 20} MB")
        if parts:
            self._judging = begun
            raise Unreadable(f"{self._lexer.open_construct()} is not ended")

    def _next_line(self) -> bytes:
        self._judging = 0
        line = self._source.next_line()
        self._judging = self._source.line - 1
        return line

    def _is_between_statements(self, line: bytes) -> bool:
        """Whether a line where no statement has begun holds none: blank, a comment, or pg_dump's own meta-command."""
        if line.startswith(b"\\"):
            if not _META_COMMAND.fullmatch(line):
                raise Unreadable("a command of psql stands outside COPY data")
            return True
        if line.startswith(b"--") and b"\r" not in line:
            self._complete = self._complete or line == _TRAILER
            return True
        return not line.strip()

    def _item(self, text: bytes, line: int, rest: bytes) -> Statement | CopyBlock:
        kind = self._judged(text)
        if kind is not Kind.COPY:
            return Statement(text=text, line=line, kind=kind)
        if rest:
            raise Unreadable("something stands behind COPY in its line")
        schema, name, columns = copy_target(text)
        table = self._table(schema, name)
        return CopyBlock(
            text=text, line=line, table=table, data=self._data(table, columns), data_line=self._source.line
        )

    def _judged(self, text: bytes) -> Kind:
        kind = classify(text)
        if self._in_large_objects != (kind in {Kind.LARGE_OBJECT, Kind.COMMIT}):
            raise Unreadable(
                "a transaction begins or ends here, or should have: BEGIN and COMMIT may stand around the content of "
                "large objects only"
            )
        if kind in {Kind.BEGIN, Kind.COMMIT}:
            self._in_large_objects = kind is Kind.BEGIN
        if kind is Kind.SETTING:
            self._note_setting(*setting(text))
        else:
            self._in_preamble = False
        return kind

    def _note_setting(self, name: str, value: str) -> None:
        """Follow the two settings that decide how everything behind the preamble is read."""
        if name not in {"client_encoding", "standard_conforming_strings"}:
            return
        if not self._in_preamble or (name == "client_encoding" and value != self._encoding):
            raise Unreadable(f"{name} changes to {value}")
        if name == "standard_conforming_strings":
            self._lexer.standard_strings = value != "off"

    def _data(self, table: TableName, columns: int) -> Iterator[bytes]:
        self._judging, first = 0, self._source.line
        with self._refusing():
            yield from self._source.copy_data(columns)
        self.rows[table] += self._source.line - 1 - first

    def _table(self, schema: bytes, name: bytes) -> TableName:
        codec = "utf-8" if self._encoding == "SQL_ASCII" else encodings.get(self._encoding, "utf-8")
        return schema.decode(codec, "surrogateescape"), name.decode(codec, "surrogateescape")

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """Add the place to what is wrong: the line that is judged, else the one that is read now."""
        try:
            yield
        except Unreadable as error:
            line = (self._judging or self._source.line) + error.lines_on
            raise DumpRefused(
                f"line {line} of the dump {self._name}: {error}; it must not be loaded, make a new dump"
            ) from error
