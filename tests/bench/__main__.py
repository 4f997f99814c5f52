"""`make bench`: how long a run takes, beside what a user would take instead, and where its time goes."""

import os
import platform
import shlex
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise

import psycopg2.extensions
import psycopg2.extras

from tests.bench.data import DataSet, data_sets
from tests.bench.figures import Figures, Section
from tests.bench.findings import try_idleness, try_many_tables
from tests.bench.page import write_page
from tests.bench.peers import PEERS
from tests.bench.plan import Plan, read_plan
from tests.bench.playing import Match, Player
from tests.bench.show import summary
from tests.bench.stage import Stage, staged
from tests.bench.steps import profile
from tests.faults.document import commit
from tests.support.majors import binaries_of
from worker.demo.servers import find_postgres

_QUICK = """
Quick: fewer rounds, a tenth of M, no L and no T. What others take over the wire is foretold: their local seconds, and
their round trips, which were counted, times the wire's.
"""


class Stopped(BaseException):
    """By somebody, or because the time is up; words says so."""


def main() -> int:
    """0 when everybody copied; 1 when somebody failed; 130 when it was interrupted."""
    began = time.monotonic()

    def tell(text: str) -> None:
        print(f"[{time.monotonic() - began:6.1f} s] {text}", flush=True)  # noqa: T201 - a program's output

    figures = Figures(absent={peer.name: why for peer in PEERS if (why := peer.missing())})
    plan = read_plan(None, list(figures.absent))
    psycopg2.extensions.set_wait_callback(psycopg2.extras.wait_select)  # a statement of minutes hears Ctrl-C
    _listen(plan)
    status = 0
    try:
        with staged(binaries_of(plan.postgres) if plan.postgres else find_postgres()) as stage:
            _play(plan, stage, figures, tell)
    except Stopped as stopped:
        tell(f"{stopped}: what was not measured is not in the tables; nothing is left behind")
        status = 0 if plan.at_most_s and "time" in str(stopped) else 130
    tell(f"measured, of commit {commit()}\n{_QUICK if plan.quick else ''}{summary(figures)}")
    if plan.page and not status:
        write_page(plan.page, figures)
        tell(f"written: {plan.page}")
    return status or int(bool(figures.failures))


def _play(plan: Plan, stage: Stage, figures: Figures, tell: Callable[[str], None]) -> None:
    player = Player(stage=stage, figures=figures, tell=tell)
    for name, matches in plan.matches.items():
        source = _built(stage, figures, data_sets()[name], tell)
        for match in matches:
            player.play(match, source)
            if plan.profile:
                _profile(match, figures)
        if plan.idle and name == "S":
            tell("a worker and beat without work are watched")
            try_idleness(stage, figures, matches[0].data, source)
        stage.drop(source)
    if plan.tables:
        data = data_sets()["T"]
        figures.sections["T"] = _section(stage, data, 0)
        try_many_tables(stage, figures, data, tell)


def _built(stage: Stage, figures: Figures, data: DataSet, tell: Callable[[str], None]) -> str:
    source = stage.build(data)
    size_bytes = stage.size_bytes(source)
    figures.sections[data.name] = _section(stage, data, size_bytes)
    tell(f"{data.name} is built: {size_bytes / 2**20:.0f} MB")
    return source


def _section(stage: Stage, data: DataSet, size_bytes: int) -> Section:
    words = [word for before, word in pairwise(["", *sys.argv[1:]]) if "--page" not in {before, word}]
    postgres = ".".join(map(str, stage.source.binaries.version))
    return Section(
        data=data.name,
        says=data.says,
        changed=data.changed,
        size_bytes=size_bytes,
        measured_at=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        commit=commit(),
        command=f"python -m tests.bench {shlex.join(words)}" if words else "make bench",
        machine=f"{os.cpu_count()} processors, Python {platform.python_version()}, PostgreSQL {postgres}",
    )


def _profile(match: Match, figures: Figures) -> None:
    for ours in match.ours:
        for case in match.cases:
            runs = figures.of(cell := match.cell(ours.name, case))
            if runs and runs[-1].source_wire and runs[-1].phases:
                print(f"\n{cell.data}, {cell.round_trip_ms} ms, {case}, its last round\n\n{profile(runs[-1])}")  # noqa: T201


def _listen(plan: Plan) -> None:
    """Ctrl-C, SIGTERM and the end of the time all end it in the same way, and once."""
    names = {signal.SIGINT: "interrupted", signal.SIGTERM: "ended", signal.SIGALRM: "its time is up"}

    def stop(number: int, _: object) -> None:
        for name in names:
            signal.signal(name, signal.SIG_IGN)
        raise Stopped(names[signal.Signals(number)])

    for name in names:
        signal.signal(name, stop)
    if plan.at_most_s:
        signal.alarm(plan.at_most_s)


if __name__ == "__main__":
    sys.exit(main())
