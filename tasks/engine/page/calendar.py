"""The history of runs as a calendar: a column for each week, a cell for each day, a mark for each run."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tasks.engine.history import PastRun

WEEKS = 13
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
# Most runs that a cell shows one by one; a day with more shows its worst.
_MOST_MARKS = 4
# What each outcome is called, worst first.
OUTCOMES = {
    "rollback_failed": "rollback failed",
    "rolled_back": "rolled back",
    "failed": "failed",
    "held": "held",
    "missed": "missed",
    "skipped": "skipped",
    "succeeded": "succeeded",
}
_WORST_FIRST = list(OUTCOMES)


@dataclass(frozen=True, kw_only=True)
class Day:
    """One cell: its runs' outcomes in order of time, and the same in words."""

    day: date
    outcomes: tuple[str, ...]
    words: str
    in_future: bool


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """Rows of days, Monday first; each row has one day of every week."""

    months: tuple[tuple[str, int], ...]  # a name and how many weeks it spans
    rows: tuple[tuple[str, tuple[Day, ...]], ...]
    counts: tuple[tuple[str, int], ...]  # outcomes that occur, best first


def calendar_of(runs: Sequence[PastRun], today: date) -> Calendar:
    """The last quarter of a year, up to the week of today; runs that have ended, in any order."""
    monday = today - timedelta(days=today.weekday(), weeks=WEEKS - 1)
    by_day: dict[date, list[PastRun]] = {}
    for run in sorted(runs, key=_when):
        by_day.setdefault(_when(run).date(), []).append(run)
    mondays = [monday + timedelta(weeks=week) for week in range(WEEKS)]
    rows = tuple(
        (name, tuple(_day(first + timedelta(days=number), by_day, today) for first in mondays))
        for number, name in enumerate(WEEKDAYS)
    )
    shown = Counter(outcome for _, row in rows for day in row for outcome in day.outcomes)
    counts = tuple((outcome, shown[outcome]) for outcome in reversed(_WORST_FIRST) if shown[outcome])
    return Calendar(months=_months(mondays), rows=rows, counts=counts)


def outcome_words(outcome: str | None) -> str:
    """An outcome as people read it; one of another version as it is written."""
    return OUTCOMES.get(outcome or "", outcome or "unknown")


def marks_of(outcomes: Sequence[str]) -> tuple[str, ...]:
    """What a cell draws: each run, or only the worst when there are too many to be told apart."""
    if len(outcomes) <= _MOST_MARKS:
        return tuple(outcomes)
    return (min(outcomes, key=_badness),)


def _badness(outcome: str) -> int:
    return _WORST_FIRST.index(outcome) if outcome in OUTCOMES else len(OUTCOMES)


def _day(day: date, by_day: Mapping[date, Sequence[PastRun]], today: date) -> Day:
    runs = by_day.get(day, ())
    told = [f"{_when(run):%H:%M} {outcome_words(run.outcome)}" for run in runs]
    return Day(
        day=day,
        outcomes=tuple(run.outcome or "" for run in runs),
        words=f"{day:%a %d %b}: {', '.join(told) or 'no run'}",
        in_future=day > today,
    )


def _when(run: PastRun) -> datetime:
    """When it was due; a missed run is written down later, on another day perhaps."""
    return run.slot or run.started_at


def _months(mondays: Sequence[date]) -> tuple[tuple[str, int], ...]:
    """Neighbouring weeks of one month as one heading."""
    spans: list[tuple[str, int]] = []
    for monday in mondays:
        name = f"{monday:%b}"
        if spans and spans[-1][0] == name:
            spans[-1] = (name, spans[-1][1] + 1)
        else:
            spans.append((name, 1))
    return tuple(spans)
