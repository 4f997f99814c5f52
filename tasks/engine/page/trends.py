"""What many runs show together: durations, sizes, row counts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tasks.engine.history import PastRun
from tasks.engine.page import words
from tasks.engine.page.calendar import outcome_words
from tasks.engine.page.charts import Chart, Series, Stack, bar_chart, size_chart, sparkline
from tasks.engine.progress import Phase
from tasks.engine.step_titles import STEP_TITLES

BARS_SHOWN = 30


@dataclass(frozen=True, kw_only=True)
class TableHistory:
    """One statistics table over time."""

    table: str
    rows: str
    change: str
    chart: Chart


@dataclass(frozen=True, kw_only=True)
class PhaseHistory:
    """One phase of a step over time; done: what the newest run did in it, if it counts anything."""

    phase: str
    took: str
    done: str
    chart: Chart


@dataclass(frozen=True, kw_only=True)
class StepPhases:
    """The phases of one step, in their order."""

    step: str
    phases: tuple[PhaseHistory, ...]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The numbers of a chart, for those who cannot see it or want them exactly."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def when(run: PastRun) -> str:
    """As short as a label may be and still name one run."""
    return f"{run.started_at:%d %b %H:%M}"


def durations(runs: Sequence[PastRun]) -> tuple[Chart, Grid]:
    """The newest runs that worked, each step a piece of a bar."""
    shown = [run for run in _in_order(runs) if run.steps][-BARS_SHOWN:]
    stacks = [
        Stack(
            label=f"{run.started_at:%d %b}",
            title=f"{when(run)}: {outcome_words(run.outcome)}, {words.took(run.duration_s)}",
            amounts=tuple((kind_of(step.name), step.seconds or 0.0) for step in run.steps),
            flagged=run.outcome != "succeeded",
        )
        for run in shown
    ]
    says = _spread("a run took", [run.duration_s or 0.0 for run in shown], words.took)
    grid = Grid(
        columns=("run", *STEP_TITLES.values(), "whole run"),
        rows=tuple(
            (when(run), *(words.took(_seconds(run, step)) for step in STEP_TITLES), words.took(run.duration_s))
            for run in reversed(shown)
        ),
    )
    return bar_chart("Duration of each step", says, stacks, unit="s"), grid


def sizes(runs: Sequence[PastRun]) -> tuple[Chart, Grid]:
    """Both dump files of each run, over time."""
    shown = [run for run in _in_order(runs) if run.dump_bytes or run.safety_bytes]
    series = [
        _sizes_of(shown, "dump of Neon", "line-0", [run.dump_bytes for run in shown]),
        _sizes_of(shown, "safety backup", "line-1", [run.safety_bytes for run in shown]),
    ]
    series = [one for one in series if one.values]
    says = "; ".join(f"{one.name}: {one.newest} now" for one in series)
    first, last = _ends(shown)
    grid = Grid(
        columns=("run", "dump of Neon", "safety backup"),
        rows=tuple((when(run), _size(run.dump_bytes), _size(run.safety_bytes)) for run in reversed(shown)),
    )
    return size_chart("Sizes of the dump files", says, series, first=first, last=last), grid


def row_counts(runs: Sequence[PastRun]) -> tuple[tuple[TableHistory, ...], Grid]:
    """The statistics tables of the source, as each run found them."""
    shown = [run for run in _in_order(runs) if any(rows is not None for rows in run.source_stats.values())]
    tables = list(dict.fromkeys(table for run in reversed(shown) for table in run.source_stats))
    grid = Grid(
        columns=("run", *tables),
        rows=tuple(
            (when(run), *(words.count(run.source_stats.get(table)) for table in tables)) for run in reversed(shown)
        ),
    )
    return tuple(_table_history(table, shown) for table in tables), grid


def phases(runs: Sequence[PastRun]) -> tuple[tuple[StepPhases, ...], Grid]:
    """The phases of the newest runs that have any; a run that did without one has no point there."""
    shown = [(run, _phases_of(run)) for run in _in_order(runs) if any(step.phases for step in run.steps)][-BARS_SHOWN:]
    order = [step for step in STEP_TITLES if any(step == of for _, found in shown for of, _ in found)]
    newest_first = dict.fromkeys(key for _, found in reversed(shown) for key in found)
    keys = [key for step in order for key in newest_first if key[0] == step]
    grid = Grid(
        columns=("run", *(f"{STEP_TITLES[step]}: {phase}" for step, phase in keys)),
        rows=tuple(
            (when(run), *(words.took(found[key].seconds if key in found else None) for key in keys))
            for run, found in reversed(shown)
        ),
    )
    found = tuple(
        StepPhases(step=STEP_TITLES[step], phases=tuple(_phase_history(key, shown) for key in keys if key[0] == step))
        for step in order
    )
    return found, grid


def _phases_of(run: PastRun) -> dict[tuple[str, str], Phase]:
    return {(step.name, phase.name): phase for step in run.steps for phase in step.phases}


def _phase_history(
    key: tuple[str, str], shown: Sequence[tuple[PastRun, Mapping[tuple[str, str], Phase]]]
) -> PhaseHistory:
    places = _places([run for run, _ in shown])
    known = [(place, run, found[key]) for place, (run, found) in zip(places, shown, strict=True) if key in found]
    newest = shown[-1][1].get(key)
    series = Series(
        name=key[1],
        kind="line-0",
        values=tuple((place, one.seconds, f"{when(run)}: {words.took(one.seconds)}") for place, run, one in known),
        newest=words.took(newest.seconds if newest else None),
    )
    says = _spread("", [one.seconds for _, _, one in known], words.took)
    return PhaseHistory(
        phase=key[1],
        took=series.newest,
        done=newest.done() if newest else "not needed this time",
        chart=sparkline(f"Duration of {STEP_TITLES[key[0]]}: {key[1]}", says, series),
    )


def _in_order(runs: Sequence[PastRun]) -> list[PastRun]:
    return sorted(runs, key=lambda run: run.started_at)


def _sizes_of(runs: Sequence[PastRun], name: str, kind: str, n_bytes: Sequence[int | None]) -> Series:
    found = [
        (place, float(size), f"{when(run)}: {words.size(size)}")
        for place, run, size in zip(_places(runs), runs, n_bytes, strict=True)
        if size
    ]
    return Series(name=name, kind=kind, values=tuple(found), newest=words.size(found[-1][1]) if found else "–")


def _size(n_bytes: int | None) -> str:
    return "–" if n_bytes is None else words.size(n_bytes)


def _table_history(table: str, runs: Sequence[PastRun]) -> TableHistory:
    found = [(place, run, run.source_stats.get(table)) for place, run in zip(_places(runs), runs, strict=True)]
    known = [(place, run, rows) for place, run, rows in found if rows is not None]
    counts = [rows for _, _, rows in known]
    newest, before = (counts[-1] if counts else None), (counts[-2] if len(counts) > 1 else None)
    series = Series(
        name=table,
        kind="line-0",
        values=tuple((place, float(rows), f"{when(run)}: {rows:,} rows") for place, run, rows in known),
        newest=words.count(newest),
    )
    says = _spread("", counts, lambda rows: f"{rows:,.0f}")
    return TableHistory(
        table=table,
        rows=words.count(newest),
        change=words.change(before, newest),
        chart=sparkline(f"Rows of {table}", says, series),
    )


def kind_of(step: str) -> str:
    """The colour of a step; one that this program does not know (another version's) has its own."""
    return f"step-{list(STEP_TITLES).index(step)}" if step in STEP_TITLES else "step-other"


def _seconds(run: PastRun, step: str) -> float | None:
    return next((found.seconds for found in run.steps if found.name == step), None)


def _places(runs: Sequence[PastRun]) -> list[float]:
    """Where each run lies between the first (0) and the last (1) in time."""
    if not runs:
        return []
    begin = runs[0].started_at
    whole = (runs[-1].started_at - begin).total_seconds()
    return [(run.started_at - begin).total_seconds() / whole if whole else 0.5 for run in runs]


def _ends(runs: Sequence[PastRun]) -> tuple[str, str]:
    if not runs:
        return "", ""
    first, last = f"{runs[0].started_at:%d %b}", f"{runs[-1].started_at:%d %b}"
    return first, last if last != first else ""


def _spread(what: str, amounts: Sequence[float], tell: Callable[[float], str]) -> str:
    if not amounts:
        return "nothing was measured yet"
    low, high = tell(min(amounts)), tell(max(amounts))
    return f"{what} {low}".strip() if low == high else f"{what} {low} to {high}".strip()
