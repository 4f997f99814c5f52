"""How things stand, from journal and backup directory alone: nothing ran, all ran, the journal was lost."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings, load_settings
from tasks.engine.closing import close_run
from tasks.engine.errors import BackupError
from tasks.engine.history import find_run, from_report, journal_if_there, past_runs
from tasks.engine.journal import Journal
from tasks.engine.mark import Mark
from tasks.engine.names import instant_of, stamp_of
from tasks.engine.overview import Overview, read_overview
from tasks.engine.plain import plain
from tasks.engine.recovery import Ending

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
STATS = {"users": 57, "escrows": 12}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    urls = {"DATABASE_URL": "postgresql://u:p@neon/a", "RAILWAY_BACKUP_DB_URL": "postgresql://u:p@railway/b"}
    return load_settings({**urls, "BACKUP_DIR": str(tmp_path)}, None)


@pytest.fixture
def journal(settings: Settings) -> Journal:
    (settings.backup_dir / "reports").mkdir()
    return Journal(settings.journal_url.get_secret_value(), pair=settings.pair)


def begin(journal: Journal, run_id: str, hours_ago: float, **facts: Any) -> str:
    started_at = NOW - timedelta(hours=hours_ago)
    stamp = stamp_of(started_at)
    common: dict[str, Any] = {"job_id": "manual", "slot": None, "host": "h", "allowance_s": 60, "options": {}}
    journal.begin_run(run_id, stamp=stamp, started_at=started_at, **common)
    journal.keep(run_id, source_stats=STATS, **facts)
    return stamp


def end(settings: Settings, journal: Journal, run_id: str, outcome: str, error: str | None = None) -> None:
    if outcome == "succeeded":
        journal.mark_verified(run_id)
    ending = Ending(outcome=outcome, error=error)
    close_run(run_id, ending, settings=settings, journal=journal, lease=None, tell=lambda _: None)


def ran(
    settings: Settings, journal: Journal, run_id: str, hours_ago: float, outcome: str = "succeeded", **facts: Any
) -> None:
    taken_at = (NOW - timedelta(hours=hours_ago)).isoformat()
    dump = {"file": "x.sql", "size_bytes": 2048, "taken_at": taken_at, "tables": 7, "rows": 451}
    stamp = begin(journal, run_id, hours_ago, source_dump=dump, backup_stats=STATS, **facts)
    (settings.backup_dir / f"source_db_backup_{stamp}.sql").write_bytes(b"12345")
    end(settings, journal, run_id, outcome, None if outcome == "succeeded" else f"it was {outcome}")


def look(settings: Settings, journal: Journal | None, **more: Any) -> Overview:
    return read_overview(settings, journal, now=NOW, **more)


def test_where_nothing_ever_ran_everything_is_unknown_and_no_journal_is_made(tmp_path: Path) -> None:
    urls = {"DATABASE_URL": "postgresql://u:p@neon/a", "RAILWAY_BACKUP_DB_URL": "postgresql://u:p@railway/b"}
    settings = load_settings({**urls, "BACKUP_DIR": str(tmp_path / "none")}, None)
    journal, problem = journal_if_there(settings)
    found = look(settings, journal, problems=[problem] if problem else [])
    assert (found.freshness, found.copy, found.runs, found.dumps, found.free_bytes) == ("unknown", None, (), (), None)
    assert "there is no journal" in found.problems[0]
    assert [slot.at.hour for slot in found.next_slots] == [18, 6, 18, 6]
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(("hours", "expected"), [(6, "fresh"), (13, "fresh"), (13.001, "stale"), (-1, "unknown")])
def test_the_age_of_the_newest_verified_copy_decides(
    settings: Settings, journal: Journal, hours: float, expected: str
) -> None:
    ran(settings, journal, "old", 48)
    ran(settings, journal, "good", hours)
    ran(settings, journal, "bad", hours - 1, "failed")
    found = look(settings, journal)
    assert found.freshness == expected
    assert found.copy is not None
    assert (found.copy.run_id, found.copy.stats, found.copy.rows) == ("good", STATS, 451)
    assert [run.run_id for run in found.runs] == ["bad", "good", "old"]


def test_without_a_copy_a_memory_that_is_long_enough_is_stale_and_a_young_one_unknown(
    settings: Settings, journal: Journal
) -> None:
    ran(settings, journal, "a", 3, "failed")
    assert look(settings, journal).freshness == "unknown"
    ran(settings, journal, "b", 20, "failed")
    assert look(settings, journal).freshness == "stale"


def test_when_the_journal_is_lost_the_reports_tell_the_same(settings: Settings, journal: Journal) -> None:
    ran(settings, journal, "old", 20)
    ran(settings, journal, "good", 6)
    ran(settings, journal, "held", 1, "held")
    (settings.backup_dir / "reports" / f"{stamp_of(NOW)}.json").write_text("{damaged")
    with_journal, without = look(settings, journal), look(settings, None)
    assert without.runs == with_journal.runs
    assert without.copy == with_journal.copy
    assert (without.freshness, without.held) == ("fresh", "it was held")
    assert [(dump.state, dump.size_bytes) for dump in without.dumps] == [("verified", 5)] * 2 + [("unverified", 5)]


def test_a_journal_that_breaks_is_told_and_the_reports_are_read(settings: Settings, journal: Journal) -> None:
    ran(settings, journal, "good", 6)
    Path(settings.journal_url.get_secret_value().removeprefix("sqlite:///")).write_bytes(b"garbage" * 1000)
    found = look(settings, journal)
    assert found.freshness == "fresh"
    assert "the journal cannot be used" in found.problems[0]
    broken, problem = journal_if_there(settings)
    assert broken is None
    assert problem is not None


def test_a_run_that_is_going_is_told_with_its_step_and_a_held_run_rests_until_another_worked(
    settings: Settings, journal: Journal
) -> None:
    mark = Mark(run_id="x", snapshot_at="s", content_digest="d", source="s", promoted="2026-11-22T10:00:00+00:00")
    ran(settings, journal, "held", 2, "held", expected={"oid": 1, "comment": mark.as_comment()})
    ran(settings, journal, "later", 1.5, "skipped")
    found = look(settings, journal)
    assert (found.held, found.promoted_at, found.current) == ("it was held", mark.promoted, None)
    begin(journal, "going", 1)
    journal.claim_step("going", "dump_source", alive_s=60)
    found = look(settings, journal)
    assert found.current is not None
    assert (found.current.run_id, found.current.step) == ("going", "dump_source")
    assert found.held is None
    assert found.last is not None
    assert found.last.run_id == "later"
    assert (found.runs[0].outcome, found.runs[0].duration_s) == (None, None)


def test_an_overview_is_plain_json(settings: Settings, journal: Journal) -> None:
    ran(settings, journal, "good", 6)
    told = json.loads(json.dumps(plain(look(settings, journal))))
    assert told["copy"]["snapshot_at"] == "2026-11-22T06:00:00+00:00"
    assert told["copy"]["age_s"] == 6 * 3600
    assert "report" not in told["runs"][0]


def test_a_run_is_found_by_id_by_the_beginning_of_it_by_its_stamp_or_as_the_last(
    settings: Settings, journal: Journal
) -> None:
    for run_id, hours, outcome in (("abc1", 9, "succeeded"), ("abd2", 8, "failed"), ("x", 7, "missed")):
        ran(settings, journal, run_id, hours, outcome)
    runs = past_runs(settings, journal)
    stamp = stamp_of(NOW - timedelta(hours=9))
    found = [find_run(runs, wanted).run_id for wanted in ("abc1", "abd", stamp, "last", "x")]
    assert found == ["abc1", "abd2", "abc1", "abd2", "x"]
    for wanted, complaint in (("ab", "begins the ids of 2 runs: abd2, abc1"), ("zz", "no run 'zz'"), ("", "no run ''")):
        with pytest.raises(BackupError, match=complaint):
            find_run(runs, wanted)
    with pytest.raises(BackupError, match="no run is remembered"):
        find_run([], "last")


def test_limits_hold_over_journal_and_reports_together(settings: Settings, journal: Journal) -> None:
    for number in range(5):
        ran(settings, journal, f"r{number}", 10 - number)
    assert [run.run_id for run in past_runs(settings, journal, limit=2)] == ["r4", "r3"]
    assert [run.run_id for run in past_runs(settings, None, limit=2)] == ["r4", "r3"]
    assert instant_of(past_runs(settings, None)[0].stamp) == NOW - timedelta(hours=6)


def test_what_is_no_report_is_no_run() -> None:
    with pytest.raises(KeyError):
        from_report({"outcome": "succeeded"})
