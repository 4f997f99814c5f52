"""A cell is played: a run, a blow, the wait for its outcome, and the next run."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg2
import redis
from celery.result import AsyncResult
from kombu.exceptions import OperationalError

from tests.faults.cell import OUTCOME_BOUND_S, Cell, Verdict
from tests.faults.examining import SETTLED_S, Before, examine, nothing_left
from tests.faults.instants import PUBLISHING, is_held_by_pg_dump
from tests.faults.scene import Scene
from tests.faults.victims import VICTIMS
from tests.support.installation import ask
from tests.support.workers import gate, wait_until

_REACH_S = 40.0
_WAKING_S = 3.0
_POLL_S = 0.05
_WAITS_FOR_US = (
    "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'railway-neon-sync/%' AND wait_event_type = 'Lock'"
)


def play(scene: Scene, cell: Cell) -> Verdict:
    """Never raises for what did not hold."""
    verdict = Verdict(cell)
    scene.change_source()
    before = Before(scene.installation.fingerprint(), len(scene.worker.log.read_bytes()))
    if scene.reader:
        scene.reader.forget()
    try:
        run = _strike(scene, cell, verdict)
        _wait_for_redis(scene)
        if run is not None:
            examine(scene, cell, verdict, run, before)
        if cell.victim == "source":
            scene.look_at_source()
        _next_run(scene, verdict)
    except AssertionError as error:
        verdict.failures.append(str(error)[:500])
    finally:
        scene.worker.fault("")
    return verdict


def _strike(scene: Scene, cell: Cell, verdict: Verdict) -> AsyncResult | None:
    held = _arm(scene, cell) if cell.after_s is None else None
    run = _send(scene)
    if held is not None:
        pid = _reach(held, cell)
    else:
        time.sleep(cell.after_s or 0.0)
        pid = _working_child(scene)
    with _publishing_held(scene, cell, held):
        began = time.monotonic()
        VICTIMS[cell.victim](scene, pid)
    scene.worker.fault("")
    if held is not None and cell.victim != "paused":
        _release(held)
    ended = _outcome(scene, verdict, run, began)
    if cell.victim == "paused":
        if held is not None:
            _release(held)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
        time.sleep(_WAKING_S)  # what the paused writer does now must change nothing
        ended = ended or _outcome(scene, verdict, run, time.monotonic())
    return run if ended else None


def _send(scene: Scene) -> AsyncResult:
    """Redis may have been killed in the cell before: the client's connection is found dead by the first message."""
    for _ in range(5):
        with suppress(OperationalError, redis.RedisError):
            return scene.client.send()
        time.sleep(0.5)
    raise AssertionError("the run could not be sent")


def _wait_for_redis(scene: Scene) -> None:
    give_up = time.monotonic() + SETTLED_S
    while True:
        with suppress(redis.RedisError):
            scene.installation.lock()
            return
        assert time.monotonic() < give_up, "Redis did not come back"
        time.sleep(0.2)


@contextmanager
def _publishing_held(scene: Scene, cell: Cell, held: Path | None) -> Iterator[None]:
    """For an instant inside the publishing transaction: its server process waits for a lock of ours while inside."""
    if cell.instant not in PUBLISHING or held is None:
        yield
        return
    server, name = scene.installation.target_server, scene.installation.target_name
    beside = [
        row[0] for row in ask(server.dsn(), f"SELECT datname FROM pg_database WHERE datname ~ '^{name}__incoming'")
    ]
    statement = PUBLISHING[cell.instant][cell.method].format(target=name, incoming=(beside or [""])[0])
    with closing(psycopg2.connect(server.dsn())) as connection, connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = '5s'; {statement}")
        _release(held)
        wait_until(lambda: ask(server.dsn(), _WAITS_FOR_US), f"the run to come to {cell.instant}", timeout_s=10)
        yield
        with suppress(psycopg2.Error):  # the server may be the victim
            connection.rollback()


