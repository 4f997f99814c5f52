"""How commands print ages, and how much of a bar is filled."""

import io
import time

import pytest
from rich.console import Console

from tasks.engine.progress import Position, Progress
from tasks.engine.report import more_facts
from tests.support.reports import NOW, a_report
from worker.commands.output import long_ago
from worker.commands.past import difference
from worker.display import Calm, moves
from worker.progress_bar import _Lines, progress_shown, share


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-5, "0 s"),
        (40, "40 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (5 * 3600 + 720, "5 h 12 min"),
        (71 * 3600, "71 h 0 min"),
        (72 * 3600, "3 days"),
    ],
)
def test_an_age_is_told_as_exactly_as_anybody_needs_it(seconds: float, told: str) -> None:
    assert long_ago(seconds) == told


def test_a_bar_knows_bytes_before_tables_and_never_more_than_all() -> None:
    assert share(Position(doing="x", bytes=5, of_bytes=4, tables=1, of_tables=2)) == (4, 4)
    assert share(Position(doing="x", tables=1, of_tables=2)) == (1, 2)
    assert share(Position(doing="x")) == (0, 0)


def test_without_a_terminal_each_new_thing_is_one_line() -> None:
    progress, stream = Progress(), io.StringIO()
    with progress_shown(progress, stream):
        progress.begin("loading", of_bytes=10)
        give_up = time.monotonic() + 20
        while not stream.getvalue() and time.monotonic() < give_up:
            progress.bytes_done(5)
        progress.begin("proving")
    assert stream.getvalue() == "loading ...\nproving ...\n"


def test_without_a_terminal_a_long_phase_says_how_far_it_is_once_in_a_while() -> None:
    stream, now = io.StringIO(), [0.0]
    lines = _Lines(stream, Calm(clock=lambda: now[0]))
    for second in range(25):
        now[0] = float(second)
        lines.show(Position(doing="loading", bytes=second * 2**20, of_bytes=100 * 2**20))
    for second in range(25, 50):
        now[0] = float(second)
        lines.show(Position(doing="gathering statistics"))
    assert stream.getvalue().splitlines() == [
        "loading ...",
        "loading, 10.00 of 100.00 MB",
        "loading, 20.00 of 100.00 MB",
        "gathering statistics ...",
    ]


def test_a_dumb_terminal_gets_lines_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert not moves(Console(file=io.StringIO(), force_terminal=True))
    monkeypatch.setenv("TERM", "xterm")
    assert moves(Console(file=io.StringIO(), force_terminal=True))


def test_what_a_report_tells_beside_what_is_known_is_shown_by_its_name_with_its_reason() -> None:
    report = {
        "way": "unchanged",
        "way_reason": "nothing changed since run 1b0c",
        "method": "swap",
        "method_reason": "told elsewhere",
        "round_trips": {"source": 12, "target": 40},
        "skipped": ["loading", "gathering statistics"],
        "nothing": None,
        "flag": False,
    }
    assert list(more_facts(report)) == [
        ("way", "unchanged: nothing changed since run 1b0c"),
        ("round trips", "source 12, target 40"),
        ("skipped", "loading, gathering statistics"),
        ("flag", "no"),
    ]


def test_every_key_of_a_usual_report_has_a_place_of_its_own() -> None:
    assert list(more_facts(a_report(NOW))) == []


def test_differences_are_told_with_their_sign() -> None:
    assert [difference(rows) for rows in (3, -1, 0, None)] == ["+3", "-1", "rewritten", "new or gone"]
