"""Retention can be trusted: it never deletes what somebody needs, whatever the history and the clock."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.engine.names import DumpKind
from tasks.engine.retention import KeptDump, RunState, Verdict, plan

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


def dump(
    days_ago: float, state: RunState = "succeeded", kind: DumpKind = "source", run: str = "", part: bool = False
) -> KeptDump:
    stamp = NOW - timedelta(days=days_ago)
    name = f"{kind}_{stamp:%Y%m%d_%H%M%S_%f}.sql" + ".part" * part
    return KeptDump(run_id=run or f"run{days_ago}", stamp=stamp, path=Path(name), kind=kind, state=state)


def judge(
    dumps: Sequence[KeptDump],
    *,
    held: bool = False,
    newest: str | None = None,
    days: int = 7,
    last: int = 3,
    now: datetime = NOW,
) -> list[Verdict]:
    return plan(dumps, keep_days=days, keep_last=last, now=now, newest_run_held=held, newest_run_id=newest)


def kept(dumps: Sequence[KeptDump], **options: object) -> list[bool]:
    return [verdict.keep for verdict in judge(dumps, **options)]  # type: ignore[arg-type]


# --- by hand


def test_an_old_dump_beyond_the_newest_three_verified_expires() -> None:
    verdicts = judge([dump(10), dump(9), dump(8.5), dump(8)])
    assert [(verdict.keep, verdict.reason) for verdict in verdicts] == [
        (False, "10.0 days old, more than 7, and not among the newest 3 verified dumps"),
        (True, "among the newest 3 verified dumps"),
        (True, "among the newest 3 verified dumps"),
        (True, "among the newest 3 verified dumps"),
    ]


def test_a_dump_lives_seven_times_24_hours_to_the_microsecond() -> None:
    newer = [dump(1), dump(2), dump(3)]
    assert kept([dump(7), *newer])[0]
    assert not kept([dump(7 + 1e-11), *newer])[0] or dump(7 + 1e-11).stamp == dump(7).stamp
    just_over = KeptDump(
        run_id="x", stamp=NOW - timedelta(days=7, microseconds=1), path=Path("x"), kind="source", state="succeeded"
    )
    assert not kept([just_over, *newer])[0]


def test_failed_and_partial_dumps_never_count_towards_the_newest_three() -> None:
    verified = [dump(20), dump(21), dump(22)]
    noise = [dump(8, "failed"), dump(9, "failed"), dump(10, "succeeded", part=True), dump(11, "failed", part=True)]
    assert kept([*verified, *noise]) == [True] * 3 + [False] * 4


def test_a_safety_backup_is_never_a_verified_dump() -> None:
    safeties = [dump(days, kind="safety") for days in (8, 9, 10)]
    assert kept([dump(20), dump(21), dump(22), *safeties], newest="run8") == [True] * 4 + [False] * 2


def test_the_safety_backup_of_the_newest_run_stays_even_when_its_stamp_is_not_the_newest() -> None:
    verdicts = judge([dump(30, kind="safety", run="newest"), dump(20, kind="safety"), dump(1)], newest="newest")
    assert [verdict.keep for verdict in verdicts] == [True, True, True]


def test_nothing_expires_while_the_newest_run_is_held() -> None:
    dumps = [dump(days, state) for days in (100, 200, 300, 400) for state in get_args(RunState)]
    verdicts = judge(dumps, held=True)
    assert {verdict.reason for verdict in verdicts} == {
        "the newest run is held: nothing expires until somebody has decided"
    }
    assert all(verdict.keep for verdict in verdicts)


def test_files_of_an_open_run_stay_however_old() -> None:
    files = [dump(99, "open"), dump(99, "open", kind="safety"), dump(99, "open", part=True)]
    assert all(kept([*files, dump(1), dump(2), dump(3), dump(1, kind="safety")]))


def test_the_last_succeeded_dump_stays_even_when_none_is_to_be_kept() -> None:
    assert kept([dump(100), dump(101)], last=0) == [True, False]


def test_while_nothing_was_ever_verified_the_newest_three_of_each_kind_stay() -> None:
    failed = [dump(days, "failed") for days in (20, 21, 22, 23)]
    safeties = [dump(days, "failed", kind="safety") for days in (20, 21, 22, 23)]
    assert kept([*failed, *safeties, dump(19, "failed", part=True)]) == [True, True, True, False] * 2 + [False]
    assert kept([*failed, dump(30)]) == [False] * 4 + [True]


def test_dumps_stamped_in_the_future_stay_and_push_no_other_out() -> None:
    future = [dump(-days) for days in (1, 2, 3, 4)]
    past = [dump(days) for days in (10, 11, 12, 13)]
    assert kept([*future, *past]) == [True] * 4 + [True, True, True, False]


def test_a_clock_set_back_before_everything_keeps_everything() -> None:
    dumps = [dump(days, state) for days in (1, 20, 300) for state in get_args(RunState)]
    verdicts = judge(dumps, now=NOW - timedelta(days=1000))
    assert all(verdict.keep for verdict in verdicts)
    assert {verdict.reason.split(":")[0] for verdict in verdicts} == {"stamped in the future", "its run is still going"}


def test_a_reason_is_given_for_each_kind_of_file() -> None:
    verdicts = judge(
        [dump(1.25), dump(8, "failed"), dump(9, "failed", part=True), dump(10, kind="safety"), dump(2, kind="safety")]
    )
    assert [verdict.reason for verdict in verdicts] == [
        "among the newest 3 verified dumps",
        "8.0 days old, more than 7, and its run failed",
        "9.0 days old, more than 7, and never finished",
        "10.0 days old, more than 7, and a safety backup of an earlier run",
        "the newest safety backup",
    ]


def test_no_files_no_verdicts() -> None:
    assert judge([]) == []


def test_an_instant_without_a_time_zone_is_refused() -> None:
    with pytest.raises(TypeError):
        judge([dump(1)], now=datetime(2026, 11, 30))  # noqa: DTZ001 - that is the point


# --- by property: histories


@dataclass(frozen=True)
class History:
    """What lies in the folder, what the settings say, and what the clock shows."""

    dumps: list[KeptDump]
    days: int
    last: int
    now: datetime
    held: bool
    newest: str | None

    def judge(self) -> list[Verdict]:
        return judge(self.dumps, days=self.days, last=self.last, now=self.now, held=self.held, newest=self.newest)


def history_from(choose: Callable[[Sequence[Any]], Any]) -> History:
    """Runs at any instants (twice in one second, in the future too), any outcome, with any of their files left."""
    dumps: list[KeptDump] = []
    for number in range(choose(range(13))):
        stamp = NOW - timedelta(hours=choose([*range(-100, 600, 7), 0, 168, 169]))
        state: RunState = choose(get_args(RunState))
        kinds: tuple[DumpKind, ...] = choose([("source",), ("safety",), ("source", "safety")])
        for kind in kinds:
            part = state != "succeeded" and choose([True, False])
            path = Path(f"{kind}{number}.sql" + ".part" * part)
            dumps.insert(
                choose(range(len(dumps) + 1)),
                KeptDump(run_id=f"run{number}", stamp=stamp, path=path, kind=kind, state=state),
            )
    return History(
        dumps=dumps,
        days=choose(range(1, 15)),
        last=choose(range(1, 6)),
        now=NOW + timedelta(hours=choose([0, 0, 0, -10_000, -24, 1, 200, 100_000])),
        held=choose(range(6)) == 0,
        newest=choose([None, "gone", *sorted({each.run_id for each in dumps})]),
    )


@st.composite
def histories(draw: st.DrawFn) -> History:
    return history_from(lambda choices: draw(st.sampled_from(list(choices))))


def check(history: History) -> None:
    """What must hold after any expiry."""
    verdicts, dumps, last = history.judge(), history.dumps, history.last
    deleted = [verdict.dump for verdict in verdicts if not verdict.keep]
    left = [verdict.dump for verdict in verdicts if verdict.keep]
    assert [verdict.dump for verdict in verdicts] == dumps
    assert all(verdict.reason for verdict in verdicts)

    verified = sorted((d for d in dumps if d.kind == "source" and d.state == "succeeded"), key=lambda d: d.stamp)
    verified_left = [d for d in left if d in verified]
    assert len(verified_left) >= min(last, len(verified))
    assert {d.stamp for d in verified[-last:]} <= {d.stamp for d in verified_left}
    assert not (history.held and deleted)
    assert all(d.state != "open" for d in deleted)
    assert not any(d.kind == "safety" and d.run_id == history.newest and d.path.suffix == ".sql" for d in deleted)
    limit = timedelta(hours=24 * history.days)
    assert all(history.now - d.stamp > limit for d in deleted)
    # Nothing that is neither needed nor young stays: the disk does not fill.
    if not history.held and verified:
        old = [d for d in left if history.now - d.stamp > limit and d.state != "open"]
        assert len([d for d in old if d.kind == "source"]) <= last
        assert not any(d.kind == "source" and d.state == "failed" for d in old)
        assert len([d for d in old if d.kind == "safety"]) <= 2


def test_none_of_ten_thousand_histories_makes_retention_delete_what_somebody_needs() -> None:
    deleting = 0
    for seed in range(10_000):
        history = history_from(random.Random(seed).choice)  # noqa: S311 - histories, no secrets
        deleting += not all(verdict.keep for verdict in history.judge())
        try:
            check(history)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {history}") from error
    assert deleting > 2_000  # the histories are such that something expires


@settings(max_examples=200, deadline=None)
@given(histories())
def test_no_history_that_can_be_thought_of_makes_retention_delete_what_somebody_needs(history: History) -> None:
    check(history)


@settings(max_examples=100, deadline=None)
@given(histories(), st.integers(1, 30))
def test_expiring_again_and_again_never_comes_below_the_newest_verified(history: History, days: int) -> None:
    """Time passes and no new backup succeeds: the newest verified dumps outlive it."""
    verified = [d for d in history.dumps if d.kind == "source" and d.state == "succeeded"]
    for _ in range(days):
        left = [verdict.dump for verdict in history.judge() if verdict.keep]
        history = replace(history, dumps=left, now=history.now + timedelta(days=1))
    assert len([d for d in history.dumps if d in verified]) >= min(history.last, len(verified))
