"""docs/performance.md: its introduction is written by hand, the rest from the figures, which lie beside it as JSON."""

from pathlib import Path
from statistics import median

from tests.bench import show
from tests.bench.charts import Bar, bars
from tests.bench.figures import OURS, Cell, Figures
from tests.bench.goals import judged
from tests.bench.ours import ENGINE, WORKER
from tests.bench.peers import PEERS
from tests.bench.results import load, save
from tests.bench.tables import seconds, table
from tests.faults.document import put_part

_MOST_KINDS = 8


def write_page(page: Path, figures: Figures) -> None:
    """What was measured now takes the place of the same data sets' older figures; the others stay."""
    results = page.with_suffix(".json")
    every = load(results)
    every.put(figures)
    save(every, results)
    pictures = page.parent / "pictures"
    pictures.mkdir(exist_ok=True)
    for data, ms in show.places(every):
        (pictures / _times_file(data, ms)).write_text(times_chart(every, data, ms))
        (pictures / _steps_file(data, ms)).write_text(steps_chart(every, data, ms))
    put_part(page, "results", text(every))


def text(figures: Figures) -> str:
    """The part that the command writes."""
    parts = ["## Goals\n", _reached(figures), show.goals(figures)]
    parts += [f"`{name}` was not measured: {why}.\n" for name, why in figures.absent.items()]
    if figures.failures:
        parts += ["### What failed\n", *(f"- {line}" for line in figures.failures), ""]
    contestants = [[each.name, each.says] for each in (WORKER, ENGINE, *PEERS)]
    parts += ["## Who takes part\n", table(["contestant", "what it is"], contestants)]
    for data in figures.sections:
        parts += _section(figures, data)
    return "\n".join(parts)


def _reached(figures: Figures) -> str:
    verdicts = [verdict for _, verdict in judged(figures)]
    measured = [verdict for verdict in verdicts if verdict is not None]
    reached = sum(verdict.reached for verdict in measured)
    left = len(verdicts) - len(measured)
    return f"{reached} of {len(verdicts)} are reached" + (f", {left} were not measured" if left else "") + ".\n"


def _section(figures: Figures, data: str) -> list[str]:
    section = figures.sections[data]
    size = f", {section.size_bytes / 2**20:.0f} MB as a database" if section.size_bytes else ""
    parts = [
        f"## {data}: {section.says}\n",
        f"Measured by `{section.command}` on {section.measured_at}, of commit {section.commit}{size}; "
        f"{section.machine}.\n",
    ]
    for place, ms in show.places(figures):
        if place != data:
            continue
        parts += [f"### {data}, {show.wire_name(ms)}\n", f"![Seconds]({'pictures/' + _times_file(data, ms)})\n"]
        parts += [show.times(figures, data, ms), show.costs(figures, data, ms)]
        parts += [f"![Steps]({'pictures/' + _steps_file(data, ms)})\n"]
    return parts


def _file(data: str, ms: int) -> str:
    return f"{data.lower().replace('/', '-of-')}-{f'{ms}ms' if ms else 'local'}"


def _times_file(data: str, ms: int) -> str:
    return f"performance-{_file(data, ms)}.svg"


def _steps_file(data: str, ms: int) -> str:
    return f"performance-{_file(data, ms)}-steps.svg"


def times_chart(figures: Figures, data: str, ms: int) -> str:
    """A bar for each contestant and case."""
    rows = []
    for cell in show.here(figures, data, ms):
        if spread := figures.seconds(cell):
            kind = "foretold" if not spread.count else "ours" if cell.contestant in OURS else "peer"
            label = _label(figures, cell)
            row = Bar(label=label, pieces=((kind, spread.median),), figure=seconds(spread.median))
            rows.append(row if spread.count < 2 else Bar(**{**vars(row), "low": spread.low, "high": spread.high}))
    return bars(f"{data}, {show.wire_name(ms)}: seconds, medians", rows)


def steps_chart(figures: Figures, data: str, ms: int) -> str:
    """Where our runs' time goes."""
    rows, names = [], list[str]()
    for cell in show.here(figures, data, ms):
        runs = figures.of(cell)
        if cell.contestant not in OURS or not runs:
            continue
        names += [name for name in runs[0].report_steps if name not in names]
        taken = [(name, median(run.report_steps.get(name) or 0.0 for run in runs)) for name in names]
        whole = median(run.seconds for run in runs)
        taken.append(("else", max(0.0, whole - sum(each for _, each in taken))))
        pieces = tuple((_kind(names, name), each) for name, each in taken)
        rows.append(Bar(label=_label(figures, cell), pieces=pieces, figure=seconds(whole)))
    legend = [(_kind(names, name), name) for name in [*names, "else"]]
    return bars(f"{data}, {show.wire_name(ms)}: where the time of ours goes", rows, legend)


def _kind(names: list[str], name: str) -> str:
    return f"k{min(names.index(name) if name in names else _MOST_KINDS, _MOST_KINDS - 1)}"


def _label(figures: Figures, cell: Cell) -> str:
    return f"{cell.contestant}: {show.case_name(figures, cell)}" if cell.contestant in OURS else cell.contestant
