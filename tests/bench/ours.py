"""This project as a contestant: whole, through a real Celery worker, and its engine alone."""

import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from tests.bench.measured import Measured, Phase, measuring
from tests.bench.processes import Peaks, children
from tests.bench.stage import Route, Stage
from tests.support.installation import Installation
from tests.support.workers import client_of, working

# Limits are for things that hang; what is slow here is to be measured, not cut off.
_LIMITS = {f"{step}_TIMEOUT_S": "7200" for step in ("DUMP", "SAFETY", "RESTORE", "VERIFY")}
_LONGEST_RUN_S = 4 * 7200.0
_valkey_numbers = itertools.cycle(range(1, 16))

Run = Callable[[], Measured]


class RunFailed(RuntimeError):
    """A run of ours that did not succeed; its error says why."""


@dataclass(frozen=True)
class Ours:
    """through_worker: the whole; else the engine in a process of its own, as `run --here` works."""

    name: str
    says: str
    through_worker: bool

    @contextmanager
    def ready(self, stage: Stage, route: Route, source: str, **settings: str) -> Iterator[Run]:
        """In an installation that has made no run yet: the first run, and those that follow it."""
        way = _through_worker if self.through_worker else _engine_alone
        with (
            installed(stage, route, source, **settings) as installation,
            way(installation) as (run, peaks),
        ):
            yield lambda: _measured(route, installation, run, peaks())


@contextmanager
def installed(stage: Stage, route: Route, source: str, **settings: str) -> Iterator[Installation]:
    """With an empty target, and a Valkey database and folder of its own."""
    with stage.empty_target() as target, stage.folder() as home:
        number = next(_valkey_numbers)
        with redis.Redis(port=stage.valkey.port, db=number) as client:
            client.flushdb()
        yield Installation(
            source_server=route.source,
            target_server=route.target,
            valkey=stage.valkey,
            valkey_number=number,
            source_name=source,
            target_name=target,
            home=home,
            extra={**_LIMITS, "PG_BIN_DIR": str(stage.source.binaries.bin_dir), **settings},
        )


WORKER = Ours("worker", "our whole run, through a Celery worker", through_worker=True)
ENGINE = Ours("engine", "our engine alone", through_worker=False)


def _measured(route: Route, installation: Installation, run: Callable[[], dict[str, Any]], peaks: Peaks) -> Measured:
    with measuring(route, peaks, installation.backup_dir) as measured:
        answer = run()
    report = answer["report"]
    if not report["success"]:
        raise RunFailed(f"the run ended as {report['outcome']}: {report['error']}")
    measured.phases = [Phase(**phase) for phase in answer.get("phases", ())]
    measured.report_steps = {step["name"]: step["seconds"] for step in report["steps"]}
    return measured


@contextmanager
def _through_worker(installation: Installation) -> Iterator[tuple[Callable[[], dict[str, Any]], Callable[[], Peaks]]]:
    with working(installation) as worker, client_of(installation) as client:

        def peaks() -> Peaks:
            named = {worker.pid: "worker", **dict.fromkeys(children(worker.pid), "worker's child")}
            return Peaks(roots=[worker.pid], named=named)

        yield lambda: {"report": client.report(client.send(), _LONGEST_RUN_S)}, peaks


@contextmanager
def _engine_alone(installation: Installation) -> Iterator[tuple[Callable[[], dict[str, Any]], Callable[[], Peaks]]]:
    with (installation.home / "engine.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.alone"],
            env=installation.environment,
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    asks, answers = process.stdin, process.stdout

    def run() -> dict[str, Any]:
        asks.write("run\n")
        asks.flush()
        return _answer(answers.readline(), log=Path(log.name))

    with process:  # it ends when nobody asks any more
        try:
            _answer(answers.readline(), log=Path(log.name))
            yield run, lambda: Peaks(roots=[process.pid], named={process.pid: "engine"})
        except BaseException:
            process.kill()
            raise


def _answer(line: str, *, log: Path) -> dict[str, Any]:
    if not line:
        raise RunFailed(f"the engine's process has ended:\n{log.read_text()[-2000:]}")
    found: dict[str, Any] = json.loads(line)
    return found
