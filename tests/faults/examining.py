"""What must hold after a run was struck: asked of the servers, the files and the processes."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from celery.result import AsyncResult

from tests.faults.cell import READER_BOUND_S, Cell, Verdict
from tests.faults.instants import UNCHANGED, rolls_back
from tests.faults.scene import Scene
from tests.faults.striking import WRITTEN
from tests.faults.victims import NO_READER
from tests.support.installation import ask
from tests.support.oracle import Snapshot

SETTLED_S = 12.0
_TRUE_FAILURES = {"failed", "rolled_back"}


@dataclass(frozen=True)
class Before:
    target: Snapshot
    log_bytes: int
    mark: Mapping[str, Any]  # the target's comment


def examine(scene: Scene, cell: Cell, verdict: Verdict, run: AsyncResult, before: Before) -> None:
    row = scene.journal(run.id)
    assert row is not None
    if scene.unchanged:
        _stayed(scene, verdict, row, before)
    elif scene.changed_tables and rolls_back(cell.instant):
        _stands(scene, verdict, row, before)
    else:
        _content(scene, verdict, row["outcome"], before)
    _same_everywhere(scene, verdict, run, row, before)
    nothing_left(scene, verdict)
    if cell.victim == "beat":
        emitted = scene.runs_of_timetable()
        verdict.demand(emitted == scene.slots, f"beat brought about runs for {emitted}, not for {scene.slots}")
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


def _stayed(scene: Scene, verdict: Verdict, row: Mapping[str, Any], before: Before) -> None:
    """Of a run that had nothing to load: the content is as it was, or as somebody wrote it, and the mark is true."""
    scene.known = found = scene.look()
    outcome, mark, way = row["outcome"], scene.mark(), row["report"].get("way")
    if verdict.cell.victim == "source":  # whose crash moves sequences on, so that something has changed
        scene.look_at_source()
        differences = scene.is_new(found) if found != before.target else []
        verdict.demand(not differences, f"neither old nor new: {differences[:3]}")
        return
    verdict.demand(way in {None, UNCHANGED}, f"the way is {way}: {row['report'].get('way_reason')}")
    renewed = {**before.mark, "run_id": row["run_id"], "snapshot_at": mark.get("snapshot_at")}
    expected = renewed if outcome == "succeeded" else before.mark
    verdict.demand(mark == expected, f"the mark of a run that {outcome}: {mark}, expected {expected}")
    if rolls_back(verdict.cell.instant):
        rows = ask(scene.installation.target, WRITTEN)
        verdict.demand((outcome, rows) == ("held", [(1,)]), f"after somebody's write: {outcome}, {rows}")
    else:
        verdict.demand(found == before.target, "what stands there is not what stood there")
        verdict.demand(outcome == "succeeded" or outcome in _TRUE_FAILURES, f"the outcome is {outcome}")


def _stands(scene: Scene, verdict: Verdict, row: Mapping[str, Any], before: Before) -> None:
    """Of a run that wrote only what differs, when somebody wrote right after it: both stand, under the old mark."""
    scene.known = scene.look()
    rows = ask(scene.installation.target, WRITTEN)
    verdict.demand((row["outcome"], rows) == ("held", [(1,)]), f"after somebody's write: {row['outcome']}, {rows}")
    verdict.demand(scene.mark() == before.mark, f"the mark: {scene.mark()}, expected {before.mark}")


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
    expected = (row["outcome"] == "succeeded", row["outcome"] not in {"succeeded", "held"})
    verdict.demand((completed, failed) == expected, f"the log: completed {completed}, failed {failed}")
    verdict.demand(any("report {" in line for line in lines), "the report is not in the log")


def nothing_left(scene: Scene, verdict: Verdict) -> None:
    give_up = time.monotonic() + SETTLED_S
    while left := [*scene.installation.leftovers(), *scene.strays()]:
        if time.monotonic() > give_up:
            verdict.failures.append(f"left behind: {left}")
            return
        scene.tend()
        time.sleep(0.2)
