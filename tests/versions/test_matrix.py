"""Every pair of majors, source no newer than target: the figure in docs/reliability.md."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from tests.faults.figures import RecordFigure
from tests.support.majors import MAJORS, binaries_of
from tests.versions.pair import Pair, Verdict, every_pair
from tests.versions.playing import open_stage, play

_LANES = 2


@pytest.mark.figures
@pytest.mark.long
@pytest.mark.timeout(1800)
def test_every_pair_of_majors_is_copied_rolled_back_and_copied_again(record_figure: RecordFigure) -> None:
    for major in MAJORS:
        binaries_of(major)
    lanes = in_lanes(every_pair(), lanes=_LANES)
    with ProcessPoolExecutor(_LANES, mp_context=get_context("spawn")) as pool:
        verdicts = [verdict for some in pool.map(play_all, lanes) for verdict in some]
    record_figure(
        section="Versions",
        what="runs, rollbacks and second runs over every pair of PostgreSQL majors",
        held=sum(not verdict.failures for verdict in verdicts),
        of=len(verdicts),
        columns=("source", *(f"target {major}" for major in MAJORS)),
        rows=[
            (source, *(_of(each for each in verdicts if (each.pair.source, each.pair.target) == (source, target))
                       for target in MAJORS))
            for source in MAJORS
        ],
    )  # fmt: skip
    assert [str(verdict) for verdict in verdicts if verdict.failures] == []


def in_lanes(pairs: Sequence[Pair], *, lanes: int) -> list[list[Pair]]:
    """Shared out by target, since what a run leaves is looked for on the whole server; about evenly."""
    by_target: defaultdict[int, list[Pair]] = defaultdict(list)
    for pair in pairs:
        by_target[pair.target].append(pair)
    shares: list[list[Pair]] = [[] for _ in range(lanes)]
    for some in sorted(by_target.values(), key=len, reverse=True):
        min(shares, key=len).extend(some)
    return shares


def play_all(pairs: Sequence[Pair]) -> list[Verdict]:
    """One lane, in a process of its own: fault points are set for a whole process."""
    verdicts: list[Verdict] = []
    with open_stage() as stage:
        for pair in pairs:
            verdicts.append(play(stage, pair))
            print(verdicts[-1], flush=True)  # noqa: T201 - minutes without a word look like a hang
    return verdicts


def _of(verdicts: Iterable[Verdict]) -> str:
    held = [not verdict.failures for verdict in verdicts]
    return f"{sum(held)}/{len(held)}" if held else ""
