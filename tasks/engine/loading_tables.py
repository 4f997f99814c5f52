"""Bringing single tables of a dump: what differs is written, row by row, and what is equal stays untouched.

The new rows come into a temporary table: those alone that differ, where the dump that the table was made of is there to
be read beside the new one; else all, and the server finds out. Rows are the same when their text is: what a dump holds
is text. Each text must stand in the table once at most, so it needs a primary key.
"""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tasks.engine.content import holding
from tasks.engine.dumpfile import LoadParts
from tasks.engine.dumpfile_reader import CopyBlock, DumpReader, Statement, TableName, open_dump
from tasks.engine.dumpfile_rules import Kind
from tasks.engine.errors import BackupError, LoadFailed
from tasks.engine.loading import Item, another_file, send_all
from tasks.engine.loading_rows import copy_columns
from tasks.engine.loading_session import LoadSession
from tasks.engine.manifest import Manifest
from tasks.engine.mark import identifier, qualified
from tasks.engine.names import form_of
from tasks.engine.row_changes import RowChanges, row_changes
from tasks.engine.rows.kept import BlockDamaged, KeptBlock

log = logging.getLogger(__name__)

_DIFFER = b"""
CREATE TEMPORARY TABLE rns_differ_%(number)b ON COMMIT DROP AS
    SELECT here.at AS old, brought.at AS new
    FROM (SELECT ctid AS at, ROW(%(columns)b)::text COLLATE "C" AS row FROM ONLY %(table)b) here
    FULL JOIN (SELECT ctid AS at, ROW(%(columns)b)::text COLLATE "C" AS row FROM pg_temp.rns_brought_%(number)b) brought
        ON here.row = brought.row
    WHERE here.at IS NULL OR brought.at IS NULL;
"""
_DELETE = b"""
DELETE FROM ONLY %(table)b WHERE ctid = ANY (ARRAY (
    SELECT old FROM pg_temp.rns_differ_%(number)b WHERE old IS NOT NULL));
"""
_INSERT = b"""
INSERT INTO %(table)b (%(columns)b) OVERRIDING SYSTEM VALUE
    SELECT %(columns)b FROM pg_temp.rns_brought_%(number)b WHERE ctid = ANY (ARRAY (
        SELECT new FROM pg_temp.rns_differ_%(number)b WHERE new IS NOT NULL));
"""
# Dropped with the COMMIT: what a session drops when it ends would be one transaction more that writes.
_TEMPORARY = b"""
CREATE TEMPORARY TABLE pg_temp.rns_%(what)b_%(number)b ON COMMIT DROP AS
    SELECT %(columns)b FROM ONLY %(table)b WITH NO DATA;
"""
_DELETE_BY_KEY = b"DELETE FROM ONLY %(table)b here USING pg_temp.rns_gone_%(number)b gone WHERE %(same)b;"
_DELETE_BY_TEXT = b"""
DELETE FROM ONLY %(table)b WHERE ROW(%(columns)b)::text COLLATE "C" IN (
    SELECT ROW(%(columns)b)::text COLLATE "C" FROM pg_temp.rns_gone_%(number)b);
"""
_INSERT_ALL = b"""
INSERT INTO %(table)b (%(columns)b) OVERRIDING SYSTEM VALUE
    SELECT %(columns)b FROM pg_temp.rns_brought_%(number)b;
"""


@dataclass(frozen=True, kw_only=True)
class Large:
    """A large table's rows in a plain dump, and in the last one.

    last: of which those in the target are; None: not known. key: the columns of its primary key, where pg_catalog
    compares them; None: a row is known by all of its text.
    """

    rows: KeptBlock
    last: KeptBlock | None
    key: Sequence[str] | None


def load_tables(
    connection: Any,
    path: Path,
    manifest: Manifest,
    *,
    tables: Collection[TableName],
    large: Mapping[TableName, Large],
    session_settings: str,
    keys: Sequence[str] = (),
    progress: Callable[[int], None] | None = None,
    check: Callable[[], None] = lambda: None,
) -> Mapping[TableName, int]:
    """As `load_dump`, of these tables alone, and only so far that they hold just the dump's rows.

    manifest: of the dump at `path`. large: what is known of those of `tables` that are large. Large blocks of others
    are not even read; that what is read is still what was examined is seen by its parts. check: raises when the step
    must end. Returns how many rows were deleted and inserted, where that is known.
    """
    differ: dict[TableName, int] = {}
    in_line = {qualified(table) for table in tables if table not in large}
    blocks = manifest.large_blocks or {} if form_of(path.name).plain else {}
    places = {name: at for name, at in blocks.items() if name not in in_line}
    rows = {qualified(table): number for table, (number, _) in holding(manifest.content.tables).items()}
    read = LoadParts()

    def items(dump: DumpReader) -> Iterator[Item]:
        for item in dump.items():
            if isinstance(item, CopyBlock) and (name := qualified(item.table)) in places:
                dump.passed_over(rows.get(name, 0))
                yield item
            else:
                yield read.note(item)

    without = sorted((begin, end) for begin, end in places.values())
    with open_dump(path, keys=keys, without=without, progress=progress) as dump:
        session = LoadSession(connection, dump, savepoints=False)
        with session.never_half_committed():
            send_all(session, dump, only_tables(items(dump), tables, large, differ, check), session_settings)
            parts = manifest.load_parts or {}
            if read.found() != {name: sha256 for name, sha256 in parts.items() if name not in places}:
                raise another_file(path.name)
            session.flush()
            session.restore_encoding()
    return differ


