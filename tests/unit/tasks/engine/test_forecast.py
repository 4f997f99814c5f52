"""How long the next run will take: from the runs that were, from size and round trip, and what is said of limits."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from tasks.engine.doctor.duration import foretell
from tasks.engine.doctor.forecast import RUNS_USED, Forecast, Size, from_runs, from_sizes
from tasks.engine.findings import Finding
from tasks.engine.history import PastRun, from_report
from tasks.engine.step_titles import STEP_TITLES
from tests.support.reports import NOW, STEP_SECONDS, a_report, an_overview

MB = 2**20
LIMITS_S = dict.fromkeys(STEP_TITLES, 300.0)
NEAR = Size(size_bytes=300 * MB, tables=12, round_trip_s=0.0005)


def takes(step: dict[str, Any], seconds: float) -> None:
    for phase in step["phases"]:
        phase["seconds"] *= 0.99 * seconds / step["seconds"]  # a step does a little besides
    step["seconds"] = seconds


def a_run(number: int, *, seconds: float = 10.0, outcome: str = "succeeded", **others: Any) -> PastRun:
    """The number-th newest; each of its steps took so long, for a database of 100 MB at each side."""
    report = a_report(NOW - timedelta(hours=12 * number), outcome, number=100 - number)
    report |= {role: {"size_bytes": 100 * MB} for role in ("source", "target")} | others
    for step in report["steps"]:
        takes(step, seconds)
    return from_report(report | {"duration_seconds": seconds * len(report["steps"]) + 2})


def seconds_of(forecast: Forecast | None, step: str) -> tuple[float, float]:
    assert forecast is not None
    found = next(each for each in forecast.steps if each.name == step)
    return found.usual_s, found.slowest_s


def test_what_is_usual_is_the_median_and_what_is_slowest_the_slowest_of_the_newest_runs() -> None:
    runs = [a_run(number, seconds=each) for number, each in enumerate((4, 30, 5, 6, 5, 900, 900))]
    forecast = from_runs(runs, {}, LIMITS_S)
    assert forecast is not None
    assert seconds_of(forecast, "restore_target") == (5, 30)
    assert (forecast.runs, forecast.basis) == (RUNS_USED, "runs")
    assert forecast.seconds == 5 * len(STEP_TITLES) + 2  # and what is between the steps


def test_only_runs_that_succeeded_tell_anything() -> None:
    assert from_runs([a_run(0, outcome="failed"), a_run(1, outcome="held")], {}, LIMITS_S) is None
    assert seconds_of(from_runs([a_run(0, outcome="failed", seconds=99), a_run(1)], {}, LIMITS_S), "finish") == (10, 10)


def test_steps_are_stretched_as_their_database_has_grown_and_never_shrunk() -> None:
    forecast = from_runs([a_run(0)], {"source": 300 * MB, "target": 50 * MB}, LIMITS_S)
    assert seconds_of(forecast, "dump_source") == (30, 30)
    assert seconds_of(forecast, "restore_target") == (30, 30)
    assert seconds_of(forecast, "back_up_target") == (10, 10)
    assert seconds_of(forecast, "verify_connections") == (10, 10)


def test_a_safety_backup_that_was_made_beside_the_dump_takes_what_its_phases_took() -> None:
    run = a_run(0, seconds=10)
    run = replace(run, steps=tuple(replace(step, seconds=0.01) for step in run.steps))
    usual_s, _ = seconds_of(from_runs([run], {"target": 300 * MB}, LIMITS_S), "back_up_target")
    assert usual_s == pytest.approx(30, rel=0.02)


def test_of_a_database_that_was_small_only_what_has_come_is_added() -> None:
    """The first safety backup is that of an empty database: thousands of times its second would be nonsense."""
    run = a_run(0, seconds=1, target={"size_bytes": 7 * MB})
    usual_s, _ = seconds_of(from_runs([run], {"target": 307 * MB}, LIMITS_S), "back_up_target")
    assert usual_s == pytest.approx(1 + 300 * MB / 30e6, abs=0.01)


def test_a_run_that_found_nothing_changed_says_nothing_of_the_slowest() -> None:
    runs = [*(a_run(number, seconds=1, way="unchanged") for number in range(RUNS_USED)), a_run(9, seconds=50)]
    assert seconds_of(from_runs(runs, {}, LIMITS_S), "restore_target") == (1, 50)
    assert seconds_of(from_runs(runs[:-1], {}, LIMITS_S), "restore_target") == (1, 1)


@pytest.mark.parametrize(
    "more",
    [
        lambda size: Size(size_bytes=size.size_bytes * 10, tables=size.tables, round_trip_s=size.round_trip_s),
        lambda size: Size(size_bytes=size.size_bytes, tables=size.tables * 100, round_trip_s=size.round_trip_s),
        lambda size: Size(size_bytes=size.size_bytes, tables=size.tables, round_trip_s=0.08),
    ],
)
def test_without_a_run_size_tables_and_distance_make_it_longer(more: Callable[[Size], Size]) -> None:
    before = from_sizes(NEAR, NEAR, LIMITS_S)
    assert before.seconds < from_sizes(more(NEAR), NEAR, LIMITS_S).seconds
    assert before.seconds < from_sizes(NEAR, more(NEAR), LIMITS_S).seconds
    assert {step.name for step in before.steps} == set(STEP_TITLES)


def patient(*, tables: dict[str, int] | None = None, offsite_url: str | None = None) -> Any:
    roles = ("source", "target")
    return SimpleNamespace(
        known={role: {"size_bytes": 100 * MB} for role in roles},
        tables=dict.fromkeys(roles, 12) if tables is None else tables,
        round_trips_s=dict.fromkeys(roles, 0.001),
        forecast=None,
        settings=SimpleNamespace(offsite_url=offsite_url),
    )


def told(one: Any, reports: list[Any], **limits_s: float) -> list[tuple[str, str]]:
    overview = an_overview(reports)
    found: list[Finding] = list(foretell(one, overview, lambda name: limits_s.get(name, 300.0)))
    return [(finding.state, finding.told) for finding in found]


def report(**seconds: float) -> dict[str, Any]:
    made = a_report(NOW)
    for step in made["steps"]:
        takes(step, seconds.get(step["name"], 1.0))
    return made | {"duration_seconds": sum(step["seconds"] for step in made["steps"])}


def test_a_run_that_has_time_enough_is_foretold_with_its_longest_step() -> None:
    one = patient()
    assert told(one, [report(restore_target=34.4)]) == [
        (
            "good",
            "a run will take about 40 s; the longest step, restore, prove, publish, about 34 s of 300 s allowed "
            "(by the last run that succeeded, for today's sizes)",
        )
    ]
    assert one.forecast.longest.name == "restore_target"


def test_a_step_that_comes_near_its_limit_is_bad_and_names_what_to_raise() -> None:
    assert told(patient(), [report(restore_target=250, verify_target=239)]) == [
        (
            "bad",
            "restore, prove, publish may need 250 s of 300 s allowed (by the last run that succeeded, for today's "
            "sizes): raise RESTORE_TIMEOUT_S to 540",
        )
    ]


def test_what_only_a_formula_foretells_is_a_note() -> None:
    [(state, said)] = told(patient(), [], restore_target=1.0)
    assert state == "note"
    assert "raise RESTORE_TIMEOUT_S to" in said
    assert "by size and round trip alone: no run has succeeded yet" in said
    assert [state for state, _ in told(patient(tables={}), [])] == ["note"]


def test_a_limit_that_no_setting_raises_is_told_as_that() -> None:
    assert "its limit is fixed" in told(patient(), [report(check_guards=119)], check_guards=120.0)[0][1]
    assert "its limit is fixed" in told(patient(), [report(finish=119)], finish=120.0)[0][1]
    with_offsite = told(patient(offsite_url="s3://there"), [report(finish=719)], finish=720.0)
    assert "raise OFFSITE_TIMEOUT_S to 1440" in with_offsite[0][1]


def test_the_steps_of_a_forecast_are_those_of_a_run() -> None:
    assert list(STEP_SECONDS) == list(STEP_TITLES)
