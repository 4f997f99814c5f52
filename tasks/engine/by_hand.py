"""Work that a person asks for beside the runs: with a run's own means, and a memory that goes with it.

It is one at a time for each purpose and database (a lock at the server), so what an earlier one left there is
known to be dead, and is removed first.
"""

import logging
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from config.schedule import MANUAL
from config.settings import Settings
from config.urls import DatabaseUrl
from tasks.engine.connections import end_sessions
from tasks.engine.dumping import keep_rejected
from tasks.engine.errors import BackupError
from tasks.engine.journal import Journal
from tasks.engine.mark import read_state
from tasks.engine.names import stamp_of
from tasks.engine.replacing import fence
from tasks.engine.replacing.swap import drop_databases
from tasks.engine.run import Run, open_run
from tasks.engine.storage import ensure_private_dir
from tasks.engine.watch import Watch

log = logging.getLogger(__name__)

_CLASS = 0x726E74  # "rnt"; the fence has its own


@contextmanager
def open_by_hand(
    settings: Settings, purpose: str, target: DatabaseUrl, *, limit_s: float, stamp: str | None = None
) -> Iterator[Run]:
    """A run that stands in no journal of ours, upon this target; purpose: one word, for names and the lock."""
    aimed = settings.model_copy(update={"railway_backup_db_url": target})
    run_id = f"{purpose} {aimed.target.identity}"
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="railway-neon-sync-") as folder, Watch(purpose, limit_s) as watch:
        journal = Journal(f"sqlite:///{Path(folder) / 'journal.sqlite3'}", pair=aimed.pair)
        journal.begin_run(
            run_id,
            job_id=MANUAL,
            slot=None,
            stamp=stamp or stamp_of(now),
            started_at=now,
            host="",
            allowance_s=limit_s,
            options={},
        )
        record = journal.run(run_id)
        if record is None:
            raise BackupError("the memory of this command cannot be read; see that /tmp can be written to")
        run = open_run(record, settings=aimed, journal=journal, watch=watch)
        yield run


@contextmanager
def alone(run: Run, purpose: str) -> Iterator[None]:
    """While inside, no other process does the same to the same database; what a dead one left is gone."""
    maintenance = fence.find_maintenance_database(run.target)
    run.keep(maintenance=maintenance)
    key = zlib.crc32(f"{purpose} {run.target_name}".encode()) - 2**31
    with run.target.open(maintenance, autocommit=True) as guard:
        taken = guard.exec_driver_sql(
            "SELECT pg_try_advisory_lock(%(of)s, %(key)s)", {"of": _CLASS, "key": key}
        ).scalar_one()
        if not taken:
            raise BackupError(
                f"another {purpose} works on database {run.target_name} just now; wait for it, or end its process"
            )
        end_sessions(guard, run.session_prefix)
        drop_databases(run, run.incoming_name)
        if read_state(guard, run.previous_name):
            _keep_previous(run)
        yield


def _keep_previous(run: Run) -> None:
    """What was replaced by a restore that died before it looked there again: somebody may have written to it."""
    ensure_private_dir(run.settings.backup_dir)
    previous = replace(run.target, url=run.target.url.with_database(run.previous_name))
    kept = keep_rejected(run, previous)
    log.warning(
        "an earlier command replaced what %s held and died before it was verified: that is kept as %s, and no "
        "retention deletes that file",
        run.target_name,
        kept.file,
        extra={"event": "previous_kept"},
    )
    drop_databases(run, run.previous_name)


def demand_quiet(settings: Settings, journal: Journal | None, *, now: datetime) -> None:
    """BackupError while a run of these two databases works: both would only slow each other down."""
    for record in journal.open_runs() if journal else ():
        if not record.is_silent(now):
            raise BackupError(
                f"run {record.run_id} works on {settings.target.dbname} since {record.started_at:%H:%M:%S} UTC; "
                "wait for its end: railway-neon-sync status"
            )
