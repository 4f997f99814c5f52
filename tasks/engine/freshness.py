"""How old the newest verified copy is, and whether that is young enough. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tasks.engine.history import PastRun
from tasks.engine.journal import Journal

Freshness = Literal["fresh", "stale", "unknown"]

# A clock that is a little behind the server's is usual; beyond that the age of a copy is not known.
_CLOCKS_MAY_DIFFER_S = 300.0


@dataclass(frozen=True, kw_only=True)
class Copy:
    """The newest verified copy: of which instant, and what it held."""

    run_id: str
    stamp: str
    snapshot_at: datetime
    age_s: float
    stats: Mapping[str, int | None]
    dump_bytes: int | None
    tables: int | None
    rows: int | None
    method: str | None
    duration_s: float | None  # None while its run goes on


def newest_copy(runs: Sequence[PastRun], now: datetime) -> Copy | None:
    """Of all runs whose copy was verified, the one whose snapshot is the newest."""
    verified = [(run.snapshot_at, run) for run in runs if run.verified and run.snapshot_at]
    if not verified:
        return None
    snapshot_at, run = max(verified, key=lambda pair: pair[0])
    return Copy(
        run_id=run.run_id,
        stamp=run.stamp,
        snapshot_at=snapshot_at,
        age_s=(now - snapshot_at).total_seconds(),
        stats=run.backup_stats or run.source_stats,
        dump_bytes=run.dump_bytes,
        tables=run.tables,
        rows=run.rows,
        method=run.method,
        duration_s=run.duration_s,
    )


def freshness(copy: Copy | None, known_since: datetime | None, *, now: datetime, stale_after_s: float) -> Freshness:
    """Whether the newest verified copy is young enough.

    Without any: stale when what is remembered reaches back further than stale_after_s, since there would be one;
    unknown for an installation that is younger, for a lost memory, and for a copy from the future.
    """
    if copy is not None:
        if copy.age_s < -_CLOCKS_MAY_DIFFER_S:
            return "unknown"
        return "fresh" if copy.age_s <= stale_after_s else "stale"
    if known_since is not None and (now - known_since).total_seconds() > stale_after_s:
        return "stale"
    return "unknown"


def known_since(journal: Journal | None, runs: Sequence[PastRun]) -> datetime | None:
    """The beginning of what is remembered; runs: the newest first."""
    instants = [run.started_at for run in runs[-1:]] + ([journal.created_at] if journal else [])
    return min(instants, default=None)
