"""Rate and time left: only what is known, rounded as it deserves, and never a figure that runs away."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.engine.pace import Pace, left_words, rate_words
from tasks.engine.progress import BEGINNING, Position, Progress

MB = 2**20


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def steady(rate: int, seconds: int) -> Pace:
    pace = Pace(0.0)
    for second in range(1, seconds + 1):
        pace.read(second, rate * second)
    return pace


def test_a_steady_pace_is_told_as_it_is() -> None:
    pace = steady(5 * MB, 60)
    assert pace.per_s(60) == pytest.approx(5 * MB)
    assert pace.left_s(60, 400 * MB) == pytest.approx(20)
    assert pace.left_s(62, 400 * MB) == pytest.approx(18)


def test_nothing_is_told_before_it_was_watched_for_some_seconds() -> None:
    pace = Pace(0.0)
    assert (pace.per_s(0), pace.left_s(0, 10)) == (None, None)
    pace.read(2.9, 5)
    assert (pace.per_s(2.9), pace.left_s(2.9, 10)) == (None, None)
    pace.read(3.0, 6)
    assert (pace.per_s(3), pace.left_s(3, 12)) == (2, 3)


def test_what_has_stopped_has_no_pace_and_no_end() -> None:
    """With the average since the beginning the time left would grow for ever."""
    pace = steady(1, 30)
    assert pace.left_s(34, 60) == pytest.approx(26)
    assert (pace.per_s(35.1), pace.left_s(35.1, 60)) == (None, None)


def test_what_comes_in_large_pieces_keeps_its_pace_between_them() -> None:
    pace = Pace(0.0)
    for number in (1, 2, 3):
        pace.read(30.0 * number, number)
    assert pace.left_s(100, 5) == pytest.approx(50)
    assert pace.left_s(149, 5) == pytest.approx(1)
    assert pace.left_s(151, 5) is None


def test_a_pace_is_that_of_late() -> None:
    pace = steady(100, 100)
    for second in range(1, 31):
        pace.read(100 + second, 10_000 + second)
    assert pace.per_s(130) == pytest.approx(1)


readings = st.lists(st.tuples(st.floats(0, 50), st.integers(0, 10**12)), max_size=60)


@given(readings, st.floats(0, 100), st.integers(0, 10**13))
def test_no_readings_make_a_figure_that_nobody_can_believe(
    steps: list[tuple[float, int]], later: float, of: int
) -> None:
    pace = Pace(0.0)
    times = list(itertools.accumulate(step for step, _ in steps))
    for at_s, (_, done) in zip(times, steps, strict=True):
        pace.read(at_s, done)
    now_s = (times[-1] if times else 0.0) + later
    rate, left_s = pace.per_s(now_s), pace.left_s(now_s, of)
    assert rate is None or rate > 0
    assert left_s is None or (left_s > 0 and rate is not None)


@pytest.mark.parametrize(
    ("bytes_per_s", "told"),
    [(41.3 * MB, "41 MB/s"), (2.34 * MB, "2.3 MB/s"), (640 * 1024, "640 KB/s"), (3, "1 KB/s")],
)
def test_a_rate_has_two_or_three_digits(bytes_per_s: float, told: str) -> None:
    assert rate_words(bytes_per_s) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.2, "a few seconds left"),
        (5.1, "about 5 s left"),
        (57.4, "about 55 s left"),
        (57.5, "about 1 min left"),
        (200, "about 3 min left"),
        (10 * 60, "about 10 min left"),
        (47 * 60, "about 45 min left"),
        (100 * 60, "about 2 h left"),
        (30 * 3600, "more than a day left"),
    ],
)
def test_the_farther_off_an_end_the_rounder_it_is_told(seconds: float, told: str) -> None:
    assert left_words(seconds) == told


def worked(progress: Progress, clock: Clock, seconds: int, bytes_per_s: int) -> None:
    done = progress.position.bytes
    for second in range(1, seconds + 1):
        clock.now_s += 1
        progress.bytes_done(done + bytes_per_s * second)


def test_a_position_says_how_fast_it_goes_and_how_long_it_takes() -> None:
    clock = Clock()
    progress = Progress(clock=clock)
    progress.begin("loading", of_tables=12, of_bytes=100 * MB)
    worked(progress, clock, 20, MB)
    assert str(progress.position) == "loading, 20.00 of 100.00 MB, 1.0 MB/s, about 1 min left"
    worked(progress, clock, 80, MB)
    assert str(progress.position) == "loading, 100.00 of 100.00 MB"
    progress.begin("publishing")
    assert str(progress.position) == "publishing"


def test_a_guessed_total_is_told_as_one_and_no_longer_once_it_is_exceeded() -> None:
    clock = Clock()
    progress = Progress(clock=clock)
    progress.begin("reading and dumping", of_bytes=10 * MB, guessed=True)
    worked(progress, clock, 5, MB)
    assert str(progress.position) == "reading and dumping, 5.00 of about 10.00 MB, 1.0 MB/s, a few seconds left"
    worked(progress, clock, 6, MB)
    assert str(progress.position) == "reading and dumping, 11.00 MB, 1.0 MB/s"


def test_the_end_is_when_both_bytes_and_tables_are_done() -> None:
    clock = Clock()
    progress = Progress(clock=clock)
    progress.begin("reading and dumping", of_bytes=10 * MB)
    for second in range(1, 9):
        clock.now_s += 1
        progress.bytes_done(second * MB)
        progress.tables_done(second, 80)
    assert progress.position.left_s == pytest.approx(72)


def test_no_end_is_told_while_bytes_that_are_to_come_do_not() -> None:
    clock = Clock()
    progress = Progress(clock=clock)
    progress.begin("loading", of_bytes=100 * MB)
    worked(progress, clock, 5, MB)
    for second in range(1, 20):
        clock.now_s += 1
        progress.tables_done(second, 40)
    assert (progress.position.left_s, progress.position.bytes_per_s) == (None, None)


def test_few_tables_foretell_nothing() -> None:
    clock = Clock()
    progress = Progress(clock=clock)
    for done in range(1, 8):
        clock.now_s += 4
        progress.tables_done(done, 9)
    assert progress.position.left_s is None


def test_phases_are_kept_with_what_was_done_in_each() -> None:
    clock = Clock()
    progress = Progress(clock=clock)
    assert progress.phases() == []
    clock.now_s += 2
    progress.begin("loading")
    worked(progress, clock, 3, MB)
    for _ in range(2):
        progress.begin("verifying")
        clock.now_s += 5
        progress.tables_done(6, 6)
        progress.round_trips_made(1)
        progress.round_trips_made(2)
        progress.begin("waiting")
    told = [(phase.name, phase.seconds, phase.bytes, phase.tables, phase.round_trips) for phase in progress.phases()]
    assert told == [
        (BEGINNING, 2, 0, 0, 0),
        ("loading", 3, 3 * MB, 0, 0),
        ("verifying", 10, 0, 12, 6),
        ("waiting", 0, 0, 0, 0),
    ]
    assert [phase.seconds for phase in progress.phases()] == [2, 3, 10, 0]


def test_what_was_done_before_a_step_began_counts_among_its_phases() -> None:
    clock = Clock()
    before = Progress(clock=clock)
    before.begin("reading")
    clock.now_s += 3
    before.round_trips_made(4)
    before.begin("examining")
    done = before.phases()
    progress = Progress(clock=clock)
    progress.adopt(done)
    assert progress.phases() == done
    progress.begin("examining")
    clock.now_s += 1
    assert [(phase.name, phase.seconds) for phase in progress.phases()] == [("reading", 3), ("examining", 1)]


def test_a_position_that_knows_nothing_says_only_what_is_done() -> None:
    assert str(Position(doing="verifying")) == "verifying"
    assert str(Position(doing="verifying", of_tables=6)) == "verifying, 0 of 6 tables"
