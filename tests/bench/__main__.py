"""`make bench`: how long a run takes, beside what a user would take instead, and where its time goes."""

import argparse
import signal
import sys
import time
from collections.abc import Callable, Sequence

from tests.bench.data import data_sets
from tests.bench.figures import Figures
from tests.bench.ours import ENGINE, WORKER
from tests.bench.peers import PEERS
from tests.bench.playing import CASES, Match, Player
from tests.bench.show import summary
from tests.bench.stage import staged
from tests.bench.steps import profile
from worker.demo.servers import find_postgres


def main() -> int:
    options = _options()
    began = time.monotonic()

    def tell(text: str) -> None:
        print(f"[{time.monotonic() - began:6.1f} s] {text}", flush=True)  # noqa: T201 - a program's output

    signal.signal(signal.SIGTERM, _interrupt)
    figures = Figures()
    try:
        _play(options, figures, tell)
    except KeyboardInterrupt:
        tell("interrupted; nothing is left behind")
        return 130
    print(summary(figures))  # noqa: T201
    return 0


def _play(options: argparse.Namespace, figures: Figures, tell: Callable[[str], None]) -> None:
    every = data_sets()
    only = set(options.only)
    figures.absent = {peer.name: why for peer in PEERS if (why := peer.missing())}
    with staged(find_postgres()) as stage:
        player = Player(stage=stage, figures=figures, tell=tell)
        for name in options.data:
            data = every[name]
            source = stage.build(data)
            figures.sizes_bytes[name] = stage.size_bytes(source)
            tell(f"{name} is built: {figures.sizes_bytes[name] / 2**20:.0f} MB")
            for wire in options.wire:
                match = Match(
                    data=data,
                    round_trip_s=wire / 1000,
                    ours=[each for each in (WORKER, ENGINE) if not only or each.name in only],
                    peers=[
                        each for each in PEERS if (not only or each.name in only) and each.name not in figures.absent
                    ],
                    rounds=options.rounds,
                    cases=options.cases,
                    count=not options.profile,
                )
                player.play(match, source)
                if options.profile:
                    _profile(match, figures)


def _profile(match: Match, figures: Figures) -> None:
    for case in match.cases:
        runs = figures.runs(match.cell(ENGINE.name, case))
        if runs and runs[-1].source_wire:
            print(f"\n{match.data.name}, {match.round_trip_ms} ms, {case}, the engine, last round:\n")  # noqa: T201
            print(profile(runs[-1]))  # noqa: T201


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    names = [each.name for each in (WORKER, ENGINE, *PEERS)]
    parser.add_argument("--data", type=_names(list(data_sets())), default=["S", "W", "M"], help="joined by commas")
    parser.add_argument("--only", type=_names(names), default=[], help=f"contestants: {', '.join(names)}")
    parser.add_argument("--cases", type=_names(CASES), default=list(CASES), help=f"of ours: {', '.join(CASES)}")
    parser.add_argument("--wire", type=_wires, default=[0, 80], help="round trips in ms, joined by commas; 0 is local")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--profile", action="store_true", help="where the engine's time goes, step by step")
    return parser.parse_args()


def _names(known: Sequence[str]) -> Callable[[str], list[str]]:
    def read(text: str) -> list[str]:
        found = text.split(",")
        if strange := [name for name in found if name not in known]:
            raise argparse.ArgumentTypeError(f"{', '.join(strange)} is none of {', '.join(known)}")
        return found

    return read


def _wires(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
