"""What must hold after a run was struck: asked of the servers, the files and the processes."""

import json
import time
from dataclasses import dataclass
from typing import Any

from celery.result import AsyncResult

from tests.faults.cell import READER_BOUND_S, Cell, Verdict
from tests.faults.scene import Scene
from tests.faults.victims import NO_READER
from tests.support.oracle import Snapshot

SETTLED_S = 12.0
_TRUE_FAILURES = {"failed", "rolled_back"}


@dataclass(frozen=True)
class Before:
    target: Snapshot
    log_bytes: int


def examine(scene: Scene, cell: Cell, verdict: Verdict, run: AsyncResult, before: Before) -> None:
    row = scene.journal(run.id)
    assert row is not None
    _content(scene, verdict, row["outcome"], before)
    _same_everywhere(scene, verdict, run, row, before)
    nothing_left(scene, verdict)
    if cell.victim == "beat":
        emitted = scene.runs_of_timetable()
        verdict.demand(emitted == scene.slots, f"beat brought about {emitted} runs for {scene.slots} slots")
    if scene.reader and cell.victim not in NO_READER and "network" not in cell.victim:
        verdict.reader_gap_s = scene.reader.longest_gap_s
        verdict.demand(
            scene.reader.longest_gap_s <= READER_BOUND_S, f"a reader waited {scene.reader.longest_gap_s:.2f} s"
        )
        verdict.demand(not scene.reader.saw_no_tables, "a reader saw a database without tables")


def _content(scene: Scene, verdict: Verdict, outcome: str, before: Before) -> None:
    scene.known = found = scene.look()
    is_old = found == before.target
    differences = [] if is_old else scene.is_new(found)
    if differences and verdict.cell.victim == "source":  # its crash, which moves sequences on, came before the dump
        scene.look_at_source()
        differences = scene.is_new(found)
    verdict.demand(is_old or not differences, f"neither old nor new: {differences[:3]}")
    verdict.demand(outcome == "succeeded" or outcome in _TRUE_FAILURES, f"the outcome is {outcome}")
    held = "old" if is_old else "new"
    verdict.demand((outcome == "succeeded") == (not is_old), f"untrue: {outcome}, but the content is {held}")


def _same_everywhere(scene: Scene, verdict: Verdict, run: AsyncResult, row: dict[str, Any], before: Before) -> None:
    report = row["report"]
    path = scene.installation.reports_dir / f"{row['stamp']}.json"
    verdict.demand(path.exists() and json.loads(path.read_text()) == report, "the report file is not the journal's")
    verdict.demand(scene.stored(run) == report, f"the result backend says {str(run.result)[:200]}")
    verdict.demand(report["outcome"] == row["outcome"], "the report's outcome is not the journal's")
    text = scene.worker.log.read_bytes()[before.log_bytes :].decode(errors="replace")
    lines = [line for line in text.splitlines() if run.id in line]
    completed = any("completed in" in line for line in lines)
    failed = any("❌ Unified DB → Railway Backup failed:" in line for line in lines)
    succeeded = row["outcome"] == "succeeded"
    verdict.demand(
        (completed, failed) == (succeeded, not succeeded), f"the log: completed {completed}, failed {failed}"
    )
    verdict.demand(any("report {" in line for line in lines), "the report is not in the log")


def nothing_left(scene: Scene, verdict: Verdict) -> None:
    give_up = time.monotonic() + SETTLED_S
    while left := [*scene.installation.leftovers(), *scene.strays()]:
        if time.monotonic() > give_up:
            verdict.failures.append(f"left behind: {left}")
            return
        scene.tend()
        time.sleep(0.2)
