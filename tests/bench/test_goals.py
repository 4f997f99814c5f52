"""Whether a goal is reached: said only when what it needs was measured."""

from tests.bench.figures import COPY, Cell, Figures, Finding
from tests.bench.goals import GOALS, Verdict, judged
from tests.bench.measured import Measured
from tests.bench.test_figures import section


def keep(figures: Figures, data: str, ms: int, contestant: str, case: str, *seconds: float, **others: object) -> None:
    cell = Cell(data=data, round_trip_ms=ms, contestant=contestant, case=case)
    for number, each in enumerate(seconds):
        figures.keep(cell, number, Measured(seconds=each, **others))  # type: ignore[arg-type]


def verdict(figures: Figures, case: str, against: str = "") -> Verdict | None:
    (found,) = [
        each for goal, each in judged(figures) if goal.case.startswith(case) and goal.against.startswith(against)
    ]
    return found


def test_nothing_measured_reaches_nothing_and_misses_nothing() -> None:
    assert [each for _, each in judged(Figures())] == [None] * len(GOALS)


def test_a_goal_is_reached_by_the_median_of_the_ratios() -> None:
    figures = Figures()
    keep(figures, "W", 80, "psql", COPY, 300.0, 300.0, 300.0)
    keep(figures, "W", 80, "worker", "first", 9.0, 30.0, 10.0)
    keep(figures, "W", 80, "worker", "part", 8.0, 8.0, 8.0)
    assert verdict(figures, "W, 80 ms, first") == Verdict(measured="1/30 (1/33 to 0.10)", reached=True)
    assert verdict(figures, "W, 80 ms, one") == Verdict(measured="1/38 (1/38 to 1/38)", reached=False)


def test_the_whole_run_is_judged_and_the_engine_only_where_there_is_no_other() -> None:
    figures = Figures()
    keep(figures, "S", 80, "psql", COPY, 10.0)
    keep(figures, "S", 80, "engine", "first", 4.0)
    assert verdict(figures, "S, 80 ms") == Verdict(measured="0.40 (0.40 to 0.40), the engine alone", reached=True)
    keep(figures, "S", 80, "worker", "first", 6.0)
    assert verdict(figures, "S, 80 ms") == Verdict(measured="0.60 (0.60 to 0.60)", reached=False)


def test_the_best_bare_peer_is_the_fastest_and_never_the_baseline() -> None:
    figures = Figures()
    for name, took_s in (("psql", 4.0), ("restore", 3.0), ("pgcopydb", 5.0), ("baseline", 1.0)):
        keep(figures, "M", 0, name, COPY, took_s)
    keep(figures, "M", 0, "worker", "first", 4.5)
    assert verdict(figures, "M local, first", "best") == Verdict(measured="1.50 (1.50 to 1.50) (restore)", reached=True)


def test_a_foretold_peer_makes_a_ratio_that_says_so() -> None:
    figures = Figures()
    figures.foretold[Cell(data="S", round_trip_ms=80, contestant="psql", case=COPY)] = 10.0
    keep(figures, "S", 80, "worker", "first", 4.0)
    assert verdict(figures, "S, 80 ms") == Verdict(measured="~0.40", reached=True)


def test_the_share_of_celery_is_of_rounds_that_both_have() -> None:
    figures = Figures()
    keep(figures, "S", 0, "engine", "first", 5.0, 6.0)
    keep(figures, "S", 0, "worker", "first", 5.3, 6.9, 100.0)
    assert verdict(figures, "Celery") == Verdict(measured="0.60 s (0.30 to 0.90)", reached=False)


def test_memory_must_be_small_and_must_not_grow_with_the_data() -> None:
    def judge(of_m: int, of_l: int) -> bool:
        figures = Figures()
        keep(figures, "M", 0, "worker", "first", 1.0, peak_bytes={"worker": of_m * 2**20, "pg_dump": 2**20})
        keep(figures, "L", 0, "worker", "first", 1.0, peak_bytes={"worker": 2**20, "pg_dump": of_l * 2**20})
        keep(figures, "L", 0, "psql", COPY, 1.0, peak_bytes={"psql": 2**40})
        found = verdict(figures, "peak memory")
        assert found is not None
        return found.reached

    assert judge(100, 105)
    assert not judge(100, 120)
    assert not judge(151, 140)


def test_growth_is_held_against_the_growth_of_the_data() -> None:
    figures = Figures(sections={"M": section("M", size_bytes=300), "L": section("L", size_bytes=3000)})
    keep(figures, "M", 0, "worker", "first", 6.0)
    keep(figures, "L", 0, "worker", "first", 68.0)
    assert verdict(figures, "growth") == Verdict(measured="11.3 × for 10.0 × the bytes", reached=True)
    keep(figures, "L", 0, "worker", "first", 70.0)
    assert verdict(figures, "growth") == Verdict(measured="11.7 × for 10.0 × the bytes", reached=False)


def test_what_was_tried_out_must_hold_in_all_its_parts() -> None:
    figures = Figures()
    figures.findings["T defaults"] = Finding(name="T defaults", data="T", words="refused", holds=True)
    assert verdict(figures, "T, default") is None
    figures.findings["T in_place"] = Finding(name="T in_place", data="T", words="ran", holds=False)
    assert verdict(figures, "T, default") == Verdict(measured="refused; ran", reached=False)
