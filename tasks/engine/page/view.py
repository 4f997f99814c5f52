"""Everything that the page shows, as one value: what the template prints is decided here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tasks.engine.history import PastRun
from tasks.engine.overview import Copy, Overview
from tasks.engine.page import trends, words
from tasks.engine.page.calendar import Calendar, calendar_of
from tasks.engine.page.charts import Chart
from tasks.engine.page.last_report import LastReport, RunLine, last_report, run_line
from tasks.engine.page.trends import Grid, TableHistory
from tasks.engine.page.verdict import Verdict, judge, newest_that_tells

RUNS_LISTED = 9
# So long after its slot a run has surely ended, or somebody should look.
_SURELY_OVER = timedelta(minutes=30)


@dataclass(frozen=True, kw_only=True)
class CopyView:
    """The newest verified copy; gauge: its age in percent of what it may be."""

    at: datetime
    age: str
    gauge: float
    rows: tuple[tuple[str, str], ...]
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class PageView:
    """The whole page. Instants are aware, in UTC."""

    written_at: datetime
    copy: CopyView | None
    stale_after_s: float
    stale_after: str
    verdict: Verdict
    when_stale: Verdict | None  # what the page says once the copy is too old; None: that changes nothing
    next_due: datetime
    next_in: str
    overdue_at: datetime  # a page that still stands then was not followed by the run that should have come
    newest_error: str | None
    problems: tuple[str, ...]
    calendar: Calendar
    durations: tuple[Chart, Grid]
    sizes: tuple[Chart, Grid]
    row_counts: tuple[tuple[TableHistory, ...], Grid]
    runs: tuple[RunLine, ...]
    last: LastReport | None


def view(overview: Overview) -> PageView:
    """The overview must hold every run that is remembered, and the next slot."""
    ended = [run for run in overview.runs if run.outcome]
    verdict, later = judge(overview), judge(overview, freshness="stale")
    newest = newest_that_tells(overview)
    slot = overview.next_slots[0]
    return PageView(
        written_at=overview.now,
        copy=_copy(overview.copy, ended, overview.stale_after_s) if overview.copy else None,
        stale_after_s=overview.stale_after_s,
        stale_after=words.age(overview.stale_after_s),
        verdict=verdict,
        when_stale=None if verdict == later else later,
        next_due=slot.at,
        next_in=words.age(slot.in_s),
        overdue_at=slot.at + _SURELY_OVER,
        newest_error=newest.error if newest else None,
        problems=overview.problems,
        calendar=calendar_of(ended, overview.now.date()),
        durations=trends.durations(ended),
        sizes=trends.sizes(ended),
        row_counts=trends.row_counts(ended),
        runs=tuple(run_line(run) for run in ended[:RUNS_LISTED]),
        last=last_report(ended[0]) if ended else None,
    )


def _copy(copy: Copy, ended: Sequence[PastRun], stale_after_s: float) -> CopyView:
    succeeded = sum(run.outcome == "succeeded" for run in ended)
    facts = (
        ("Rows in it", f"{words.count(copy.rows)} in {words.count(copy.tables)} tables"),
        ("Dump file", "–" if copy.dump_bytes is None else words.size(copy.dump_bytes)),
        ("Made in", words.took(copy.duration_s)),
        ("Runs that succeeded", f"{succeeded} of {len(ended)}"),
    )
    return CopyView(
        at=copy.snapshot_at,
        age=words.age(copy.age_s),
        gauge=round(min(100.0, max(0.0, 100 * copy.age_s / stale_after_s)), 2),
        rows=_counts(copy.stats),
        facts=facts,
    )


def _counts(stats: Mapping[str, int | None]) -> tuple[tuple[str, str], ...]:
    return tuple((table, words.count(rows)) for table, rows in stats.items() if rows is not None)
