"""The history of runs as a calendar."""

from datetime import UTC, date, datetime

import pytest

from tasks.engine.history import from_report
from tasks.engine.page.calendar import WEEKS, calendar_of, marks_of
from tests.support.reports import NOW, a_history, a_report

RUNS = [from_report(report) for report in a_history(NOW, days=120, mishaps={0: "failed", 1: "held"})]


def test_each_run_of_a_quarter_of_a_year_stands_in_the_cell_of_its_day() -> None:
    calendar = calendar_of(RUNS, NOW.date())
    days = [day for _, row in calendar.rows for day in row]
    assert len(days) == 7 * WEEKS == len({day.day for day in days})
    assert all(day.day.strftime("%a") == name for name, row in calendar.rows for day in row)
    assert {day.day: day.outcomes for day in days}[NOW.date()] == ("failed",)
    words = {day.day: day.words for day in days}
    assert words[date(2026, 11, 24)] == "Tue 24 Nov: 06:00 succeeded, 18:00 held"
    assert words[date(2026, 11, 27)] == "Fri 27 Nov: no run"


def test_a_day_that_is_to_come_is_none_without_a_run() -> None:
    days = [day for _, row in calendar_of(RUNS, NOW.date()).rows for day in row]
    assert [day.day.isoformat() for day in days if day.in_future] == [f"2026-11-{number}" for number in range(26, 30)]


def test_a_missed_run_stands_on_the_day_on_which_it_was_due() -> None:
    """It is written down when somebody notices, which may be days later."""
    noticed = datetime(2026, 11, 25, 6, tzinfo=UTC).isoformat()
    report = a_report(datetime(2026, 11, 23, 18, tzinfo=UTC), "missed", start_time=noticed, end_time=noticed)
    days = [day for _, row in calendar_of([from_report(report)], NOW.date()).rows for day in row]
    assert [(day.day.day, day.words) for day in days if day.outcomes] == [(23, "Mon 23 Nov: 18:00 missed")]


def test_the_counts_are_of_what_is_shown_and_the_months_span_all_weeks() -> None:
    calendar = calendar_of(RUNS, NOW.date())
    assert dict(calendar.counts) == {"succeeded": 171, "held": 1, "failed": 1}
    assert sum(weeks for _, weeks in calendar.months) == WEEKS


@pytest.mark.parametrize(
    ("outcomes", "marks"),
    [
        ((), ()),
        (("succeeded", "failed"), ("succeeded", "failed")),
        (("skipped", "rolled_back", "succeeded", "held", "succeeded"), ("rolled_back",)),
        (("succeeded",) * 9, ("succeeded",)),
    ],
)
def test_a_day_of_many_runs_shows_its_worst(outcomes: tuple[str, ...], marks: tuple[str, ...]) -> None:
    assert marks_of(outcomes) == marks
