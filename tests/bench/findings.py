"""What is tried out and is no time: 20,000 tables are copied or refused, and between runs the source is left alone."""

import re
import time
from collections.abc import Callable

from tests.bench.data import DataSet
from tests.bench.figures import CASES, Cell, Figures, Finding
from tests.bench.ours import ENGINE, RunFailed, installed
from tests.bench.stage import Stage
from tests.support.workers import beating, client_of, working

_MANY_LOCKS = 1024  # for each transaction; times a hundred connections
_USUAL_LOCKS = 64
_MOST_MEMORY_BYTES = 150 * 2**20
_IDLE_S = 130.0  # two of everything that happens every minute


def try_many_tables(stage: Stage, figures: Figures, data: DataSet, tell: Callable[[str], None]) -> None:
    """The source's server starts again with other settings, twice."""
    stage.set_locks(_MANY_LOCKS)
    source = stage.build(data)
    tell(f"{data.name} is built: {stage.size_bytes(source) / 2**20:.0f} MB")
    cell = Cell(data=data.name, round_trip_ms=0, contestant=ENGINE.name, case=CASES[0])
    try:
        with ENGINE.ready(stage, stage.direct(), source, RESTORE_METHOD="swap") as run:
            figures.keep(cell, 0, run())
        most = max(figures.peaks(cell).values())
        words = f"runs, {figures.of(cell)[0].seconds:.0f} s, {most / 2**20:.0f} MB"
        finding = Finding(name="T swap", data=data.name, words=words, holds=most <= _MOST_MEMORY_BYTES)
    except RunFailed as error:
        finding = Finding(name="T swap", data=data.name, words=f"fails: {error}"[:200], holds=False)
    figures.findings[finding.name] = finding
    tell(f"{finding.name}: {finding.words}")
    tell(_refused(stage, figures, "T in_place", source, RESTORE_METHOD="in_place"))
    stage.set_locks(_USUAL_LOCKS)
    tell(_refused(stage, figures, "T defaults", source, RESTORE_METHOD="swap"))


def _refused(stage: Stage, figures: Figures, name: str, source: str, **settings: str) -> str:
    """What became of it; a refusal must name the setting and a figure."""
    try:
        with ENGINE.ready(stage, stage.direct(), source, **settings) as run:
            run()
        words, holds = f"{name}: it ran", False
    except RunFailed as error:
        figure = re.search(r"max_locks_per_transaction\D{0,40}\d+|\d+\D{0,60}max_locks_per_transaction", str(error))
        words, holds = f"{name}: {'refused' if figure else 'fails'}: {_short(error)}", figure is not None
    figures.findings[name] = Finding(name=name, data="T", words=words, holds=holds)
    return words


def _short(error: RunFailed) -> str:
    text = " ".join(str(error).partition(": ")[2].split()).replace("|", "\\|")
    return text if len(text) < 200 else f"{text[:200]}…"


def try_idleness(stage: Stage, figures: Figures, data: DataSet, source: str) -> None:
    """A worker and beat with nothing to do, after a run, for two minutes; wires count."""
    with (
        stage.over(0.0) as route,
        installed(stage, route, source) as installation,
        working(installation),
        client_of(installation) as client,
        beating(installation),
    ):
        client.run()
        of_the_run, _ = route.take()
        time.sleep(_IDLE_S)
        count, _ = route.take()
    assert count is not None
    assert of_the_run is not None
    assert of_the_run.connections, "the wire does not count"
    words = f"{count.connections} connections, {count.bytes} bytes in {_IDLE_S:g} s"
    holds = not count.connections and not count.bytes
    figures.findings["idle"] = Finding(name="idle", data=data.name, words=words, holds=holds)
