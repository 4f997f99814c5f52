"""Loading a dump over several sessions: the rows of large tables, then their keys, then their indexes.

All other statements, foreign keys among them, are the first session's, in the dump's order. Only for a database that
is discarded when the load fails: each session commits what it does.
"""

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from tasks.engine.crew import Crew
from tasks.engine.dumpfile import LoadParts
from tasks.engine.dumpfile_reader import CopyBlock, DumpReader, Statement, TableName, open_dump
from tasks.engine.dumpfile_rules import NAME, QUALIFIED_NAME, Kind
from tasks.engine.dumpfile_source import stretch
from tasks.engine.loading import Item, LoadSummary, another_file, send_all
from tasks.engine.loading_rows import copy_columns
from tasks.engine.loading_session import LoadSession
from tasks.engine.manifest import Manifest
from tasks.engine.mark import qualified
from tasks.engine.names import form_of

_WORTH_BYTES = 16 << 20  # less is loaded before other sessions are there
_ROWS, _KEYS, _INDEXES = "rows", "keys", "indexes"
_KEY = re.compile(
    rb"ALTER TABLE ONLY (%b)\s+ADD CONSTRAINT %b (?:PRIMARY KEY|UNIQUE)\b.*;" % (QUALIFIED_NAME, NAME), re.DOTALL
)
_INDEX = re.compile(rb"CREATE (?:UNIQUE )?INDEX %b ON (%b) USING .*;" % (NAME, QUALIFIED_NAME), re.DOTALL)


def helpers_wanted(dump: Path, manifest: Manifest, jobs: int) -> int:
    """How many sessions more than one a load of it is worth, of `jobs` in all."""
    blocks = manifest.large_blocks or {}
    if manifest.load_parts is None or not form_of(dump.name).plain:  # what is packed is read from its begin only
        return 0
    return jobs - 1 if sum(end - begin for begin, end in blocks.values()) >= _WORTH_BYTES else 0


def load_together(
    crew: Crew,
    connection: Any,
    path: Path,
    *,
    parts: Mapping[str, str],
    large_blocks: Mapping[str, Sequence[int]],
    rows: Mapping[TableName, int],
    session_settings: str,
    progress: Callable[[int], None] | None = None,
) -> LoadSummary:
    """As `load_dump` with autocommit; the caller must discard the database on failure.

    parts, large_blocks, rows: what was found when the dump was examined (DumpFacts). That what is sent is still that is
    seen by the parts. Raises DumpRefused, LoadFailed, ServerUnreachable.
    """
    large = {name: (begin, end) for name, (begin, end) in large_blocks.items()}
    read, sent = _Read(progress), LoadParts()
    with open_dump(path, without=sorted(large.values()), progress=read.rest) as dump:
        together = _Together(crew, LoadSession(connection, dump), dump, large)
        items = _with_large(dump, path, large, rows, read)
        send_all(together, dump, map(sent.note, items), session_settings)
        together.flush()
        if sent.found() != parts:
            raise another_file(path.name)
        together.restore_encoding()
        return LoadSummary(
            statements=dump.statements,
            tables=sum(1 for number in dump.rows.values() if number) + len(large),
            rows=dump.rows.total() + sum(number for table, number in rows.items() if qualified(table) in large),
            bytes=read.bytes,
            round_trips=together.round_trips,
        )


