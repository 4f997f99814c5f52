"""A cell is played: a run, a blow, the wait for its outcome, and the next run."""

import sqlite3
import time
from contextlib import suppress
from typing import Any

import redis
from celery.result import AsyncResult

from tests.faults.cell import OUTCOME_BOUND_S, Cell, Verdict
from tests.faults.examining import SETTLED_S, Before, examine, nothing_left
from tests.faults.scene import Scene
from tests.faults.striking import EndedBefore, release, send, struck
from tests.faults.victims import PAUSED, VICTIMS

_WAKING_S = 3.0
_POLL_S = 0.1


def play(scene: Scene, cell: Cell) -> Verdict:
    """Never raises for what did not hold.

    Where the struck run did not succeed, the next one does; where it did, that is left to the cell that comes, or to
    `follow` when none does.
    """
    verdict = Verdict(cell)
    scene.tend()
    if not scene.unchanged:
        scene.change_source()
    before = Before(scene.known, len(scene.worker.log.read_bytes()), scene.mark())
    if scene.reader:
        scene.reader.forget()
    try:
        run = _strike(scene, cell, verdict)
        scene.end_helpers()
        _wait_for_redis(scene)
        if run is not None:
            examine(scene, cell, verdict, run, before)
        if cell.victim == "source":
            scene.look_at_source()
    except EndedBefore as error:
        verdict.ended_before = str(error)[:500]
        verdict.demand(scene.look() == before.target, f"{error}; what stands there is not the old content")
    except AssertionError as error:
        verdict.failures.append(str(error)[:500])
    finally:
        scene.end_helpers()
        scene.worker.fault("")
        if scene.reader:
            scene.reader.rest()
    if verdict.outcome == "held":
        scene.let_it_be_overwritten()
    if verdict.outcome != "succeeded":
        follow(scene, verdict)
    return verdict


def follow(scene: Scene, verdict: Verdict) -> None:
    """The next run, which nobody strikes, succeeds with nobody's help; once for each cell."""
    if verdict.followed:
        return
    verdict.followed = True
    try:
        _next_run(scene, verdict)
    except AssertionError as error:
        verdict.failures.append(str(error)[:500])


def _next_run(scene: Scene, verdict: Verdict) -> None:
    scene.tend()
    run = send(scene)
    give_up = time.monotonic() + OUTCOME_BOUND_S
    while (row := scene.journal(run.id)) is None or row["state"] != "ended":
        assert time.monotonic() < give_up, f"the next run has no outcome: {row and (row['state'], row['facts'])}"
        scene.tend()
        time.sleep(_POLL_S)
    verdict.demand(row["outcome"] == "succeeded", f"the next run: {row['outcome']}, {row['error']}")
    scene.known = scene.look()
    differences = scene.is_new(scene.known)
    verdict.demand(not differences, f"after the next run: {differences[:3]}")
    nothing_left(scene, verdict)


def _strike(scene: Scene, cell: Cell, verdict: Verdict) -> AsyncResult | None:
    """The run that was struck, once it has its outcome; None when it has none."""
    with struck(scene, cell) as (run, pid, held):
        began = time.monotonic()
        VICTIMS[cell.victim](scene, pid)
    scene.worker.fault("")
    if held is not None and cell.victim not in PAUSED:
        release(held)
    if cell.victim == "frozen":
        scene.start_another_worker()
    if run is None:
        scene.tend()
        run = scene.run_of_slot()
    ended = _outcome(scene, verdict, run, began)
    if cell.victim in PAUSED:
        if held is not None:
            release(held)
        PAUSED[cell.victim](scene, pid)
        time.sleep(_WAKING_S)  # what the paused writer does now must change nothing
        ended = ended or _outcome(scene, verdict, run, time.monotonic())
    return run if ended else None


def _wait_for_redis(scene: Scene) -> None:
    give_up = time.monotonic() + SETTLED_S
    while True:
        with suppress(redis.RedisError):
            scene.installation.lock()
            return
        assert time.monotonic() < give_up, "Redis did not come back"
        time.sleep(0.2)


def _outcome(scene: Scene, verdict: Verdict, run: AsyncResult, began: float) -> bool:
    """Wait, as a supervisor and beat would, until the journal has an outcome and all is told.

    False: the run has none, which is right only when its message died with the worker before anything was begun.
    """
    told_since: float | None = None
    row = None
    bound_s = OUTCOME_BOUND_S + scene.redis_is_away_s()  # without Redis nobody hears of anything
    while time.monotonic() - began < bound_s:
        scene.tend()
        try:
            row = scene.journal(run.id)
        except sqlite3.OperationalError:  # locked for longer than anybody writes
            if verdict.cell.victim in PAUSED:
                return False
            continue
        if row is not None and row["state"] == "ended":
            if told_since is None:
                told_since, verdict.outcome = time.monotonic(), row["outcome"]
                verdict.to_outcome_s = told_since - began
            if _told(scene, run, row["report"]) or time.monotonic() - told_since > SETTLED_S + scene.redis_is_away_s():
                return True
        if time.monotonic() - began > SETTLED_S and (row is None or _is_locked_by_a_paused_one(scene, verdict, row)):
            return False
        time.sleep(_POLL_S)
    verdict.failures.append(f"no outcome within {bound_s:.0f} s: {row and (row['state'], row['facts'])}")
    return False


def _is_locked_by_a_paused_one(scene: Scene, verdict: Verdict, row: dict[str, Any]) -> bool:
    """A process that is stopped while it writes to the journal keeps everybody out until it wakes."""
    return verdict.cell.victim in PAUSED and row["state"] != "ended" and scene.journal_is_locked()


def _told(scene: Scene, run: AsyncResult, report: dict[str, Any]) -> bool:
    with suppress(Exception):  # Redis may be away
        path = scene.installation.reports_dir / f"{report['stamp']}.json"
        return path.exists() and scene.stored(run) == report and not scene.installation.lock()
    return False
