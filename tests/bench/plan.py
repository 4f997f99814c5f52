"""What a command plays: which data over which wires, by whom, how often."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.data import DataSet, data_sets
from tests.bench.figures import CASES
from tests.bench.ours import ENGINE, WORKER
from tests.bench.peers import PEERS
from tests.bench.playing import Match
from tests.support.majors import MAJORS

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
_OURS = (WORKER, ENGINE)
_NAMES = [each.name for each in (*_OURS, *PEERS)]
_LONG_WIRE = ("S", "W")  # of the others the bytes are what matters, not the round trips
_QUICK_S = 108  # and a few seconds to end everything
_ROUNDS = 5


@dataclass(frozen=True, kw_only=True)
class Plan:
    """matches: of each data set, in this order; tables: also the trial of T; idle: also the look at what happens
    between runs; at_most_s: then it is cut; page: written when it ends; postgres: the major, else what is there."""

    matches: dict[str, list[Match]]
    tables: bool
    idle: bool
    at_most_s: int | None
    quick: bool
    page: Path | None
    profile: bool
    postgres: int | None


def read_plan(words: Sequence[str] | None, absent: Sequence[str]) -> Plan:
    """From a command line; absent: peers that cannot take part."""
    options = _parser().parse_args(words)
    quick = options.quick
    data = options.data or (["S", "W", "M/10"] if quick else ["S", "W", "M", "L", "T"])
    every = data_sets()
    matches = {name: _matches(options, every[name], absent) for name in data if name != "T"}
    chosen = (quick, options.only, options.cases, options.profile, options.rounds, options.wire is not None)
    page = options.page or (None if any(chosen) else PAGE)
    return Plan(
        matches=matches,
        tables="T" in data,
        idle="S" in data and not quick and not options.only,
        at_most_s=_QUICK_S if quick else None,
        quick=quick,
        page=page,
        profile=options.profile,
        postgres=options.postgres,
    )


def _matches(options: argparse.Namespace, data: DataSet, absent: Sequence[str]) -> list[Match]:
    quick, chosen = options.quick, options.only
    wires = options.wire if options.wire is not None else _wires_of(data, quick=quick)
    matches = []
    for ms in wires:
        names = chosen or _contestants(data, quick=quick, ms=ms)
        matches.append(
            Match(
                data=data,
                round_trip_s=ms / 1000,
                ours=[each for each in _OURS if each.name in names],
                peers=[each for each in PEERS if each.name in names and each.name not in absent],
                rounds=options.rounds or ((1 if ms else 3) if quick else _ROUNDS),
                cases=options.cases or (("first", "part") if quick and ms else CASES),
                count=not (quick or options.profile),
                foretell=quick and ms > 0,
            )
        )
    return matches


def _wires_of(data: DataSet, *, quick: bool) -> list[int]:
    if data.name in _LONG_WIRE:
        return [80] if quick else [0, 80]
    return [0]


def _contestants(data: DataSet, *, quick: bool, ms: int) -> list[str]:
    if quick:
        return ["engine", "psql"] if ms else ["worker", "engine", "psql", "restore", "baseline"]
    if data.name == "L":  # minutes each: its growth and its memory are what matters
        return ["worker", "psql", "restore"]
    return _NAMES


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Times a run beside what a user would take instead, and tells where its time goes. With nothing "
        "chosen it takes more than an hour and writes docs/performance.md.",
    )
    parser.add_argument("--quick", action="store_true", help="two minutes: S, W, a tenth of M; nothing is written")
    parser.add_argument("--data", type=_names(list(data_sets())), metavar="S,W", help="of S, W, M, L, T, M/10")
    parser.add_argument("--only", type=_names(_NAMES), metavar="NAME,NAME", help=f"of {', '.join(_NAMES)}")
    parser.add_argument("--cases", type=_names(CASES), metavar="CASE,CASE", help=f"of {', '.join(CASES)}: ours only")
    parser.add_argument("--wire", type=_numbers, metavar="MS,MS", help="round trips; 0 is local")
    parser.add_argument("--rounds", type=int, metavar="N", help=f"{_ROUNDS} when not given")
    parser.add_argument(
        "--postgres", type=int, choices=MAJORS, help="servers and all programs of this major, fetched if need be"
    )
    parser.add_argument("--profile", action="store_true", help="each step's round trips, and the costliest statements")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write it, whatever was chosen")
    return parser


def _names(known: Sequence[str]) -> Callable[[str], list[str]]:
    def read(text: str) -> list[str]:
        found = text.split(",")
        if strange := [name for name in found if name not in known]:
            raise argparse.ArgumentTypeError(f"{', '.join(strange)} is none of {', '.join(known)}")
        return found

    return read


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]