def only_tables(
    items: Iterator[Item],
    tables: Collection[TableName],
    large: Mapping[TableName, Large],
    differ: dict[TableName, int],
    check: Callable[[], None],
) -> Iterator[Item]:
    """What a load sends in place of a dump's items, so that these tables hold just its rows. LoadFailed: it cannot.

    differ: is filled with how many rows are deleted and inserted, where that is known.
    """
    in_preamble = True
    for number, item in enumerate(items):
        if isinstance(item, CopyBlock):
            in_preamble = False
            if item.table in tables:
                yield from _Table(item, number, large.get(item.table), check).items(differ)
            for _ in item.data:  # it is hashed
                pass
        elif item.kind is not Kind.SETTING:
            in_preamble = False
        elif in_preamble:
            yield item


class _Table:
    """One table: what is sent for its block."""

    def __init__(self, block: CopyBlock, number: int, large: Large | None, check: Callable[[], None]) -> None:
        found = copy_columns(block.text)
        if found is None:
            raise LoadFailed(f"line {block.line} of the dump names no columns, so its table cannot be loaded alone")
        table, self._columns = found
        self._block, self._large, self._check = block, large, check
        self._words = {b"table": table, b"columns": self._columns, b"number": b"%d" % number}

    def items(self, differ: dict[TableName, int]) -> Iterator[Item]:
        large = self._large
        if large is None:
            yield from self._all(self._block.data)
            return
        with ExitStack() as files:
            if (changes := self._changes(large, files)) is not None:
                differ[self._block.table] = changes.gone.count + changes.come.count
                yield from self._changed(changes, large.key)
            else:
                yield from self._all(self._rows(large))

    def _rows(self, large: Large) -> Iterator[bytes]:
        try:
            yield from large.rows.data(self._block.text, check=self._check)
        except BlockDamaged as error:
            raise another_file(large.rows.file.name) from error

    def _changes(self, large: Large, files: ExitStack) -> RowChanges | None:
        """None: the server is to find out. files: stay open while what is returned is read."""
        if large.last is None:
            return None
        old, new = large.last.data(self._block.text, check=self._check), self._rows(large)
        try:
            return files.enter_context(row_changes(old, new, directory=large.rows.file.parent))
        except BackupError:  # that a deadline has passed is an OSError too
            raise
        except (BlockDamaged, OSError) as error:
            log.warning("all rows of %s are sent: %s", ".".join(self._block.table), error, extra={"event": "rows_sent"})
            return None

    def _all(self, data: Iterator[bytes]) -> Iterator[Item]:
        yield from self._brought(b"brought", data)
        for template in (_DIFFER, _DELETE, _INSERT):
            yield self._statement(template)

    def _changed(self, changes: RowChanges, key: Sequence[str] | None) -> Iterator[Item]:
        if changes.gone.count:
            yield from self._brought(b"gone", changes.gone.pieces())
            yield self._delete(key)
        if changes.come.count:
            yield from self._brought(b"brought", changes.come.pieces())
            yield self._statement(_INSERT_ALL)

    def _delete(self, key: Sequence[str] | None) -> Statement:
        names = [identifier(column) for column in key or ()]
        if not names or not all(map(str.isascii, names)):  # the dump may be in any encoding
            return self._statement(_DELETE_BY_TEXT)
        same = " AND ".join(f"here.{name} OPERATOR(pg_catalog.=) gone.{name}" for name in names)
        return self._statement(_DELETE_BY_KEY, same=same.encode())

    def _brought(self, what: bytes, data: Iterator[bytes]) -> Iterator[Item]:
        """Rows into a temporary table."""
        yield self._statement(_TEMPORARY, what=what)
        into = b"COPY pg_temp.rns_%b_%b (%b) FROM stdin;" % (what, self._words[b"number"], self._columns)
        yield replace(self._block, text=into, data=data)

    def _statement(self, template: bytes, **words: bytes) -> Statement:
        known = {**self._words, **{name.encode(): word for name, word in words.items()}}
        return Statement(text=(template % known).strip(), line=self._block.line, kind=Kind.DEFINITION)
