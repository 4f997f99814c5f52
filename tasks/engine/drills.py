"""The drills that were held, and so how long a restore takes; a file beside the dumps, apart from the journal."""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tasks.engine.storage import atomic_write, read_regular

FILE = "drills.json"
_KEPT = 200


@dataclass(frozen=True, kw_only=True)
class Drill:
    """One drill. rto_s: from an empty server to a database that is loaded and proved."""

    at: str  # ISO 8601, UTC
    dump: str
    run_id: str
    snapshot_at: str
    server: str  # host:port
    size_bytes: int
    tables: int
    rows: int
    load_s: float | None
    prove_s: float | None
    rto_s: float | None
    ok: bool
    error: str | None


def read_drills(directory: Path) -> list[Drill]:
    """The drills that are remembered, the newest first; a damaged memory is none."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        return [Drill(**entry) for entry in reversed(json.loads(read_regular(directory / FILE))["drills"])]
    return []


def remember_drill(directory: Path, done: Drill, *, keep_days: int) -> None:
    """Beside the dumps, so that it outlives the journal; older ones than keep_days are forgotten."""
    oldest = (datetime.fromisoformat(done.at) - timedelta(days=keep_days)).isoformat(timespec="seconds")
    kept = [done, *(each for each in read_drills(directory) if each.at >= oldest)][:_KEPT]
    document: dict[str, Any] = {"drills": [asdict(each) for each in reversed(kept)]}
    atomic_write(directory / FILE, json.dumps(document, indent=1, ensure_ascii=False).encode())
