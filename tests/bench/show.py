"""Figures as tables for people."""

from tests.bench.figures import Cell, Figures, Spread
from tests.bench.tables import mb, seconds, table

REFERENCE = "psql"
_COLUMNS = (
    *("contestant", "case", "median", "lowest", "highest", "against psql", "source: round trips", "bytes"),
    *("target: round trips", "bytes", "source CPU", "source open", "peak memory", "on disk"),
)


def summary(figures: Figures) -> str:
    """A table for each data set and wire."""
    cells = list(dict.fromkeys([*figures.by_round, *figures.foretold]))
    places = list(dict.fromkeys((cell.data, cell.round_trip_ms) for cell in cells))
    parts = []
    for data, ms in places:
        here = [cell for cell in cells if (cell.data, cell.round_trip_ms) == (data, ms)]
        wire = f"{ms} ms" if ms else "local"
        parts.append(f"\n{data}, {wire}\n\n{table(_COLUMNS, [_row(figures, cell) for cell in here])}")
    return "\n".join(parts)


def _row(figures: Figures, cell: Cell) -> list[str]:
    spread = figures.seconds(cell)
    assert spread is not None
    reference = Cell(data=cell.data, round_trip_ms=cell.round_trip_ms, case="copy", contestant=REFERENCE)
    row = [cell.contestant, cell.case, ("~" if not spread.count else "") + seconds(spread.median)]
    row += [seconds(spread.low), seconds(spread.high), ratio_text(figures.ratio(cell, reference))]
    wires = figures.wires(cell)
    for count in (wires.source_wire, wires.target_wire) if wires else (None, None):
        row += [str(count.round_trips), mb(count.bytes)] if count else ["", ""]
    runs = figures.runs(cell)
    row += [seconds(Spread.of(run.source_cpu_s for run in runs).median) if runs else ""]
    row += [seconds(wires.source_wire.open_s) if wires and wires.source_wire else ""]
    peaks: dict[str, int] = {}
    for run in runs:
        for name, peak in run.peak_bytes.items():
            peaks[name] = max(peak, peaks.get(name, 0))
    row += [", ".join(f"{name} {peak / 2**20:.0f}" for name, peak in sorted(peaks.items()))]
    row += [mb(max(run.disk_bytes for run in runs)) if runs else ""]
    return row


def ratio_text(spread: Spread | None) -> str:
    """Below a fifth as a fraction of one: 1/33."""
    if spread is None:
        return ""
    return f"1/{1 / spread.median:.1f}" if spread.median < 0.2 else f"{spread.median:.2f}"
