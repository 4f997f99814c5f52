"""Reading pg_dump's plain format: what a dump file holds, and whether it may be loaded at all."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

TableName = tuple[str, str]
"""Schema and table (or sequence), unquoted."""


@dataclass(frozen=True, kw_only=True)
class SequenceValue:
    """What a `setval` line of the dump gives a sequence."""

    last_value: int
    is_called: bool


@dataclass(frozen=True, kw_only=True)
class DumpFacts:
    """What one pass over a complete dump file found.

    rows: in the COPY block of each table; statements: all of the file's, COPY included.
    """

    size_bytes: int
    sha256: str
    rows: Mapping[TableName, int]
    sequences: Mapping[TableName, SequenceValue]
    statements: int


def inspect_dump(path: Path, *, progress: Callable[[int], None] | None = None) -> DumpFacts:
    """Read the whole file once; DumpRefused says in one sentence why it must not be loaded."""
    raise NotImplementedError
