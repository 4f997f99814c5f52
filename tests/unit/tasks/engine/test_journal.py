"""The journal: what must not happen twice, does not."""

import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.engine.history import from_report
from tasks.engine.journal import Journal, JournalGone, JournalUnavailable, NoJournal
from tasks.engine.progress import Phase
from tasks.engine.report import build_report

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SLOT = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)


def open_journal(folder: Path, pair: str = "0123abcd") -> Journal:
    return Journal(f"sqlite:///{folder / 'journal.sqlite3'}", pair=pair)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return open_journal(tmp_path)


def begin(journal: Journal, run_id: str, *, slot: datetime | None = None, stamp: str = "20261122_120000") -> bool:
    return journal.begin_run(
        run_id,
        job_id="manual" if slot is None else "unified_db_railway_backup_morning",
        slot=slot,
        stamp=stamp,
        started_at=NOON,
        host="here",
        allowance_s=30,
        options={},
    )


def test_a_run_begins_once(journal: Journal) -> None:
    assert begin(journal, "a")
    assert not begin(journal, "a")


def test_a_slot_is_taken_once_and_runs_by_hand_have_none(journal: Journal) -> None:
    assert begin(journal, "a", slot=SLOT)
    assert not begin(journal, "b", slot=SLOT)
    assert begin(journal, "c")
    assert begin(journal, "d")


def test_what_another_pair_of_databases_is_at_is_known_and_not_mixed_up(journal: Journal, tmp_path: Path) -> None:
    """Both may keep their files in one folder: nobody removes the other's."""
    other = open_journal(tmp_path, pair="another")
    assert begin(journal, "ours", stamp="20261122_120000")
    assert begin(other, "theirs", stamp="20261122_130000")
    assert journal.stamps_in_use() == {"20261122_120000", "20261122_130000"}
    assert [record.run_id for record in journal.open_runs()] == ["ours"]
    assert [(found.pair, found.open_runs()[0].run_id) for found in journal.of_other_pairs()] == [("another", "theirs")]
    other.end_run("theirs", outcome="failed", error="x", report={})
    assert journal.stamps_in_use() == {"20261122_120000"}


def test_a_step_is_claimed_once(journal: Journal) -> None:
    begin(journal, "a")
    assert journal.claim_step("a", "dump_source", alive_s=30)
    assert not journal.claim_step("a", "dump_source", alive_s=30)


def test_of_many_who_claim_a_step_at_once_one_gets_it(tmp_path: Path) -> None:
    begin(open_journal(tmp_path), "a")
    won: list[bool] = []

    def claim() -> None:
        won.append(open_journal(tmp_path).claim_step("a", "dump_source", alive_s=30))

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 7 + [True]


def test_no_step_of_a_run_that_somebody_is_ending_can_be_claimed(journal: Journal) -> None:
    begin(journal, "a")
    assert journal.claim_closing("a", "rollback", alive_s=30)
    assert not journal.claim_step("a", "restore_target", alive_s=30)
    assert not journal.begin_restore("a")


def test_of_two_who_would_end_a_run_one_does(journal: Journal) -> None:
    begin(journal, "a")
    assert journal.claim_closing("a", "first", alive_s=30)
    assert not journal.claim_closing("a", "second", alive_s=30)
    assert not journal.end_run("a", outcome="failed", error="", report={}, closer="second")
    assert journal.end_run("a", outcome="rolled_back", error="", report={}, closer="first")
    assert not journal.end_run("a", outcome="failed", error="", report={}, closer="first")
    record = journal.run("a")
    assert record is not None
    assert record.outcome == "rolled_back"


def test_a_closer_that_fell_silent_is_succeeded(journal: Journal) -> None:
    begin(journal, "a")
    assert journal.claim_closing("a", "dead", alive_s=-1)
    assert journal.claim_silent("a", "reconcile", now=datetime.now(UTC), alive_s=30)
    assert not journal.beat("a", state="closing", closer="dead", alive_s=30)
    assert journal.beat("a", state="closing", closer="reconcile", alive_s=30)


