"""Reading pg_dump's plain format: what a dump file holds, and whether it may be loaded at all."""

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from tasks.engine.dumpfile_reader import CopyBlock, DumpReader, SequenceValue, Statement, TableName, open_dump
from tasks.engine.dumpfile_rules import Kind
from tasks.engine.dumpfile_source import END_OF_DATA
from tasks.engine.hashing import Sha256
from tasks.engine.mark import qualified
from tasks.engine.packing import Readable

__all__ = ["DumpFacts", "SequenceValue", "TableName", "inspect_dump", "inspect_text", "load_sha256"]

# Parts that are no table's: a table's name is quoted.
STATEMENTS, SEQUENCES = "statements", "sequences"
LARGE_BLOCK_BYTES = 1 << 20
"""What the data of a COPY block must have for its place in the file to be noted."""


@dataclass(frozen=True, kw_only=True)
class DumpFacts:
    """What one pass over a complete dump file found.

    rows: in the COPY block of each table; statements: all of the file's, COPY included; load_parts: SHA-256 of all that
    a load sends, so of the file without its comments and meta-commands, which differ in each dump, in parts: each
    table's COPY block under its quoted name, the sequences' values under SEQUENCES, all other statements under
    STATEMENTS. large_blocks: where the data of large COPY blocks begins and ends in the SQL, by quoted name.
    """

    size_bytes: int
    sha256: str
    load_parts: Mapping[str, str]
    large_blocks: Mapping[str, tuple[int, int]]
    rows: Mapping[TableName, int]
    sequences: Mapping[TableName, SequenceValue]
    statements: int


def inspect_dump(
    path: Path,
    *,
    keys: Sequence[str] = (),
    progress: Callable[[int], None] | None = None,
    growing: Readable | None = None,
) -> DumpFacts:
    """Read the whole file once; DumpRefused says in one sentence why it must not be loaded.

    Sizes, hashes and lines are the dump's own, whatever form the file has. keys: for an encrypted one.
    progress: is given the number of bytes read so far, about once for every MB. growing: gives the bytes of a plain
    file that is still written.
    """
    with (
        ThreadPoolExecutor(1, thread_name_prefix="hashing") as hashing,
        open_dump(path, keys=keys, progress=progress, hashing=hashing, growing=growing) as dump,
    ):
        return _inspect(dump, hashing)


def inspect_text(text: bytes, name: str) -> DumpFacts:
    """The same of a whole text, which stands in memory. name: to tell of it."""
    return _inspect(DumpReader(name, io.BytesIO(text), head=text))


def _inspect(dump: DumpReader, hashing: Executor | None = None) -> DumpFacts:
    sequences: dict[TableName, SequenceValue] = {}
    blocks: dict[str, tuple[int, int] | None] = {}  # none: there is more than one
    parts = LoadParts(hashing)
    for item in map(parts.note, dump.items()):
        if isinstance(item, CopyBlock):
            begin = dump.offset
            for _ in item.data:
                pass
            name = qualified(item.table)
            blocks[name] = None if name in blocks else (begin, dump.offset - len(END_OF_DATA))
        elif item.kind is Kind.SEQUENCE_VALUE:
            sequence, value = dump.sequence_value(item)
            sequences[sequence] = value
    return DumpFacts(
        size_bytes=dump.bytes_read,
        sha256=dump.sha256,
        load_parts=parts.found(),
        large_blocks={name: at for name, at in blocks.items() if at and at[1] - at[0] >= LARGE_BLOCK_BYTES},
        rows=dict(dump.rows),
        sequences=sequences,
        statements=dump.statements,
    )


class LoadParts:
    """The hashes of what a load sends, made while it is sent; see DumpFacts. hashing: a thread that does so."""

    def __init__(self, hashing: Executor | None = None) -> None:
        self._hashing = hashing
        self._parts = {name: Sha256(hashing) for name in (STATEMENTS, SEQUENCES)}

    def note(self, item: Statement | CopyBlock) -> Statement | CopyBlock:
        """The item itself; a block's data is hashed when it is read, from whichever thread."""
        if isinstance(item, CopyBlock):
            part = self._parts.setdefault(qualified(item.table), Sha256(self._hashing))
            part.update(item.text + b"\n")
            return replace(item, data=_hashed(item.data, part.update))
        part = self._parts[SEQUENCES if item.kind is Kind.SEQUENCE_VALUE else STATEMENTS]
        part.update(item.text + b"\n")
        return item

    def found(self) -> dict[str, str]:
        return {name: part.hexdigest() for name, part in self._parts.items()}


def _hashed(data: Iterator[bytes], update: Callable[[bytes], None]) -> Iterator[bytes]:
    for piece in data:
        update(piece)
        yield piece


def load_sha256(parts: Mapping[str, str]) -> str:
    """One hash for all that a load of the dump sends."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
