"""Figures as tables, for a terminal and for the page."""

from statistics import median

from tests.bench.figures import COPY, OURS, Cell, Figures
from tests.bench.goals import judged
from tests.bench.tables import mb, ratio_text, seconds, table

REFERENCE = "psql"
_MEASURED = ("contestant", "case", "median", "lowest to highest", "rounds", "against psql", "at best", "at worst")
_COSTS = (
    *("contestant", "case", "source: round trips", "bytes", "connections", "open", "server's CPU"),
    *("target: round trips", "bytes", "connections", "server's CPU", "left on disk", "peak memory, MB"),
)


def summary(figures: Figures) -> str:
    """All of it, for a terminal."""
    parts = [
        f"\n{data}, {wire_name(ms)}\n\n{times(figures, data, ms)}\n{costs(figures, data, ms)}"
        for data, ms in places(figures)
    ]
    if any(cell.contestant in OURS for cell in figures.runs):
        parts.append(f"\nSeconds of each step of ours, medians\n\n{steps(figures)}")
    if any(verdict for _, verdict in judged(figures)):
        parts.append(f"\nGoals\n\n{goals(figures, all_of_them=False)}")
    parts += [f"{name} was not measured: {why}\n" for name, why in figures.absent.items()]
    parts += [f"failed: {line}\n" for line in figures.failures]
    return "\n".join(parts)


def places(figures: Figures) -> list[tuple[str, int]]:
    """Data sets and wires, in their order."""
    return list(dict.fromkeys((cell.data, cell.round_trip_ms) for cell in figures.cells()))


def wire_name(ms: int) -> str:
    return f"{ms} ms round trip to both" if ms else "local"


def here(figures: Figures, data: str, ms: int) -> list[Cell]:
    """The cells of a table: ours first, case by case, then the peers."""
    cells = [cell for cell in figures.cells() if (cell.data, cell.round_trip_ms) == (data, ms)]
    return sorted(cells, key=lambda cell: cell.contestant not in OURS)


def times(figures: Figures, data: str, ms: int) -> str:
    rows = []
    for cell in here(figures, data, ms):
        spread = figures.seconds(cell)
        if spread is None:
            continue
        reference = Cell(data=data, round_trip_ms=ms, contestant=REFERENCE, case=COPY)
        ratio = figures.ratio(cell, reference)
        row = [cell.contestant, case_name(figures, cell)]
        if spread.count:
            row += [seconds(spread.median), f"{seconds(spread.low)} to {seconds(spread.high)}", str(spread.count)]
        else:
            row += [f"~{seconds(spread.median)}", "foretold", ""]
        row += [ratio_text(each) for each in (ratio.median, ratio.low, ratio.high)] if ratio else ["", "", ""]
        rows.append(row)
    return table(_MEASURED, rows)


def costs(figures: Figures, data: str, ms: int) -> str:
    rows = []
    for cell in here(figures, data, ms):
        runs, wired = figures.of(cell), figures.wires(cell)
        source, target = (wired.source_wire, wired.target_wire) if wired else (None, None)
        row = [cell.contestant, case_name(figures, cell)]
        row += [str(source.round_trips), mb(source.bytes), str(source.connections)] if source else ["", "", ""]
        row += [seconds(source.open_s) if source else ""]
        row += [seconds(median(run.source_cpu_s for run in runs)) if runs else ""]
        row += [str(target.round_trips), mb(target.bytes), str(target.connections)] if target else ["", "", ""]
        row += [seconds(median(run.target_cpu_s for run in runs)) if runs else ""]
        row += [mb(max(run.disk_bytes for run in runs)) if runs else ""]
        row += [", ".join(f"{name} {peak / 2**20:.0f}" for name, peak in figures.peaks(cell).items())]
        rows.append(row)
    return table(_COSTS, rows)


def steps(figures: Figures) -> str:
    """Where our time goes, as the reports tell it."""
    cells = [cell for cell in figures.runs if cell.contestant in OURS and figures.of(cell)[0].report_steps]
    names = list(dict.fromkeys(name for cell in cells for name in figures.of(cell)[0].report_steps))
    rows = []
    for cell in sorted(cells, key=lambda cell: (list(figures.sections).index(cell.data), cell.round_trip_ms)):
        taken = [median(run.report_steps.get(name) or 0 for run in figures.of(cell)) for name in names]
        whole = median(run.seconds for run in figures.of(cell))
        where = f"{cell.data}, {f'{cell.round_trip_ms} ms' if cell.round_trip_ms else 'local'}"
        figures_of = [f"{each:.2f}" for each in (*taken, whole - sum(taken), whole)]
        rows.append([where, cell.contestant, case_name(figures, cell), *figures_of])
    return table(["data", "contestant", "case", *names, "else", "whole"], rows)


def goals(figures: Figures, *, all_of_them: bool = True) -> str:
    """all_of_them: those too that were not measured."""
    rows = []
    for goal, verdict in judged(figures):
        if verdict is None and not all_of_them:
            continue
        measured, reached = ("not measured", "") if verdict is None else (verdict.measured, _word(verdict.reached))
        rows.append([goal.case, goal.against, goal.bound, measured, reached])
    return table(["case", "against, in the same rounds", "goal", "measured", "reached"], rows)


def case_name(figures: Figures, cell: Cell) -> str:
    changed = figures.sections[cell.data].changed if cell.data in figures.sections else "a part"
    names = {"first": "first run", "same": "nothing changed", "part": f"{changed} changed", COPY: "copies all"}
    return names[cell.case]


def _word(reached: bool) -> str:
    return "yes" if reached else "**no**"