def test_a_run_that_lives_is_not_taken_as_silent(journal: Journal) -> None:
    begin(journal, "a")
    assert not journal.claim_silent("a", "reconcile", now=datetime.now(UTC), alive_s=30)
    assert journal.claim_silent("a", "reconcile", now=datetime.now(UTC) + timedelta(minutes=5), alive_s=30)


def test_a_worker_whose_run_was_taken_learns_it_at_its_next_heartbeat(journal: Journal) -> None:
    begin(journal, "a")
    assert journal.beat("a", state="open", closer=None, alive_s=30)
    journal.claim_closing("a", "reconcile", alive_s=30)
    assert not journal.beat("a", state="open", closer=None, alive_s=30)


def test_a_run_that_was_taken_cannot_pass_the_point_of_no_return(journal: Journal) -> None:
    begin(journal, "a")
    journal.claim_closing("a", "reconcile", alive_s=30)
    assert not journal.mark_verified("a")
    assert journal.mark_verified("a", closer="reconcile")


def test_facts_add_up(journal: Journal) -> None:
    begin(journal, "a")
    journal.keep("a", method="swap")
    journal.keep("a", source_stats={"users": 57})
    record = journal.run("a")
    assert record is not None
    assert record.facts == {"method": "swap", "source_stats": {"users": 57}}


def test_pairs_of_databases_do_not_see_each_other(tmp_path: Path) -> None:
    begin(open_journal(tmp_path, "aaaaaaaa"), "a", slot=SLOT)
    other = open_journal(tmp_path, "bbbbbbbb")
    assert other.open_runs() == []
    assert begin(other, "b", slot=SLOT)


def test_only_ended_runs_are_forgotten(journal: Journal) -> None:
    begin(journal, "open")
    begin(journal, "ended")
    journal.end_run("ended", outcome="failed", error="", report={})
    assert journal.forget_before(NOON + timedelta(days=1)) == 1
    assert [record.run_id for record in journal.runs()] == ["open"]


def test_a_second_process_finds_the_same_identity(tmp_path: Path) -> None:
    first, second = open_journal(tmp_path), open_journal(tmp_path)
    assert first.id == second.id
    assert first.created_at == second.created_at


def test_a_journal_that_cannot_be_written_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(JournalUnavailable, match="BACKUP_DIR"):
        open_journal(tmp_path / "nowhere")


def test_a_journal_that_was_deleted_while_a_process_works_with_it_is_told_so_and_not_made_again(
    journal: Journal, tmp_path: Path
) -> None:
    file = tmp_path / "journal.sqlite3"
    file.unlink()
    for use in (journal.runs, journal.outbox.told, journal.demand_there):
        with pytest.raises(JournalGone, match=r"is not there any more, since .*: railway-neon-sync take-over"):
            use()
    assert not file.exists()
    file.touch()
    with pytest.raises(JournalGone, match="no such table"):
        journal.runs()


def test_another_one_in_its_place_is_not_taken_for_it_and_the_old_one_put_back_is(tmp_path: Path) -> None:
    file, aside = tmp_path / "journal.sqlite3", tmp_path / "aside"
    journal = open_journal(tmp_path)
    begin(journal, "a")
    file.rename(aside)
    open_journal(tmp_path)
    for use in (journal.runs, journal.outbox.told, lambda: begin(journal, "b")):
        with pytest.raises(JournalGone, match="is another one now"):
            use()
    aside.rename(file)
    assert [record.run_id for record in journal.runs()] == ["a"]


def test_a_journal_is_made_only_by_who_asks_for_that(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'journal.sqlite3'}"
    with pytest.raises(NoJournal, match="nothing ran here yet, or it was lost"):
        Journal(url, pair="0123abcd", create=False)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "journal.sqlite3").touch()
    with pytest.raises(NoJournal):
        Journal(url, pair="0123abcd", create=False)
    assert open_journal(tmp_path).id == Journal(url, pair="0123abcd", create=False).id


def test_any_name_of_a_file_is_taken_as_it_is(tmp_path: Path) -> None:
    name = "a%20b?c#d e.sqlite3"
    opened = Journal(f"sqlite:///{tmp_path / name.replace('?', '%3F')}", pair="0123abcd")
    assert begin(opened, "a")


