"""Medians, ratios and what is kept in the file."""

from pathlib import Path

from tests.bench.counting import Count, Turn
from tests.bench.figures import COPY, Cell, Figures, Finding, Section, Spread
from tests.bench.measured import Measured
from tests.bench.results import load, save

OURS = Cell(data="W", round_trip_ms=80, contestant="worker", case="first")
PEER = Cell(data="W", round_trip_ms=80, contestant="psql", case=COPY)


def section(data: str, **others: object) -> Section:
    fields: dict[str, object] = {
        "says": "tables",
        "changed": "one table",
        "size_bytes": 2**20,
        "measured_at": "2026-11-27 09:00 UTC",
        "commit": "abc",
        "command": "make bench",
        "machine": "2 processors",
    }
    return Section(data=data, **{**fields, **others})  # type: ignore[arg-type]


def figures_of(*runs: tuple[Cell, int, float], data: str = "W") -> Figures:
    figures = Figures(sections={data: section(data)})
    for cell, number, seconds in runs:
        figures.keep(cell, number, Measured(seconds=seconds))
    return figures


def test_a_spread_is_the_median_and_what_lies_around_it() -> None:
    assert Spread.of([5.0, 1.0, 2.0]) == Spread(median=2.0, low=1.0, high=5.0, count=3)


def test_a_ratio_is_of_runs_of_the_same_round_and_not_of_medians() -> None:
    figures = figures_of((OURS, 0, 1.0), (PEER, 0, 10.0), (OURS, 1, 4.0), (PEER, 1, 8.0), (OURS, 2, 9.0))
    assert figures.ratio(OURS, PEER) == Spread.of([0.1, 0.5])


def test_without_a_round_in_common_there_is_no_ratio() -> None:
    assert figures_of((OURS, 0, 1.0), (PEER, 1, 10.0)).ratio(OURS, PEER) is None
    assert Figures().ratio(OURS, PEER) is None


def test_a_ratio_to_what_was_foretold_counts_no_rounds() -> None:
    figures = figures_of((OURS, 0, 1.0), (OURS, 1, 3.0))
    figures.foretold[PEER] = 10.0
    assert figures.ratio(OURS, PEER) == Spread(median=0.2, low=0.1, high=0.3, count=0)
    assert figures.seconds(PEER) == Spread(median=10.0, low=10.0, high=10.0, count=0)


def test_the_greatest_memory_of_all_rounds_is_told_the_greatest_first() -> None:
    figures = Figures()
    figures.keep(OURS, 0, Measured(peak_bytes={"worker": 5, "pg_dump": 3}))
    figures.keep(OURS, 1, Measured(peak_bytes={"worker": 2, "pg_dump": 9}))
    assert list(figures.peaks(OURS).items()) == [("pg_dump", 9), ("worker", 5)]


def test_figures_come_back_from_their_file_without_what_was_said(tmp_path: Path) -> None:
    figures = figures_of((PEER, 0, 10.0))
    turn = Turn(connection=1, at=0.0, until=1.0, said="SELECT 1")
    wire = Count(up_bytes=1, down_bytes=2, round_trips=3, connections=1, open_s=0.5, turns=[turn])
    figures.keep(OURS, 4, Measured(seconds=1.5, source_wire=wire, target_wire=wire, report_steps={"finish": 0.1}))
    figures.counted[PEER] = Measured(source_wire=wire)
    figures.foretold[PEER] = 12.5
    figures.findings["idle"] = Finding(name="idle", data="W", words="nothing", holds=True)
    figures.absent["pgcopydb"] = "it is not here"
    save(figures, tmp_path / "figures.json")
    wire.turns.clear()
    assert load(tmp_path / "figures.json") == figures


def test_no_file_holds_nothing(tmp_path: Path) -> None:
    assert load(tmp_path / "figures.json") == Figures()


def test_a_new_measurement_replaces_its_data_set_and_leaves_the_others() -> None:
    small = Cell(data="S", round_trip_ms=0, contestant="worker", case="first")
    figures = figures_of((OURS, 0, 1.0), (OURS, 1, 1.0), (PEER, 0, 2.0))
    figures.put(figures_of((small, 0, 3.0), data="S"))
    figures.findings["idle"] = Finding(name="idle", data="S", words="nothing", holds=True)
    figures.failures = ["W, 80 ms: psql: no", "S, local: psql: no"]
    new = figures_of((OURS, 0, 7.0))
    figures.put(new)
    assert {cell: [run.seconds for run in figures.of(cell)] for cell in figures.cells()} == {OURS: [7.0], small: [3.0]}
    assert list(figures.findings) == ["idle"]
    assert figures.failures == ["S, local: psql: no"]
