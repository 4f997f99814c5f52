"""Everything that the page shows, as one value: what the template prints is decided here."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tasks.engine.drills import Drill
from tasks.engine.freshness import Copy
from tasks.engine.history import PastRun
from tasks.engine.overview import Overview
from tasks.engine.page import trends, words
from tasks.engine.page.calendar import Calendar, calendar_of
from tasks.engine.page.charts import Chart
from tasks.engine.page.last_report import LastReport, RunLine, last_report, run_line
from tasks.engine.page.trends import Grid, StepPhases, TableHistory
from tasks.engine.page.verdict import Verdict, judge, newest_that_tells

RUNS_LISTED = 9
UNTOLD_LISTED = 3
# So long after its slot a run has surely ended, or somebody should look.
_SURELY_OVER = timedelta(minutes=30)


@dataclass(frozen=True, kw_only=True)
class CopyView:
    """The newest verified copy; gauge: its age in percent of what it may be."""

    at: datetime
    age: str
    gauge: float
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A figure by its name; note: in small letters below it."""

    name: str
    value: str
    note: str = ""


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
    untold: tuple[str, ...]
    untold_more: int  # so many beside these
    facts: tuple[Fact, ...]
    failed_drill: Drill | None  # the last drill, when it failed
    calendar: Calendar
    durations: tuple[Chart, Grid]
    phases: tuple[tuple[StepPhases, ...], Grid]
    sizes: tuple[Chart, Grid]
    row_counts: tuple[tuple[TableHistory, ...], Grid]
    runs: tuple[RunLine, ...]
    last: LastReport | None


def view(overview: Overview, untold: Sequence[str] = ()) -> PageView:
    """The overview must hold every run that is remembered, and the next slot; untold: the oldest first."""
    ended = [run for run in overview.runs if run.outcome]
    verdict, later = judge(overview), judge(overview, freshness="stale")
    newest = newest_that_tells(overview)
    slot, drill = overview.next_slots[0], overview.last_drill
    return PageView(
        written_at=overview.now,
        copy=_copy(overview.copy, overview.stale_after_s) if overview.copy else None,
        stale_after_s=overview.stale_after_s,
        stale_after=words.age(overview.stale_after_s),
        verdict=verdict,
        when_stale=None if verdict == later else later,
        next_due=slot.at,
        next_in=words.age(slot.in_s),
        overdue_at=slot.at + _SURELY_OVER,
        newest_error=newest.error if newest else None,
        problems=overview.problems,
        untold=tuple(untold[-UNTOLD_LISTED:]),
        untold_more=max(0, len(untold) - UNTOLD_LISTED),
        facts=(*(_of_copy(overview.copy, ended) if overview.copy else ()), *_of_drill(drill, overview.copy)),
        failed_drill=drill if drill and not drill.ok else None,
        calendar=calendar_of(ended, overview.now.date()),
        durations=trends.durations(ended),
        phases=trends.phases(ended),
        sizes=trends.sizes(ended),
        row_counts=trends.row_counts(ended),
        runs=tuple(run_line(run) for run in ended[:RUNS_LISTED]),
        last=last_report(ended[0]) if ended else None,
    )


def _copy(copy: Copy, stale_after_s: float) -> CopyView:
    return CopyView(
        at=copy.snapshot_at,
        age=words.age(copy.age_s),
        gauge=round(min(100.0, max(0.0, 100 * copy.age_s / stale_after_s)), 2),
        rows=_counts(copy.stats),
    )


def _of_copy(copy: Copy, ended: Sequence[PastRun]) -> tuple[Fact, ...]:
    succeeded = sum(run.outcome == "succeeded" for run in ended)
    return (
        Fact(name="Rows in it", value=words.count(copy.rows), note=f"in {words.count(copy.tables)} tables"),
        Fact(name="Dump file", value="–" if copy.dump_bytes is None else words.size(copy.dump_bytes)),
        Fact(name="Made in", value=words.took(copy.duration_s)),
        Fact(name="Runs that succeeded", value=f"{succeeded} of {len(ended)}"),
    )


def _of_drill(drill: Drill | None, copy: Copy | None) -> Iterator[Fact]:
    """How long a restore takes was measured, or never was although there is what to measure it with."""
    if drill is None:
        if copy is not None:
            yield Fact(name="Last drill", value="none yet", note="measure a restore: railway-neon-sync drill")
        return
    at = words.instant(datetime.fromisoformat(drill.at))
    if drill.ok:
        note = f"{words.size(drill.size_bytes)} restored and proved, {at}"
        yield Fact(name="Last drill", value=words.took(drill.rto_s), note=note)
    else:
        yield Fact(name="Last drill", value="✗ failed", note=at)


def _counts(stats: Mapping[str, int | None]) -> tuple[tuple[str, str], ...]:
    return tuple((table, words.count(rows)) for table, rows in stats.items() if rows is not None)