def test_a_journal_of_another_schema_version_is_refused(journal: Journal, tmp_path: Path) -> None:
    journal.remember("schema_version", "99")
    with pytest.raises(JournalUnavailable, match="99"):
        open_journal(tmp_path)


def test_the_journal_is_nobody_elses_and_nothing_lies_beside_it_between_calls(journal: Journal, tmp_path: Path) -> None:
    begin(journal, "a")
    assert [path.name for path in tmp_path.iterdir()] == ["journal.sqlite3"]
    assert stat.S_IMODE((tmp_path / "journal.sqlite3").stat().st_mode) == 0o600


def test_no_run_has_succeeded_that_was_not_verified(journal: Journal) -> None:
    begin(journal, "a")
    assert not journal.end_run("a", outcome="succeeded", error=None, report={})
    assert journal.mark_verified("a")
    assert journal.end_run("a", outcome="succeeded", error=None, report={})


def test_a_step_out_of_order_takes_nothing(journal: Journal) -> None:
    journal.begin_run(
        "a",
        job_id="manual",
        slot=None,
        stamp="20261122_120000",
        started_at=NOON,
        host="here",
        allowance_s=30,
        options={"order": ["dump_source", "check_guards", "restore_target"]},
    )
    assert not journal.claim_step("a", "restore_target", alive_s=30)
    assert not journal.claim_step("a", "something else", alive_s=30)
    assert journal.claim_step("a", "dump_source", alive_s=30)
    assert not journal.claim_step("a", "check_guards", alive_s=30)
    journal.end_step("a", "dump_source", state="done", took_s=1, summary="", alive_s=30)
    assert journal.claim_step("a", "check_guards", alive_s=30)
    assert not journal.claim_step("a", "restore_target", alive_s=30)


def test_the_phases_of_a_step_are_kept_with_its_end_and_those_of_others_stay(journal: Journal) -> None:
    begin(journal, "a")
    loading = Phase(name="loading", seconds=1.23456, bytes=300, tables=0, round_trips=4)
    proving = Phase(name="proving", seconds=0.5, bytes=0, tables=6, round_trips=0)
    for name, phases in (("one", [loading]), ("two", []), ("three", [loading, proving])):
        journal.claim_step("a", name, alive_s=30)
        state = "failed" if name == "three" else "done"
        journal.end_step("a", name, state=state, took_s=2, summary="", alive_s=30, phases=phases)
    record = journal.run("a")
    assert record is not None
    report = build_report(
        record, journal.steps("a"), outcome="failed", error=None, ended_at=record.started_at, stats_tables=()
    )
    told = {"name": "loading", "seconds": 1.235, "bytes": 300, "tables": 0, "round_trips": 4}
    assert [step["phases"][:1] for step in report["steps"]] == [[told], [], [told]]
    assert from_report(report).steps[2].phases[1] == proving
    for step in report["steps"]:
        del step["phases"]  # as a version before this one wrote it
    assert from_report(report).steps[0].phases == ()


def test_a_run_whose_start_lies_ahead_since_the_second_was_anothers_takes_no_time(journal: Journal) -> None:
    begin(journal, "a")
    record = journal.run("a")
    assert record is not None
    ended_at = record.started_at - timedelta(seconds=0.3)
    report = build_report(record, [], outcome="succeeded", error=None, ended_at=ended_at, stats_tables=())
    assert (report["end_time"], report["duration_seconds"]) == (report["start_time"], 0)


def test_a_heartbeat_from_a_clock_that_ran_ahead_keeps_no_run_alive(journal: Journal) -> None:
    begin(journal, "a")
    journal.beat("a", state="open", closer=None, alive_s=365 * 24 * 3600)
    record = journal.run("a")
    assert record is not None
    assert record.is_silent(datetime.now(UTC))
    assert journal.claim_silent("a", "reconcile", now=datetime.now(UTC), alive_s=30)


def test_a_run_whose_dump_is_still_there_is_not_forgotten(journal: Journal) -> None:
    begin(journal, "a")
    journal.end_run("a", outcome="failed", error="", report={})
    assert journal.forget_before(NOON + timedelta(days=1), except_stamps={"20261122_120000"}) == 0
    assert journal.forget_before(NOON + timedelta(days=1)) == 1
