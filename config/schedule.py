"""When the two daily jobs are due, and until when a late start still counts. Plain data and pure functions."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

# The job id of a run that a person started: it has no slot and cannot be late.
MANUAL = "manual"

_DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Job:
    """A run that is due every day at one time, in UTC."""

    job_id: str
    hour: int
    minute: int = 0


JOBS: tuple[Job, ...] = (
    Job(job_id="unified_db_railway_backup_morning", hour=6),
    Job(job_id="unified_db_railway_backup_evening", hour=18),
)


def slot_of(job_id: str, now: datetime) -> datetime:
    """The newest instant, not after now, at which the job was due.

    Raises ValueError for an id that is no scheduled job, `manual` included.
    """
    now = _in_utc(now)
    slot = _on_day_of(now, _job(job_id))
    return slot if slot <= now else slot - _DAY


def next_slots(now: datetime, n: int) -> list[tuple[str, datetime]]:
    """The n slots after now, of all jobs, in order of time."""
    return list(islice(_slots_after(_in_utc(now)), n))


def slots_between(after: datetime, until: datetime) -> list[tuple[str, datetime]]:
    """The slots of all jobs with after < slot <= until, in order of time."""
    until = _in_utc(until)
    slots: list[tuple[str, datetime]] = []
    for job_id, slot in _slots_after(_in_utc(after)):
        if slot > until:
            break
        slots.append((job_id, slot))
    return slots


def is_late(slot: datetime, now: datetime, grace_s: float) -> bool:
    """Whether a run of this slot must no longer start; on the last instant of the grace it still may."""
    return _in_utc(now) - _in_utc(slot) > timedelta(seconds=grace_s)


def _slots_after(after: datetime) -> Iterator[tuple[str, datetime]]:
    day = after
    while True:
        due = sorted((_on_day_of(day, job), job.job_id) for job in JOBS)
        yield from ((job_id, slot) for slot, job_id in due if slot > after)
        day += _DAY


def _on_day_of(instant: datetime, job: Job) -> datetime:
    return instant.replace(hour=job.hour, minute=job.minute, second=0, microsecond=0)


def _job(job_id: str) -> Job:
    for job in JOBS:
        if job.job_id == job_id:
            return job
    raise ValueError(f"{job_id!r} is no scheduled job; there are {', '.join(job.job_id for job in JOBS)}")


def _in_utc(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError(f"{instant} has no time zone; instants are aware, in UTC")
    return instant.astimezone(UTC)
