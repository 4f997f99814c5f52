"""Is a run due, is it the only one, and does it have a name?"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from config.schedule import MANUAL
from config.settings import Settings, load_settings
from tasks.engine.beginning import Begun, begin, record_missed
from tasks.engine.errors import BackupError
from tasks.engine.journal import Journal

MORNING = "unified_db_railway_backup_morning"
SIX = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    urls = {"DATABASE_URL": "postgresql://u:p@neon/a", "RAILWAY_BACKUP_DB_URL": "postgresql://u:p@railway/b"}
    return load_settings({**urls, "BACKUP_DIR": str(tmp_path / "backups")}, None)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(f"sqlite:///{tmp_path / 'journal.sqlite3'}", pair="0123abcd")


def start(settings: Settings, journal: Journal, run_id: str, now: datetime, job_id: str = MORNING) -> Begun | None:
    return begin(run_id, job_id=job_id, options={}, settings=settings, journal=journal, lease=None, now=now)


def outcome(begun: Begun | None) -> str | None:
    assert begun is not None
    return begun.ending.outcome if begun.ending else None


@pytest.mark.parametrize(
    ("late", "expected"),
    [
        (timedelta(0), None),
        (timedelta(minutes=8), None),
        (timedelta(minutes=10), None),
        (timedelta(minutes=10, seconds=1), "missed"),
        (timedelta(minutes=11), "missed"),
        (timedelta(minutes=15), "missed"),
    ],
)
def test_a_run_starts_within_ten_minutes_of_its_time_or_not_at_all(
    settings: Settings, journal: Journal, late: timedelta, expected: str | None
) -> None:
    assert outcome(start(settings, journal, "a", SIX + late)) == expected


def test_a_slot_that_was_handled_is_skipped_and_the_message_says_by_whom(settings: Settings, journal: Journal) -> None:
    start(settings, journal, "first", SIX)
    journal.end_run("first", outcome="succeeded", error=None, report={})
    second = start(settings, journal, "second", SIX + timedelta(seconds=30))
    assert second is not None
    assert second.ending is not None
    assert (second.ending.outcome, "by run first" in str(second.ending.error)) == ("skipped", True)


def test_a_run_by_hand_has_no_slot_and_is_never_late(settings: Settings, journal: Journal) -> None:
    assert outcome(start(settings, journal, "a", SIX + timedelta(hours=5), MANUAL)) is None
    record = journal.run("a")
    assert record is not None
    assert record.slot is None


def test_while_a_run_works_another_is_skipped_although_no_lock_is_there(settings: Settings, journal: Journal) -> None:
    now = datetime.now(UTC)
    assert outcome(start(settings, journal, "a", now, MANUAL)) is None
    second = start(settings, journal, "b", now, MANUAL)
    assert second is not None
    assert second.ending is not None
    assert (second.ending.outcome, "another run holds the lock: a" in str(second.ending.error)) == ("skipped", True)


def test_a_message_that_comes_twice_begins_nothing(settings: Settings, journal: Journal) -> None:
    assert start(settings, journal, "a", SIX) is not None
    assert start(settings, journal, "a", SIX) is None


def test_two_runs_of_the_same_second_have_stamps_of_their_own(settings: Settings, journal: Journal) -> None:
    for run_id in ("a", "b", "c"):
        start(settings, journal, run_id, SIX, MANUAL)
    assert sorted(record.stamp for record in journal.runs()) == [
        "20261122_060000",
        "20261122_060001",
        "20261122_060002",
    ]


def test_a_job_that_is_not_in_the_timetable_is_refused(settings: Settings, journal: Journal) -> None:
    with pytest.raises(BackupError, match="there is no job 'nightly'"):
        start(settings, journal, "a", SIX, "nightly")


def test_a_first_installation_has_missed_nothing(settings: Settings, journal: Journal) -> None:
    assert record_missed(settings, journal, journal.created_at + timedelta(minutes=9)) == []


def test_a_slot_that_nobody_started_is_recorded_once(settings: Settings, journal: Journal) -> None:
    two_days_on = journal.created_at + timedelta(days=2, minutes=11)
    missed = record_missed(settings, journal, two_days_on)
    assert len(missed) in {4, 5}
    assert record_missed(settings, journal, two_days_on) == []


def test_a_slot_within_its_grace_is_not_missed_yet(settings: Settings, journal: Journal) -> None:
    later = journal.created_at + timedelta(days=1)
    slot = later.replace(hour=18, minute=0, second=0, microsecond=0)
    recorded = record_missed(settings, journal, slot + timedelta(minutes=9))
    assert f"missed-unified_db_railway_backup_evening-{slot:%Y%m%dT%H%MZ}" not in recorded