class _Together:
    """The sessions, as one that is given a dump's items (loading.Sending)."""

    def __init__(self, crew: Crew, first: LoadSession, dump: DumpReader, large: Mapping[str, tuple[int, int]]) -> None:
        self._crew, self._first, self._dump, self._large = crew, first, dump, large
        self._sizes: dict[bytes, int] = {}  # of the large tables, by their names as the dump spells them
        self._others: dict[int, _Other] = {}
        self._settings: list[Statement] = []
        self._doing = ""
        self._waiting: dict[object, _Waiting] = {}

    @property
    def round_trips(self) -> int:
        return self._first.round_trips + sum(each.session.round_trips for each in self._others.values())

    def add(self, statement: Statement) -> None:
        doing, table = _what(statement.text)
        if size := self._sizes.get(table):
            # One index beside the other is possible, one key beside another of the same table is not.
            self._wait(doing, table if doing == _KEYS else statement.line, statement, size)
            return
        if not doing and statement.kind is not Kind.SEQUENCE_VALUE:
            self._do_what_waits()
        if statement.kind is Kind.SETTING:
            self._settings.append(statement)
        self._first.add(statement)

    def copy(self, block: CopyBlock) -> None:
        name = qualified(block.table)
        if name not in self._large:
            self._first.copy(block)
            return
        begin, end = self._large[name]
        if not self._first.stores(block):  # an extension's: it may be tied to others already
            self._do_what_waits()
            self._first.copy(block)
            return
        if named := copy_columns(block.text):
            self._sizes[named[0]] = end - begin
        self._wait(_ROWS, name, block, end - begin)

    def settle(self) -> None:
        self._first.settle()

    def flush(self) -> None:
        self._do_what_waits()
        self._first.flush()

    def restore_encoding(self) -> None:
        for session in (self._first, *(each.session for each in self._others.values())):
            session.restore_encoding()

    def _wait(self, doing: str, key: object, item: Item, size: int) -> None:
        if doing != self._doing:
            self._do_what_waits()
            self._first.flush()  # all that stands before
            self._doing = doing
        self._waiting.setdefault(key, _Waiting(size=size)).items.append(item)

    def _do_what_waits(self) -> None:
        """The largest first: what begins last should not take longest."""
        waiting, self._waiting, self._doing = self._waiting, {}, ""
        ordered = sorted(waiting.values(), key=lambda each: each.size, reverse=True)
        self._crew.share([partial(self._send, each.items) for each in ordered])

    def _send(self, items: Sequence[Item], connection: Any) -> None:
        session = self._session(connection)
        for item in items:
            if isinstance(item, CopyBlock):
                session.copy(item)
            else:
                session.add(item)
        session.flush()

    def _session(self, connection: Any) -> LoadSession:
        """The load's session on it, with the settings that the dump has made so far."""
        if self._first.serves(connection):
            return self._first
        other = self._others.setdefault(id(connection), _Other(LoadSession(connection, self._dump)))
        for statement in self._settings[other.settings :]:
            other.session.add(statement)
        other.settings = len(self._settings)
        other.session.settle()
        return other.session


@dataclass
class _Waiting:
    """What one session does in one go. size: of the table's rows in the dump, in bytes."""

    size: int
    items: list[Item] = field(default_factory=list)


@dataclass
class _Other:
    """A session that is not the first, and how many of the dump's settings it has."""

    session: LoadSession
    settings: int = 0


class _Read:
    """How much of the file was read, by all sessions."""

    def __init__(self, tell: Callable[[int], None] | None) -> None:
        self.bytes = 0
        self._tell = tell
        self._rest = 0
        self._lock = threading.Lock()

    def rest(self, done: int) -> None:
        """Of what is not read by stretches, so much was read by now."""
        more, self._rest = done - self._rest, done
        self._add(more)

    def counted(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._add(len(piece))
            yield piece

    def _add(self, more: int) -> None:
        with self._lock:
            self.bytes += more
            if self._tell is not None:
                self._tell(self.bytes)


def _with_large(
    dump: DumpReader, path: Path, large: Mapping[str, tuple[int, int]], rows: Mapping[TableName, int], read: _Read
) -> Iterator[Item]:
    """The dump's items; the data of large blocks is read by whoever sends it."""
    for item in dump.items():
        if isinstance(item, CopyBlock) and (at := large.get(qualified(item.table))):
            dump.passed_over(rows.get(item.table, 0))
            yield replace(item, data=read.counted(stretch(path, *at)))
        else:
            yield item


def _what(text: bytes) -> tuple[str, bytes]:
    """What a statement makes, of which table; nothing when it is neither a key nor an index."""
    for doing, pattern in ((_KEYS, _KEY), (_INDEXES, _INDEX)):
        if found := pattern.fullmatch(text):
            return doing, found[1]
    return "", b""
