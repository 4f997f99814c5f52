"""When the two jobs are due, and until when a late start counts."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.schedule import JOBS, MANUAL, is_late, next_slots, slot_of, slots_between

MORNING, EVENING = "unified_db_railway_backup_morning", "unified_db_railway_backup_evening"
instants = st.integers(0, 20 * 365 * 86_400 * 1000).map(lambda ms: at("01-01T00:00:00") + timedelta(milliseconds=ms))


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2025-{text}+00:00")


def test_the_two_jobs_are_due_at_six_and_at_eighteen() -> None:
    assert [(job.job_id, job.hour, job.minute) for job in JOBS] == [(MORNING, 6, 0), (EVENING, 18, 0)]


@pytest.mark.parametrize(
    ("job", "now", "slot"),
    [
        (MORNING, "10-22T06:00:00", "10-22T06:00:00"),
        (MORNING, "10-22T06:08:00", "10-22T06:00:00"),
        (MORNING, "10-22T05:59:59.999999", "10-21T06:00:00"),
        (MORNING, "10-22T23:59:59", "10-22T06:00:00"),
        (MORNING, "10-23T00:00:00", "10-22T06:00:00"),
        (EVENING, "10-22T06:08:00", "10-21T18:00:00"),
        (EVENING, "10-23T00:00:01", "10-22T18:00:00"),
        (MORNING, "03-01T05:00:00", "02-28T06:00:00"),
    ],
)
def test_the_slot_is_the_newest_due_instant(job: str, now: str, slot: str) -> None:
    assert slot_of(job, at(now)) == at(slot)


def test_the_first_evening_of_a_year_looks_back_to_the_year_before() -> None:
    assert slot_of(EVENING, at("01-01T03:00:00")) == datetime(2024, 12, 31, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "late"),
    [
        ("10-22T06:00:00", False),
        ("10-22T06:08:00", False),
        ("10-22T06:10:00", False),
        ("10-22T06:10:00.000001", True),
        ("10-22T06:10:01", True),
        ("10-22T06:11:00", True),
        ("10-22T06:15:00", True),
    ],
)
def test_a_run_may_start_until_the_last_instant_of_its_grace(now: str, late: bool) -> None:
    assert is_late(slot_of(MORNING, at(now)), at(now), 600) is late


def test_an_instant_in_another_time_zone_means_the_same_instant() -> None:
    berlin = timezone(timedelta(hours=2))
    assert slot_of(MORNING, datetime(2025, 10, 22, 7, 59, tzinfo=berlin)) == at("10-21T06:00:00")
    assert slot_of(MORNING, datetime(2025, 10, 22, 8, 0, tzinfo=berlin)) == at("10-22T06:00:00")
    assert slot_of(MORNING, datetime(2025, 10, 22, 8, 0, tzinfo=berlin)).utcoffset() == timedelta(0)


def test_the_next_slots_come_in_order_and_never_include_now() -> None:
    assert next_slots(at("12-31T06:00:00"), 4) == [
        (EVENING, at("12-31T18:00:00")),
        (MORNING, datetime(2026, 1, 1, 6, tzinfo=UTC)),
        (EVENING, datetime(2026, 1, 1, 18, tzinfo=UTC)),
        (MORNING, datetime(2026, 1, 2, 6, tzinfo=UTC)),
    ]
    assert next_slots(at("10-22T05:59:59"), 1) == [(MORNING, at("10-22T06:00:00"))]
    assert next_slots(at("10-22T05:59:59"), 0) == []


def test_the_slots_between_leave_out_the_first_instant_and_include_the_last() -> None:
    assert slots_between(at("10-22T06:00:00"), at("10-23T06:00:00")) == [
        (EVENING, at("10-22T18:00:00")),
        (MORNING, at("10-23T06:00:00")),
    ]
    assert slots_between(at("10-22T06:00:00"), at("10-22T06:00:00")) == []
    assert slots_between(at("10-23T06:00:00"), at("10-22T06:00:00")) == []


@pytest.mark.parametrize("day", ["03-30T00:00:00", "10-26T00:00:00", "02-28T00:00:00"])
def test_a_day_has_two_slots_also_when_clocks_elsewhere_change(day: str) -> None:
    found = slots_between(at(day), at(day) + timedelta(days=1))
    assert [(slot - at(day)) / timedelta(hours=1) for _job, slot in found] == [6, 18]


@given(instants, st.integers(1, 9))
def test_next_between_and_slot_agree(now: datetime, n: int) -> None:
    coming = next_slots(now, n)
    assert slots_between(now, coming[-1][1]) == coming
    for job_id, slot in coming:
        assert slot_of(job_id, slot) == slot
        assert slot_of(job_id, slot - timedelta(microseconds=1)) == slot - timedelta(days=1)


@pytest.mark.parametrize("job_id", [MANUAL, "", "unified_db_railway_backup_noon"])
def test_what_is_no_scheduled_job_has_no_slot(job_id: str) -> None:
    with pytest.raises(ValueError, match="is no scheduled job"):
        slot_of(job_id, at("10-22T06:00:00"))


def test_an_instant_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        slot_of(MORNING, datetime(2025, 10, 22))  # noqa: DTZ001
