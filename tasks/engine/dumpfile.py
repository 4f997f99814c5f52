"""Reading pg_dump's plain format: what a dump file holds, and whether it may be loaded at all."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.engine.dumpfile_reader import CopyBlock, SequenceValue, TableName, open_dump
from tasks.engine.dumpfile_rules import Kind

__all__ = ["DumpFacts", "SequenceValue", "TableName", "inspect_dump"]


@dataclass(frozen=True, kw_only=True)
class DumpFacts:
    """What one pass over a complete dump file found.

    rows: in the COPY block of each table; statements: all of the file's, COPY included; load_sha256: of all that a load
    sends, so of the file without its comments and meta-commands, which differ in each dump.
    """

    size_bytes: int
    sha256: str
    load_sha256: str
    rows: Mapping[TableName, int]
    sequences: Mapping[TableName, SequenceValue]
    statements: int


def inspect_dump(path: Path, *, keys: Sequence[str] = (), progress: Callable[[int], None] | None = None) -> DumpFacts:
    """Read the whole file once; DumpRefused says in one sentence why it must not be loaded.

    Sizes, hashes and lines are the dump's own, whatever form the file has. keys: for an encrypted one.
    progress: is given the number of bytes read so far, about once for every MB.
    """
    sequences: dict[TableName, SequenceValue] = {}
    load = hashlib.sha256()
    with open_dump(path, keys=keys, progress=progress) as dump:
        for item in dump.items():
            load.update(item.text + b"\n")
            if isinstance(item, CopyBlock):
                for piece in item.data:
                    load.update(piece)
                load.update(b"\\.\n")
            elif item.kind is Kind.SEQUENCE_VALUE:
                name, value = dump.sequence_value(item)
                sequences[name] = value
        return DumpFacts(
            size_bytes=dump.bytes_read,
            sha256=dump.sha256,
            load_sha256=load.hexdigest(),
            rows=dict(dump.rows),
            sequences=sequences,
            statements=dump.statements,
        )
