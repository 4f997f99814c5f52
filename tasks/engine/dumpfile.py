"""Reading pg_dump's plain format: what a dump file holds, and whether it may be loaded at all."""

import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.engine.dumpfile_reader import CopyBlock, DumpReader, SequenceValue, TableName, open_dump
from tasks.engine.dumpfile_rules import Kind
from tasks.engine.mark import qualified

__all__ = ["DumpFacts", "SequenceValue", "TableName", "inspect_dump", "inspect_text", "load_sha256"]

# Parts that are no table's: a table's name is quoted.
STATEMENTS, SEQUENCES = "statements", "sequences"


@dataclass(frozen=True, kw_only=True)
class DumpFacts:
    """What one pass over a complete dump file found.

    rows: in the COPY block of each table; statements: all of the file's, COPY included; load_parts: SHA-256 of all that
    a load sends, so of the file without its comments and meta-commands, which differ in each dump, in parts: each
    table's COPY block under its quoted name, the sequences' values under SEQUENCES, all other statements under
    STATEMENTS.
    """

    size_bytes: int
    sha256: str
    load_parts: Mapping[str, str]
    rows: Mapping[TableName, int]
    sequences: Mapping[TableName, SequenceValue]
    statements: int


def inspect_dump(path: Path, *, keys: Sequence[str] = (), progress: Callable[[int], None] | None = None) -> DumpFacts:
    """Read the whole file once; DumpRefused says in one sentence why it must not be loaded.

    Sizes, hashes and lines are the dump's own, whatever form the file has. keys: for an encrypted one.
    progress: is given the number of bytes read so far, about once for every MB.
    """
    with open_dump(path, keys=keys, progress=progress) as dump:
        return _inspect(dump)


def inspect_text(text: bytes, name: str) -> DumpFacts:
    """The same of a whole text, which stands in memory. name: to tell of it."""
    return _inspect(DumpReader(name, io.BytesIO(text), head=text))


def _inspect(dump: DumpReader) -> DumpFacts:
    sequences: dict[TableName, SequenceValue] = {}
    parts = {name: hashlib.sha256() for name in (STATEMENTS, SEQUENCES)}
    for item in dump.items():
        if isinstance(item, CopyBlock):
            part = parts.setdefault(qualified(item.table), hashlib.sha256())
            part.update(item.text + b"\n")
            for piece in item.data:
                part.update(piece)
        elif item.kind is Kind.SEQUENCE_VALUE:
            parts[SEQUENCES].update(item.text + b"\n")
            name, value = dump.sequence_value(item)
            sequences[name] = value
        else:
            parts[STATEMENTS].update(item.text + b"\n")
    return DumpFacts(
        size_bytes=dump.bytes_read,
        sha256=dump.sha256,
        load_parts={name: part.hexdigest() for name, part in parts.items()},
        rows=dict(dump.rows),
        sequences=sequences,
        statements=dump.statements,
    )


def load_sha256(parts: Mapping[str, str]) -> str:
    """One hash for all that a load of the dump sends."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
