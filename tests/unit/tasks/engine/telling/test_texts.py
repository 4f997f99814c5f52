"""Every notice, word by word: what, since when, is the copy usable, what to type."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.engine.telling import texts
from tasks.engine.telling.notice import Copy, Notice, Situation

NOW = datetime(2025, 11, 25, 6, 2, tzinfo=UTC)
COPY = Copy(
    snapshot_at=datetime(2025, 11, 24, 18, 0, 3, tzinfo=UTC),
    rows={"users": 57, "escrows": 12, "wallets": None, "transactions": 234, "more": 1, "and_more": 2},
)
SITUATION = Situation(
    source="neondb",
    target="railway",
    now=NOW,
    next_run=datetime(2025, 11, 25, 18, 0, tzinfo=UTC),
    copy=COPY,
    bad_runs=1,
    bad_since=NOW,
)
TWICE = replace(SITUATION, bad_runs=3, bad_since=datetime(2025, 11, 24, 6, 0, tzinfo=UTC))
RUN = "1b0c5d9e-1111-4222-8333-444455556666"
SIGNATURE = f"Run {RUN} on host1, neondb → railway"
LOOK = " What went wrong: railway-neon-sync list"
USABLE = "The copy is usable, of Mon 24 Nov 18:00 UTC (12 h 1 min old): 57 users, 12 escrows, 234 transactions, 1 more."


def report(outcome: str, error: str | None = None) -> dict[str, Any]:
    known = {"run_id": RUN, "host": "host1", "duration_seconds": 12.34, "warnings": []}
    return {"outcome": outcome, "error": error, **known}


def lines(notice: Notice) -> list[str]:
    return notice.body.split("\n")


def test_a_failed_run() -> None:
    notice = texts.of_run(report("failed", "the source did not answer"), SITUATION)
    assert (notice.kind, notice.title) == ("failed", "❌ Railway backup failed")
    assert lines(notice) == [
        "The source did not answer",
        USABLE,
        "Next try: Tue 25 Nov 18:00 UTC. At once: railway-neon-sync run",
        SIGNATURE,
    ]


def test_the_third_in_a_row_says_since_when() -> None:
    notice = texts.of_run(report("failed", "the source did not answer"), TWICE)
    assert lines(notice)[1] == "No run has succeeded since Mon 24 Nov 06:00 UTC: 3 in a row."


def test_a_failure_before_there_was_any_copy() -> None:
    notice = texts.of_run(report("failed", "no"), replace(SITUATION, copy=None))
    assert lines(notice)[1] == "NOT USABLE: there is no verified copy yet."


def test_a_run_that_was_rolled_back() -> None:
    notice = texts.of_run(report("rolled_back", "the target refused a statement"), SITUATION)
    assert notice.title == "❌ Railway backup failed, rolled back"
    assert lines(notice)[:2] == ["The target refused a statement", USABLE]


def test_a_rollback_that_failed_calls_people_now() -> None:
    notice = texts.of_run(report("rollback_failed", "the disk is full"), SITUATION)
    assert notice.title == "🚨 Railway backup: THE ROLLBACK FAILED"
    assert lines(notice) == [
        "The disk is full",
        "NOT USABLE: nobody knows what the Railway database holds now.",
        "The newest verified copy was of Mon 24 Nov 18:00 UTC; its dump is kept.",
        "Now: stop beat, then README, rollback_failed. When it is right again, type: railway-neon-sync adopt",
        SIGNATURE,
    ]


def test_a_held_run_names_the_commands_of_its_reason_although_the_reason_is_cut() -> None:
    error = (
        "the backup database railway was written to since the copy of 2025-11-24T18:00:03+00:00: "
        + "somebody failed over to it, or uses it; " * 6
        + "if it may be overwritten: railway-neon-sync adopt; if it is production now: railway-neon-sync promote"
    )
    notice = texts.of_run(report("held", error), SITUATION)
    assert notice.title == "✋ Railway backup held: decide"
    first, *rest = lines(notice)
    assert first.startswith("The backup database railway was written to since")
    assert first.endswith(" …")
    assert len(first) < 250
    assert rest == [
        "The Railway database was not touched.",
        "The last verified copy is of Mon 24 Nov 18:00 UTC.",
        "Decide, then type: railway-neon-sync adopt or: railway-neon-sync promote",
        SIGNATURE,
    ]


def test_a_copy_that_would_shrink_names_the_run_to_accept() -> None:
    error = f"the copy would shrink; if that is right: railway-neon-sync run --accept-shrink {RUN}"
    notice = texts.of_run(report("held", error), replace(SITUATION, copy=None))
    assert "There is no verified copy yet." in lines(notice)
    assert f"Decide, then type: railway-neon-sync run --accept-shrink {RUN}" in lines(notice)


def test_a_missed_run() -> None:
    notice = texts.of_run(report("missed", "it was due at 2025-11-25 06:00 UTC and nobody started it"), TWICE)
    assert notice.title == "⏰ Railway backup missed"
    assert lines(notice) == [
        "It was due at 2025-11-25 06:00 UTC and nobody started it.",
        "No run has succeeded since Mon 24 Nov 06:00 UTC: 3 in a row.",
        USABLE,
        "See whether beat, worker and Redis run: railway-neon-sync doctor. Then: railway-neon-sync run",
        SIGNATURE,
    ]


def test_a_copy_that_is_too_old() -> None:
    situation = replace(SITUATION, now=NOW + timedelta(hours=1), outcomes={"held": 1, "rollback_failed": 1})
    notice = texts.stale(situation, limit=timedelta(hours=13), since=COPY.snapshot_at)
    assert (notice.kind, notice.title) == ("stale", "⏰ Railway backup is too old")
    assert lines(notice) == [
        "The newest verified copy is 13 h 1 min old; the limit is 13 h.",
        USABLE.replace("12 h 1 min", "13 h 1 min"),
        "Runs since then: 1 held, 1 rollback failed.",
        "See whether beat, worker and Redis run: railway-neon-sync doctor. Then: railway-neon-sync run",
        "neondb → railway",
    ]


def test_no_copy_at_all_is_too_old_as_well() -> None:
    situation = replace(SITUATION, copy=None)
    notice = texts.stale(situation, limit=timedelta(hours=13), since=NOW - timedelta(days=2, hours=3))
    assert lines(notice)[:2] == [
        "There is no verified copy yet, 2 days 3 h after the installation; the limit is 13 h.",
        "No run since then.",
    ]


def test_it_works_again() -> None:
    notice = texts.recovered(report("succeeded"), SITUATION, trouble="rolled_back", since=NOW - timedelta(days=1))
    assert (notice.kind, notice.title) == ("recovered", "✅ Railway backup works again")
    first = "The trouble (rolled back) was told first at Mon 24 Nov 06:02 UTC."
    assert lines(notice) == [first, USABLE, SIGNATURE]


def test_it_is_a_backup_again() -> None:
    notice = texts.recovered(report("succeeded"), SITUATION, trouble="resting", since=NOW)
    assert notice.title == "✅ Railway backup is back"
    assert lines(notice)[0] == "The Railway database is a backup again; alarms are on."


def test_a_success_with_its_warnings() -> None:
    told = report("succeeded") | {"warnings": ["the table x does not exist", "b", "c"]}
    notice = texts.succeeded(told, SITUATION)
    assert (notice.kind, notice.title) == ("succeeded", "✅ Railway backup done")
    assert lines(notice) == ["Done in 12.3 s.", USABLE, "Warning: The table x does not exist", "Warning: B", SIGNATURE]


def test_after_promote_alarms_rest_and_it_is_said() -> None:
    notice = texts.resting("2025-11-24T20:00:00+00:00", SITUATION)
    assert (notice.kind, notice.title) == ("resting", "⏸ Railway backup rests: promoted")
    assert lines(notice) == [
        "The Railway database was promoted at Mon 24 Nov 20:00 UTC: it is production now.",
        "No run overwrites it. Alarms of runs and of an old copy rest from now on.",
        "To make it a backup again, type: railway-neon-sync adopt",
        "neondb → railway",
    ]


@pytest.mark.parametrize(
    ("outcomes", "sign", "first", "advice"),
    [
        ({"succeeded": 14}, "✅", "Runs: 14 succeeded.", ""),
        ({"succeeded": 13, "missed": 1}, "⚠️", "Runs: 13 succeeded, 1 missed.", LOOK),
        ({}, "⚠️", "No run at all.", LOOK),
    ],
)
def test_the_digest_of_a_week(outcomes: dict[str, int], sign: str, first: str, advice: str) -> None:
    notice = texts.digest(replace(SITUATION, outcomes=outcomes), until=datetime(2025, 11, 24, 8, tzinfo=UTC))
    assert (notice.kind, notice.title) == ("digest", f"{sign} Railway backup: the week to Mon 24 Nov")
    assert lines(notice) == [first, USABLE, f"Next run: Tue 25 Nov 18:00 UTC.{advice}", "neondb → railway"]


def test_a_test() -> None:
    notice = texts.trial(SITUATION, host="host1")
    assert notice.title == "🔔 Railway backup: a test"
    assert lines(notice) == [
        "This channel works. Nothing is wrong.",
        USABLE,
        "neondb → railway, asked for on host1",
    ]


def test_what_the_dead_mans_switch_shows() -> None:
    assert texts.of_ping(report("succeeded"), SITUATION, rests=False) == f"succeeded after 12.3 s\n{SIGNATURE}"
    held = texts.of_ping(report("held", "no mark"), SITUATION, rests=True)
    assert held.split("\n")[:2] == [
        "held after 12.3 s: no mark",
        "The Railway database was promoted: it is production, and alarms rest.",
    ]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-1, "0 s"),
        (2.04, "2 s"),
        (150.5, "150.5 s"),
        (181, "3 min"),
        (3600, "1 h"),
        (13 * 3600 + 240, "13 h 4 min"),
        (86_400, "1 day"),
        (3 * 86_400 + 4 * 3600 + 59 * 60, "3 days 4 h"),
    ],
)
def test_spans_are_told_in_two_units(seconds: float, said: str) -> None:
    assert texts.span(timedelta(seconds=seconds)) == said


def test_a_notice_fits_on_a_phone() -> None:
    for outcome in ("failed", "rolled_back", "rollback_failed", "held", "missed"):
        notice = texts.of_run(report(outcome, "a long story, " * 100), TWICE)
        assert len(notice.title) < 45
        assert len(notice.body) < 700
