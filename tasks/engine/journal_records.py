"""What the journal hands out: runs and steps, as values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

# Nobody says to be alive for longer ahead; who does had a clock that ran ahead.
LONGEST_ALLOWANCE = timedelta(minutes=15)


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One run as the journal knows it. Instants are aware, in UTC."""

    run_id: str
    pair: str
    job_id: str
    slot: datetime | None
    stamp: str
    started_at: datetime
    host: str
    state: str  # open: steps work; closing: a rollback or reconcile has it; ended
    outcome: str | None
    error: str | None
    closer: str | None
    restore_began_at: datetime | None
    verified_at: datetime | None
    ended_at: datetime | None
    alive_until: datetime
    options: Mapping[str, Any]
    facts: Mapping[str, Any]
    report: Mapping[str, Any] | None

    def is_silent(self, now: datetime) -> bool:
        """Its heartbeat has stopped, or comes from a clock that cannot be right."""
        return not now <= self.alive_until <= now + LONGEST_ALLOWANCE


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """One step of a run; took_s is None while it works."""

    name: str
    state: str  # working, done, failed
    began_at: datetime
    took_s: float | None
    summary: str | None
