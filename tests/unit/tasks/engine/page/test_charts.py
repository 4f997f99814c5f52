"""Charts as values: what is drawn where, before anything is drawn."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.engine.history import from_report
from tasks.engine.page.charts import HEIGHT, Stack, bar_chart, nice_step
from tasks.engine.page.trends import BARS_SHOWN, durations, phases, row_counts, sizes
from tasks.engine.step_titles import STEP_TITLES
from tests.support.reports import NOW, PHASES, STEP_SECONDS, a_history, a_report

RUNS = [from_report(report) for report in a_history(NOW, days=30, mishaps={1: "failed", 2: "missed"})]


@given(st.floats(min_value=1e-6, max_value=1e15))
def test_the_lines_across_a_plot_are_few_and_at_round_numbers(highest: float) -> None:
    step = nice_step(highest)
    assert 1 <= highest / step * (1 + 1e-9) <= 5
    assert pytest.approx(step / 10 ** math.floor(math.log10(step * 1.0000001))) in (1, 2, 5)


def test_a_bar_is_as_high_as_its_pieces_and_they_stand_on_each_other() -> None:
    chart, _ = durations(RUNS)
    assert len(chart.bars) == BARS_SHOWN
    for bar in chart.bars:
        assert bar.top == pytest.approx(chart.floor - sum(piece.height for piece in bar.pieces))
        for lower, upper in zip(bar.pieces, bar.pieces[1:], strict=False):
            assert upper.y + upper.height == pytest.approx(lower.y)
        assert bar.top >= 0
        assert bar.x + bar.width <= 100


def test_heights_are_in_proportion_to_seconds_and_a_bad_run_is_flagged() -> None:
    chart, _ = durations(RUNS)
    steps = {step.name: step.seconds or 0 for step in RUNS[-1].steps}
    heights = dict(zip(STEP_SECONDS, (piece.height for piece in chart.bars[-1].pieces), strict=True))
    assert heights["restore_target"] / heights["dump_source"] == pytest.approx(
        steps["restore_target"] / steps["dump_source"]
    )
    assert [bar.flagged for bar in chart.bars[-3:]] == [False, True, False]  # the missed one did nothing
    assert "failed" in chart.bars[-2].title


def test_nothing_and_zeroes_can_be_drawn_too() -> None:
    assert bar_chart("none", "", [], unit="s").ticks == ()
    zero = bar_chart("zero", "", [Stack(label="", title="", amounts=(("step-0", 0.0),), flagged=False)], unit="s")
    assert zero.bars[0].top == zero.floor < HEIGHT
    assert not durations([])[0].bars
    assert not sizes([])[0].lines
    assert not row_counts([])[0]
    assert not phases([])[0]


def test_places_are_those_in_time_not_in_order() -> None:
    """A week without runs shows as a week."""
    slots = [NOW.replace(hour=6, day=day) for day in (1, 2, 11)]
    chart, _ = sizes([from_report(a_report(slot, number=number)) for number, slot in enumerate(slots)])
    first, second, last = (point.x for point in chart.lines[0].points)
    assert (second - first) / (last - first) == pytest.approx(0.1)
    assert (chart.first, chart.last) == ("01 Nov", "11 Nov")


def test_a_table_that_was_not_there_yet_has_points_only_where_it_was_counted() -> None:
    reports = a_history(NOW, days=4)
    for report in reports[:5]:
        report["source_stats"] = {**report["source_stats"], "wallets": None}
    histories, grid = row_counts([from_report(report) for report in reports])
    points = {history.table: len(history.chart.lines[0].points) for history in histories}
    assert points == {"users": 9, "escrows": 9, "wallets": 4, "transactions": 9}
    assert [row[3] for row in grid.rows].count("–") == 5
    assert {history.table: history.change for history in histories}["transactions"] == "+190"


def test_each_phase_of_each_step_has_a_chart_in_the_order_of_a_run() -> None:
    found, grid = phases(RUNS)
    assert {one.step: [phase.phase for phase in one.phases] for one in found} == {
        STEP_TITLES[step]: list(shares) for step, shares in PHASES.items()
    }
    loading = found[2].phases[0]
    assert len(loading.chart.lines[0].points) == len(grid.rows) - 1 == BARS_SHOWN - 1  # one run failed before
    assert re.fullmatch(r"39\.39 MB, \d\.\d MB/s", loading.done)
    assert grid.columns[1] == "count and dump the source: beginning"


def test_a_phase_that_was_not_needed_has_no_point_and_says_so() -> None:
    reports = a_history(NOW, days=4)
    for step in reports[-1]["steps"]:
        step["phases"] = [phase for phase in step["phases"] if phase["name"] != "loading"]
    found, grid = phases([from_report(report) for report in reports])
    loading = found[2].phases[-1]  # those of the newest run come first
    assert len(loading.chart.lines[0].points) == len(reports) - 1
    assert (loading.took, loading.done) == ("–", "not needed this time")
    assert grid.rows[0].count("–") == 1


def test_reports_of_versions_that_knew_no_phases_draw_nothing() -> None:
    report = a_report(NOW)
    for step in report["steps"]:
        del step["phases"]
    assert phases([from_report(report)])[0] == ()