def _arm(scene: Scene, cell: Cell) -> Path:
    home = scene.installation.home
    if is_held_by_pg_dump(cell.instant):
        held = home / f"{cell.instant}.hold"
        held.with_name(f"{held.name}.reached").unlink(missing_ok=True)
        held.touch()
        return held
    point = "publish.before" if cell.instant in PUBLISHING else cell.instant
    held = gate(scene.installation, point)
    scene.worker.fault(f"{point}=wait:{held}")
    return held


def _reach(held: Path, cell: Cell) -> int:
    """The process that stands at the instant: the worker's child, or pg_dump's group for its own instants."""
    reached = held.with_name(f"{held.name}.reached")
    give_up = time.monotonic() + _REACH_S
    while not (reached.exists() and reached.read_text().strip()):
        assert time.monotonic() < give_up, f"the run never came to {cell.instant}"
        time.sleep(0.01)
    pid = int(reached.read_text())
    return _parent(pid) if is_held_by_pg_dump(cell.instant) else pid


def _release(held: Path) -> None:
    if held.suffix == ".hold":
        held.unlink(missing_ok=True)
    else:
        held.touch()


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _working_child(scene: Scene) -> int:
    """The pool process that has worked most, which is likely the one that works."""
    main = scene.worker.pid
    children = [int(word) for word in Path(f"/proc/{main}/task/{main}/children").read_text().split()]
    return max(children, key=_cpu_ticks, default=main)


def _cpu_ticks(pid: int) -> int:
    with suppress(OSError):
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(words[11]) + int(words[12])
    return 0


def _outcome(scene: Scene, verdict: Verdict, run: AsyncResult, began: float) -> bool:
    """Wait, as a supervisor and beat would, until the journal has an outcome and all is told.

    False: the run has none, which is right only when its message died with the worker before anything was begun.
    """
    told_since: float | None = None
    row = None
    while time.monotonic() - began < OUTCOME_BOUND_S:
        scene.tend()
        row = scene.journal(run.id)
        if row is not None and row["state"] == "ended":
            if told_since is None:
                told_since, verdict.outcome = time.monotonic(), row["outcome"]
                verdict.to_outcome_s = told_since - began
            if _told(scene, run, row["report"]) or time.monotonic() - told_since > SETTLED_S:
                return True
        if time.monotonic() - began > SETTLED_S and (row is None or _is_locked_by_a_paused_one(verdict, row)):
            return False
        time.sleep(_POLL_S)
    verdict.failures.append(f"no outcome within {OUTCOME_BOUND_S:g} s: {row and (row['state'], row['facts'])}")
    return False


def _is_locked_by_a_paused_one(verdict: Verdict, row: dict[str, Any]) -> bool:
    """A process that is stopped while it writes to the journal keeps everybody out until it wakes."""
    return verdict.cell.victim == "paused" and verdict.cell.after_s is not None and row["state"] != "ended"


def _told(scene: Scene, run: AsyncResult, report: dict[str, Any]) -> bool:
    with suppress(Exception):  # Redis may be away
        path = scene.installation.reports_dir / f"{report['stamp']}.json"
        return path.exists() and scene.stored(run) == report and not scene.installation.lock()
    return False


def _next_run(scene: Scene, verdict: Verdict) -> None:
    scene.tend()
    run = _send(scene)
    give_up = time.monotonic() + OUTCOME_BOUND_S
    while (row := scene.journal(run.id)) is None or row["state"] != "ended":
        assert time.monotonic() < give_up, "the next run has no outcome"
        scene.tend()
        time.sleep(_POLL_S)
    verdict.demand(row["outcome"] == "succeeded", f"the next run: {row['outcome']}, {row['error']}")
    differences = scene.is_new()
    verdict.demand(not differences, f"after the next run: {differences[:3]}")
    nothing_left(scene, verdict)
