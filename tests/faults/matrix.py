"""Plays cells in several scenes at once; a scene is one method's, and one with a network where a cell needs it."""

import threading
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue

from tests.faults.building import scene_of
from tests.faults.cell import Cell, Verdict
from tests.faults.playing import follow, play
from tests.faults.scene import Scene

_BROKEN_SCENES = 5  # then something else is wrong
_FEWER_WITH_NETWORK = 2  # its cells are fewer
_ATTEMPTS = 3
_AT_ONCE = 10  # cells mostly wait; with more, two processors are so busy that steps reach their limits

Tell = Callable[[str], None]


@dataclass
class Matrix:
    """All verdicts of one command. `stop` ends it after the cells that are being played."""

    tell: Tell
    logs: Path | None = None
    verdicts: list[Verdict] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    unplayed: int = 0
    _room: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(_AT_ONCE))

    def play(self, cells: Iterable[Cell], *, lanes: int) -> None:
        """lanes: so many scenes for each method at once, on the average: more where there is more to play."""
        queues: defaultdict[tuple[str, bool], Queue[Cell]] = defaultdict(Queue)
        for cell in cells:
            queues[cell.method, cell.needs_network].put(cell)
        threads = [
            threading.Thread(target=self._lane, args=(method, queue), kwargs={"network": network})
            for (method, network), queue in queues.items()
            for _ in range(_share(queue, [queues[key] for key in queues if key[1] == network], lanes, network=network))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        left = sum(queue.qsize() for queue in queues.values())
        self.unplayed += left
        self.tell(f"{left} cells were not played")

    def _lane(self, method: str, queue: "Queue[Cell]", *, network: bool) -> None:
        broken = 0
        while not queue.empty() and not self.stop.is_set() and broken < _BROKEN_SCENES:
            try:
                with scene_of(method, network=network) as scene:
                    self._play_in(scene, queue)
            except Exception:  # noqa: BLE001 - a scene that broke is told, and the next cells get a new one
                broken += 1
                self.tell(f"a scene broke:\n{traceback.format_exc()[-1500:]}")

    def _play_in(self, scene: Scene, queue: "Queue[Cell]") -> None:
        """Until there is nothing to do, or the scene may be spoilt for the next cell."""
        verdict: Verdict | None = None
        while not self.stop.is_set() and (cell := _taken(queue)) is not None:
            verdict = self._one(scene, cell)
            if verdict.failures:
                return
        if verdict is not None:
            follow(scene, verdict)
            if verdict.failures:
                self.tell(str(verdict))

    def _one(self, scene: Scene, cell: Cell) -> Verdict:
        with self._room:
            return self._played(scene, cell)

    def _until_struck(self, scene: Scene, cell: Cell) -> Verdict:
        """The run that ended before its blow was followed by one that succeeded: then the cell is played again."""
        for _ in range(_ATTEMPTS):
            verdict = play(scene, cell)
            if not verdict.ended_before or verdict.failures:
                return verdict
            self.tell(f"{cell}: {verdict.ended_before}: once more")
        verdict.failures.append(verdict.ended_before)
        return verdict

    def _played(self, scene: Scene, cell: Cell) -> Verdict:
        began = time.monotonic()
        try:
            verdict = self._until_struck(scene, cell)
        except Exception:
            self.verdicts.append(Verdict(cell, failures=[f"the scene broke: {traceback.format_exc()[-600:]}"]))
            self.tell(f"{len(self.verdicts)}: {cell}: FAILED")
            raise
        self.verdicts.append(verdict)
        self.tell(f"{len(self.verdicts)}: {verdict} ({time.monotonic() - began:.1f} s)")
        if verdict.failures and self.logs is not None:
            name = f"{cell.method}-{cell.victim}-{cell.instant}-{len(self.verdicts)}.log".replace(" ", "_")
            (self.logs / name).write_text(scene.worker.text)
        return verdict


def _share(queue: "Queue[Cell]", alike: "list[Queue[Cell]]", lanes: int, *, network: bool) -> int:
    """So many scenes for this queue that all of its kind end at about the same time."""
    scenes = len(alike) * (max(1, lanes // _FEWER_WITH_NETWORK) if network else lanes)
    share = scenes * queue.qsize() / sum(each.qsize() for each in alike)
    return min(max(1, round(share)), queue.qsize())


def _taken(queue: "Queue[Cell]") -> Cell | None:
    with suppress(Empty):
        return queue.get_nowait()
    return None
