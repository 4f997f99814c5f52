"""What the page says of the copy, and what it tells people to do."""

from datetime import timedelta

import pytest

from tasks.engine.page.verdict import Verdict, judge
from tests.support.reports import NOW, a_history, a_report, an_overview

OUTCOMES = ("succeeded", "failed", "rolled_back", "rollback_failed", "held", "missed", "skipped")


def after(*outcomes: str, hours_ago: float = 3.0) -> Verdict:
    """The verdict after two good days and then these outcomes, the newest first; hours_ago: since the newest."""
    newest = NOW - timedelta(hours=hours_ago)
    reports = [
        a_report(newest - timedelta(hours=12 * place), outcome, number=9 - place)
        for place, outcome in enumerate((*outcomes, *["succeeded"] * 4))
    ]
    return judge(an_overview(reports, NOW))


def test_after_a_good_run_there_is_nothing_to_do() -> None:
    verdict = after("succeeded")
    assert (verdict.tone, verdict.headline, verdict.advice) == ("good", "The copy is good", ())


@pytest.mark.parametrize("outcome", ["failed", "rolled_back", "held", "missed"])
def test_a_bad_run_over_a_young_copy_warns(outcome: str) -> None:
    """One run may fail: the copy before it is not too old yet when the run has only just ended."""
    reports = [a_report(NOW - timedelta(minutes=40), outcome), a_report(NOW - timedelta(hours=12, minutes=30))]
    verdict = judge(an_overview(reports, NOW))
    assert verdict.tone == "warn"
    assert verdict.advice


def test_a_run_that_was_only_skipped_changes_nothing() -> None:
    skipped = a_report(NOW - timedelta(minutes=2), "skipped")
    for outcome in ("succeeded", "held"):
        reports = [a_report(NOW - timedelta(minutes=40), outcome), a_report(NOW - timedelta(hours=12))]
        assert judge(an_overview([skipped, *reports], NOW)) == judge(an_overview(reports, NOW))


def test_a_copy_that_is_too_old_is_told_before_the_last_runs_outcome() -> None:
    verdict = after("missed", "failed", "rolled_back")
    assert (verdict.tone, verdict.headline) == ("bad", "The copy is too old")
    assert [item.command for item in verdict.advice if item.command] == [
        "railway-neon-sync doctor",
        "railway-neon-sync run",
        "railway-neon-sync promote",
    ]


def test_a_rollback_that_failed_goes_before_everything() -> None:
    for verdict in (after("rollback_failed"), after("rollback_failed", "failed", "failed")):
        assert (verdict.tone, verdict.headline) == ("bad", "People are needed now")
        assert verdict.advice[0].command == "docker compose stop beat"


def test_a_held_run_is_lifted_by_the_command_that_its_cause_asks_for() -> None:
    slot = NOW - timedelta(hours=1)
    shrunk = a_report(slot, "held", number=7)
    shrunk["error"] = f"the copy would shrink; see Neon: railway-neon-sync run --accept-shrink {shrunk['run_id']}"
    commands = [item.command for item in judge(an_overview([shrunk, *a_history(slot, days=2)], NOW)).advice]
    assert commands == [None, f"railway-neon-sync run --accept-shrink {shrunk['run_id']}"]
    assert after("held").advice[0].command == "railway-neon-sync adopt"
    swapped = {**a_report(slot, "held"), "error": "DATABASE_URL names a copy: they are swapped"}
    assert judge(an_overview([swapped], NOW)).advice[0].command == "railway-neon-sync run"


def test_without_any_run_it_is_new_and_without_a_good_one_it_is_bad() -> None:
    assert judge(an_overview([], NOW)).tone == "new"
    verdict = judge(an_overview([a_report(NOW - timedelta(hours=1), "held")], NOW))
    assert (verdict.tone, verdict.headline) == ("bad", "There is no verified copy")
    assert "railway-neon-sync adopt" in [item.command for item in verdict.advice]


def test_once_it_is_production_no_age_alarms() -> None:
    overview = an_overview(a_history(NOW, days=3, mishaps={0: "held", 1: "held", 2: "held"}), NOW, promoted_at="today")
    assert judge(overview) == judge(overview, freshness="stale")
    assert judge(overview).headline == "The backup database is production now"
