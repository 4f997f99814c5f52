"""Two messages that begin at the very same instant: exactly one run works, and the other one says why it does not."""

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from config.schedule import JOBS, MANUAL, slot_of
from config.settings import Settings, load_settings
from tasks.engine.beginning import Begun, begin
from tasks.engine.journal import Journal
from tasks.engine.lease import Lease, open_lease
from worker.demo.servers import ValkeyServer

MORNING = JOBS[0].job_id


class Together(Journal):
    """A journal in which two runs look for others before either is written down, and again only after both are."""

    def __init__(self, url: str, *, pair: str, barrier: threading.Barrier) -> None:
        super().__init__(url, pair=pair)
        self._barrier, self._met = barrier, False

    def begin_run(self, *args: Any, **options: Any) -> bool:
        if self._met:
            return super().begin_run(*args, **options)
        self._met = True
        self._barrier.wait(20)
        begun = super().begin_run(*args, **options)
        self._barrier.wait(20)
        return begun


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    # a pair of its own: Redis remembers the journal of each
    urls = {"DATABASE_URL": "postgresql://u:p@neon/a", "RAILWAY_BACKUP_DB_URL": f"postgresql://u:p@to/{tmp_path.name}"}
    return load_settings({**urls, "BACKUP_DIR": str(tmp_path / "backups")}, None)


def begin_two_together(settings: Settings, lease: Lease | None, job_id: str, now: datetime) -> list[Begun | None]:
    settings.backup_dir.mkdir()
    Journal(settings.journal_url.get_secret_value(), pair=settings.pair)  # its tables are there
    barrier = threading.Barrier(2)
    found: list[Begun | None] = []

    def begin_one(run_id: str) -> None:
        journal = Together(settings.journal_url.get_secret_value(), pair=settings.pair, barrier=barrier)
        found.append(begin(run_id, job_id=job_id, options={}, settings=settings, journal=journal, lease=lease, now=now))

    threads = [threading.Thread(target=begin_one, args=(run_id,)) for run_id in ("one", "other")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 2
    return found


@pytest.mark.parametrize("lock", [True, False], ids=["with the lock", "without Redis"])
@pytest.mark.parametrize("job_id", [MANUAL, MORNING])
def test_of_two_runs_that_begin_at_once_exactly_one_works(
    settings: Settings, valkey_server: ValkeyServer, lock: bool, job_id: str
) -> None:
    now = datetime.now(UTC)
    if job_id != MANUAL:
        now = slot_of(job_id, now)
    lease = open_lease(valkey_server.url(), pair=settings.pair) if lock else None
    found = begin_two_together(settings, lease, job_id, now)
    if lease is not None:
        lease.release("one")
        lease.release("other")
    endings = [begun.ending for begun in found if begun is not None]
    assert len(endings) == 2
    assert endings.count(None) == 1
    ending = next(ending for ending in endings if ending is not None)
    assert ending.outcome == "skipped"
    said = "another run holds the lock" if job_id == MANUAL else "was handled already, by run"
    assert said in str(ending.error)


def test_a_message_that_lost_its_slot_holds_nobody_back(settings: Settings) -> None:
    """Between being written down and being ended as skipped it stands in the journal like a run."""
    settings.backup_dir.mkdir()
    journal = Journal(settings.journal_url.get_secret_value(), pair=settings.pair)
    now = datetime.now(UTC)
    journal.begin_run(
        "loser",
        job_id=MORNING,
        slot=None,
        stamp="20000101_000000",
        started_at=now,
        host="here",
        allowance_s=300,
        options={},
    )
    begun = begin("next", job_id=MANUAL, options={}, settings=settings, journal=journal, lease=None, now=now)
    assert begun is not None
    assert begun.ending is None
