"""Whether an event is worth a notice: once, again after a day, and never while alarms rest."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.engine.telling import deciding
from tasks.engine.telling.notice import Told

NOW = datetime(2025, 11, 26, 6, 0, 5, tzinfo=UTC)  # a Wednesday
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def report(outcome: str, error: str | None = None) -> dict[str, Any]:
    return {"outcome": outcome, "error": error}


def told(kind: str, ago: timedelta, cause: str = "") -> Told:
    return Told(kind=kind, cause=cause, made_at=NOW - ago)


def kind_of(outcome: str, *earlier: Told, error: str | None = None, each: bool = False) -> str | None:
    return deciding.kind_for_run(report(outcome, error), earlier, now=NOW, each_success=each)


@pytest.mark.parametrize("outcome", ["failed", "rolled_back", "rollback_failed", "held", "missed"])
def test_the_first_trouble_is_told(outcome: str) -> None:
    assert kind_of(outcome) == outcome


def test_who_is_skipped_is_no_trouble() -> None:
    assert kind_of("skipped") is None
    assert kind_of("skipped", told("failed", HOUR), each=True) is None


def test_a_success_is_told_only_by_setting() -> None:
    assert kind_of("succeeded") is None
    assert kind_of("succeeded", each=True) == "succeeded"


@pytest.mark.parametrize("trouble", ["failed", "stale", "missed", "held", "rollback_failed", "resting"])
def test_the_first_success_after_trouble_is_a_recovery_and_the_second_is_not(trouble: str) -> None:
    assert kind_of("succeeded", told("succeeded", HOUR), told(trouble, 12 * HOUR)) == "recovered"
    assert kind_of("succeeded", told("recovered", HOUR), told(trouble, 12 * HOUR)) is None


def test_the_same_trouble_is_not_repeated_within_a_day_and_reminded_of_after_it() -> None:
    error = "the source (ep-1, database shop) did not answer in 20 s"
    cause = deciding.cause_of(report("failed", error))
    assert kind_of("failed", told("failed", timedelta(minutes=1), cause), error=error) is None
    assert kind_of("failed", told("failed", 12 * HOUR, cause), error=error) is None
    # Twice a day within seconds of the same hour: the reminder must not need 24 full hours.
    assert kind_of("failed", told("failed", DAY - timedelta(seconds=4), cause), error=error) == "failed"


def test_numbers_and_ids_do_not_make_another_trouble() -> None:
    one = "no room: 12.50 MB left; run 1b0c5d9e-1111-4222-8333-444455556666, shop__incoming_1b0c5d9e"
    two = "no room: 7.25 MB left; run aaaaaaaa-2222-4222-8333-444455556666, shop__incoming_aaaaaaaa"
    assert deciding.cause_of(report("failed", one)) == deciding.cause_of(report("failed", two))


def test_another_cause_and_another_outcome_are_told() -> None:
    cause = deciding.cause_of(report("failed", "the disk is full"))
    assert kind_of("failed", told("failed", HOUR, cause), error="the source is gone") == "failed"
    assert kind_of("held", told("failed", HOUR, cause), error="the disk is full") == "held"


def test_two_troubles_that_alternate_are_each_told_once_a_day() -> None:
    one, two = (deciding.cause_of(report("failed", error)) for error in ("one", "two"))
    earlier = (told("failed", HOUR, two), told("failed", 2 * HOUR, one))
    assert kind_of("failed", *earlier, error="one") is None
    assert kind_of("failed", *earlier, error="two") is None


def test_after_a_recovery_the_same_trouble_is_news() -> None:
    cause = deciding.cause_of(report("failed", "x"))
    assert kind_of("failed", told("recovered", HOUR), told("failed", 2 * HOUR, cause), error="x") == "failed"


def test_a_failed_rollback_is_never_too_often() -> None:
    assert kind_of("rollback_failed", told("rollback_failed", timedelta(seconds=1), "x"), error="x") is not None


def test_of_slots_that_were_missed_together_only_the_newest_is_told() -> None:
    assert deciding.kind_for_run(report("missed"), (), now=NOW, each_success=False, superseded=True) is None


def test_that_alarms_rest_is_said_once_until_a_run_succeeds() -> None:
    assert deciding.kind_at_rest([]) == "resting"
    assert deciding.kind_at_rest([told("failed", HOUR)]) == "resting"
    assert deciding.kind_at_rest([told("resting", 90 * DAY)]) is None
    assert deciding.kind_at_rest([told("recovered", HOUR), told("resting", DAY)]) == "resting"


def test_trouble_began_with_the_first_notice_after_the_last_recovery() -> None:
    earlier = [told("held", HOUR), told("failed", 3 * HOUR), told("recovered", 5 * HOUR), told("failed", 9 * HOUR)]
    assert deciding.trouble_began(earlier) == NOW - 3 * HOUR
    assert deciding.trouble_began([told("recovered", HOUR)]) is None


@pytest.mark.parametrize(
    ("age", "day"),
    [(13 * HOUR, 0), (36 * HOUR, 0), (37 * HOUR, 1), (13 * HOUR + 9 * DAY, 9)],
)
def test_a_copy_that_is_too_old_is_told_once_for_each_day(age: timedelta, day: int) -> None:
    assert deciding.stale_day(NOW, since=NOW - age, limit=13 * HOUR) == day


def test_the_digest_is_due_from_monday_at_eight_and_not_for_a_new_installation() -> None:
    monday = datetime(2025, 11, 24, 8, 0, tzinfo=UTC)
    old = monday - 30 * DAY
    assert deciding.digest_due(monday, installed=old) == monday
    assert deciding.digest_due(NOW, installed=old) == monday
    assert deciding.digest_due(monday - timedelta(seconds=1), installed=old) is None
    assert deciding.digest_due(NOW, installed=monday - HOUR) is None
    assert deciding.digest_due(datetime(2025, 11, 30, 23, 0, tzinfo=UTC), installed=old) == monday
