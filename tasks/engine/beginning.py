"""The beginning of a run: is it due, is it the only one, does it have a name and a lock?"""

import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from config import schedule
from config.settings import Settings
from tasks.engine.errors import BackupError
from tasks.engine.faultpoints import fault_point
from tasks.engine.journal import Journal, RunRecord
from tasks.engine.lease import Lease
from tasks.engine.names import PART_SUFFIX, REPORTS_DIR, part_path, report_path
from tasks.engine.recovery import Ending
from tasks.engine.spare import keep_spare
from tasks.engine.storage import ensure_private_dir, is_regular, reserve_stamp

HANDOVER_ALLOWANCE_S = 300.0  # a step's message may wait so long in the queue before the run counts as dead


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A run that stands in the journal; `ending` is set when it must not go on."""

    ending: Ending | None = None


def begin(
    run_id: str,
    *,
    job_id: str,
    options: Mapping[str, Any],
    settings: Settings,
    journal: Journal,
    lease: Lease | None,
    now: datetime,
) -> Begun | None:
    """Write the run down and take the lock; None when this very message was handled before."""
    if job_id != schedule.MANUAL and job_id not in {job.job_id for job in schedule.JOBS}:
        raise BackupError(f"there is no job {job_id!r}; the timetable has {', '.join(j.job_id for j in schedule.JOBS)}")
    slot = None if job_id == schedule.MANUAL else schedule.slot_of(job_id, now)
    while journal.run(run_id) is None:
        stamp, started_at = open_storage(settings, now)
        fault_point("begin.reserved")
        handled = journal.run_of_slot(job_id, slot) if slot else None
        new = journal.begin_run(
            run_id,
            job_id=job_id,
            slot=None if handled else slot,
            stamp=stamp,
            started_at=started_at,
            host=socket.gethostname(),
            allowance_s=HANDOVER_ALLOWANCE_S,
            options=options,
        )
        if new:
            fault_point("begin.written")
            ending = _why_not(run_id, slot, handled, settings=settings, journal=journal, lease=lease, now=now)
            fault_point("begin.locked")
            return Begun(ending=ending)
        release_stamp(settings, stamp)  # this message came twice, or another run took the slot meanwhile: look again
    return None


def open_storage(settings: Settings, now: datetime) -> tuple[str, datetime]:
    """The private folders, and a stamp that no other run has; see storage.reserve_stamp."""
    keep_spare(ensure_private_dir(settings.backup_dir))
    return reserve_stamp(ensure_private_dir(settings.backup_dir / REPORTS_DIR), now)


def release_stamp(settings: Settings, stamp: str) -> None:
    """Give back a stamp that no run bears."""
    part_path(report_path(settings.backup_dir, stamp)).unlink(missing_ok=True)


def _why_not(
    run_id: str,
    slot: datetime | None,
    handled: RunRecord | None,
    *,
    settings: Settings,
    journal: Journal,
    lease: Lease | None,
    now: datetime,
) -> Ending | None:
    if slot and handled and handled.outcome != "missed":
        return Ending(
            outcome="skipped",
            error=f"the run of {slot:%Y-%m-%d %H:%M} UTC was handled already, by run {handled.run_id}",
        )
    if slot and schedule.is_late(slot, now, settings.misfire_grace_s):
        return Ending(
            outcome="missed",
            error=f"it was due at {slot:%Y-%m-%d %H:%M} UTC and could not start within {settings.misfire_grace_s:g} s",
        )
    holder = _who_is_working(run_id, journal, now, settings.misfire_grace_s) or _take_lease(run_id, journal, lease)
    if holder:
        return Ending(outcome="skipped", error=holder)
    return None


def _who_is_working(run_id: str, journal: Journal, now: datetime, grace_s: float) -> str | None:
    """Who holds the run back. Of two that begin at once, each sees the other: the earlier stamp goes first."""
    ours = journal.run(run_id)
    for record in journal.open_runs():
        if ours is None or record.run_id == run_id or record.alive_until <= now:
            continue
        goes_first = (record.stamp, record.run_id) < (ours.stamp, run_id) and not _never_works(record, grace_s)
        if goes_first or journal.steps(record.run_id):
            return _describe_holder(record.run_id, record)
    return None


def _never_works(record: RunRecord, grace_s: float) -> bool:
    """It stands in the journal only to be told: another run has its slot, or it came too late."""
    if record.job_id == schedule.MANUAL:
        return False
    return record.slot is None or schedule.is_late(record.slot, record.started_at, grace_s)


def _take_lease(run_id: str, journal: Journal, lease: Lease | None) -> str | None:
    if lease is None:
        return None
    lease.agree_on_journal(journal.id)
    holder = lease.acquire(run_id, ttl_s=HANDOVER_ALLOWANCE_S)
    if holder and _has_ended(journal, holder):
        lease.release(holder)  # killed between the renewal of its lock and the look whether it still had a run
        holder = lease.acquire(run_id, ttl_s=HANDOVER_ALLOWANCE_S)
    return _describe_holder(holder, journal.run(holder)) if holder else None


def _has_ended(journal: Journal, run_id: str) -> bool:
    record = journal.run(run_id)
    return record is not None and record.state == "ended"


def _describe_holder(run_id: str, record: RunRecord | None) -> str:
    if record is None:
        return f"another run holds the lock: {run_id}"
    return (
        f"another run holds the lock: {run_id} ({record.job_id}) on {record.host}, "
        f"since {record.started_at:%Y-%m-%d %H:%M:%S} UTC"
    )


def record_missed(settings: Settings, journal: Journal, now: datetime) -> list[str]:
    """Write down slots that nobody started within the grace, since this journal exists; returns the new runs' ids.

    A first installation at noon has missed nothing.
    """
    missed = []
    for job_id, slot in schedule.slots_between(journal.created_at, now):
        if schedule.is_late(slot, now, settings.misfire_grace_s) and journal.run_of_slot(job_id, slot) is None:
            run_id = f"missed-{job_id}-{slot:%Y%m%dT%H%MZ}"
            stamp, started_at = open_storage(settings, now)
            if journal.begin_run(
                run_id,
                job_id=job_id,
                slot=slot,
                stamp=stamp,
                started_at=started_at,
                host=socket.gethostname(),
                allowance_s=HANDOVER_ALLOWANCE_S,
                options={},
            ):
                missed.append(run_id)
            else:
                release_stamp(settings, stamp)
    return missed


def forget_reservations(settings: Settings, journal: Journal, now: datetime) -> None:
    """Stamps that were taken by a process that died before it wrote its run down."""
    in_use = journal.stamps_in_use()
    for part in (settings.backup_dir / REPORTS_DIR).glob(f"*{PART_SUFFIX}"):
        if not is_regular(part):
            continue
        with suppress(FileNotFoundError):  # its run has just been told
            silent_s = now.timestamp() - part.stat().st_mtime
            if silent_s > HANDOVER_ALLOWANCE_S and part.name.partition(".")[0] not in in_use:
                part.unlink()


def missed_ending(record: RunRecord) -> Ending:
    if record.slot is None:
        raise BackupError("only a run of the timetable can be missed")
    return Ending(outcome="missed", error=f"it was due at {record.slot:%Y-%m-%d %H:%M} UTC and nobody started it")
