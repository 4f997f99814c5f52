"""Sending a plain dump to a server through our own connection."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from psycopg2.extensions import connection as Connection  # noqa: N812 - psycopg2 names its class in lower case


@dataclass(frozen=True, kw_only=True)
class LoadSummary:
    """What a load did. statements: the file's, COPY included; rows and tables: in COPY blocks that held rows."""

    statements: int
    tables: int
    rows: int
    bytes: int
    round_trips: int


def load_dump(
    connection: Connection,
    path: Path,
    *,
    sha256: str,
    session_settings: str,
    progress: Callable[[int], None] | None = None,
) -> LoadSummary:
    """Send the dump's statements and data; the caller owns the transaction, nothing is committed here."""
    raise NotImplementedError
