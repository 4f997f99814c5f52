"""How things stand: read from the journal and the backup directory alone.

The source is never woken for it, and the target need not be there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from config import schedule
from config.settings import Settings
from tasks.engine.drills import Drill, read_drills
from tasks.engine.errors import BackupError
from tasks.engine.freshness import Copy, Freshness, freshness, known_since, newest_copy
from tasks.engine.history import PastRun, past_runs
from tasks.engine.journal import Journal
from tasks.engine.kept import DumpOnDisk, kept_dumps
from tasks.engine.lease import Lease
from tasks.engine.mark import parse_mark
from tasks.engine.storage import free_bytes


@dataclass(frozen=True, kw_only=True)
class CurrentRun:
    """A run that has no outcome yet."""

    run_id: str
    job_id: str
    host: str
    started_at: datetime
    step: str | None  # None before the first and between two of them
    since: datetime  # when the step began, or the run
    alive: bool  # False: its heartbeat has stopped, and reconcile will end it


@dataclass(frozen=True, kw_only=True)
class Lock:
    """Who holds the Redis lock; problem: why that is not known."""

    holder: str | None = None
    problem: str | None = None


@dataclass(frozen=True, kw_only=True)
class Slot:
    """When a job is due next."""

    job_id: str
    at: datetime
    in_s: float


@dataclass(frozen=True, kw_only=True)
class Overview:
    """Everything that can be said without asking a database server."""

    now: datetime
    freshness: Freshness
    stale_after_s: int
    copy: Copy | None
    known_since: datetime | None  # the beginning of what is remembered
    runs: tuple[PastRun, ...]  # the newest first
    current: CurrentRun | None
    next_slots: tuple[Slot, ...]
    held: str | None  # why the newest run was held, while that is so: a person decides
    promoted_at: str | None  # as the newest run that read the target's mark found it
    lock: Lock | None  # None: not asked for
    dumps: tuple[DumpOnDisk, ...]
    last_drill: Drill | None  # the newest restore that was tried out
    free_bytes: int | None  # None: there is no backup directory
    problems: tuple[str, ...]  # what could not be read, a sentence each

    @property
    def last(self) -> PastRun | None:
        """The newest run that has ended."""
        return next((run for run in self.runs if run.outcome), None)


def read_overview(
    settings: Settings,
    journal: Journal | None,
    *,
    now: datetime,
    lease: Lease | None = None,
    last_runs: int | None = 14,
    slots: int = 4,
    problems: Sequence[str] = (),
) -> Overview:
    """Read it; changes nothing.

    journal: None when it was lost or never made (history.journal_if_there): the reports on disk tell then.
    lease: to ask who holds the lock. last_runs: so many, None for all. problems: told beside what is found here.
    """
    told = list(problems)
    try:
        runs, current, promoted_at = past_runs(settings, journal), _current(journal, now), _promoted(journal)
    except BackupError as error:
        told.append(str(error))
        journal, current, promoted_at = None, None, None
        runs = past_runs(settings, None)
    newest_worked = next((run for run in runs if run.worked), None)
    copy = newest_copy(runs, now)
    since = known_since(journal, runs)
    return Overview(
        now=now,
        freshness=freshness(copy, since, now=now, stale_after_s=settings.stale_after_s),
        stale_after_s=settings.stale_after_s,
        copy=copy,
        known_since=since,
        runs=tuple(runs[:last_runs]),
        current=current,
        next_slots=tuple(
            Slot(job_id=job, at=at, in_s=(at - now).total_seconds()) for job, at in schedule.next_slots(now, slots)
        ),
        held=newest_worked.error if newest_worked and newest_worked.outcome == "held" else None,
        promoted_at=promoted_at,
        lock=None if lease is None else _lock(lease),
        dumps=tuple(kept_dumps(settings, journal, now=now)),
        last_drill=next(iter(read_drills(settings.backup_dir)), None),
        free_bytes=free_bytes(settings.backup_dir) if settings.backup_dir.is_dir() else None,
        problems=tuple(told),
    )


def _current(journal: Journal | None, now: datetime) -> CurrentRun | None:
    """Of several open ones, the one that lives; a second message waits for nothing and is over at once."""
    if journal is None:
        return None
    found = sorted(journal.open_runs(), key=lambda record: (not record.is_silent(now), record.started_at))
    if not found:
        return None
    record = found[-1]
    working = [step for step in journal.steps(record.run_id) if step.state == "working"]
    return CurrentRun(
        run_id=record.run_id,
        job_id=record.job_id,
        host=record.host,
        started_at=record.started_at,
        step="rollback" if record.state == "closing" else working[-1].name if working else None,
        since=working[-1].began_at if working else record.started_at,
        alive=not record.is_silent(now),
    )


def _promoted(journal: Journal | None) -> str | None:
    for record in journal.runs(limit=50) if journal else ():
        if "expected" in record.facts:
            mark = parse_mark(record.facts["expected"].get("comment"))
            return mark.promoted if mark else None
    return None


def _lock(lease: Lease) -> Lock:
    try:
        return Lock(holder=lease.holder())
    except BackupError as error:
        return Lock(problem=str(error))
