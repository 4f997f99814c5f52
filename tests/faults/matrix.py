"""Plays cells in several scenes at once; a scene is one method's, and one with a network where a cell needs it."""

import subprocess
import threading
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue

from tests.faults.building import scene_of
from tests.faults.cell import Cell, Verdict
from tests.faults.playing import play
from tests.faults.scene import Scene

_BROKEN_SCENES = 5  # then something else is wrong
_FEWER_WITH_NETWORK = 2  # its cells are fewer

Tell = Callable[[str], None]


@dataclass
class Matrix:
    """All verdicts of one command. `stop` ends it after the cells that are being played."""

    tell: Tell
    logs: Path | None = None
    verdicts: list[Verdict] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    unplayed: int = 0

    def play(self, rounds: Iterable[Sequence[Cell]], *, lanes: int) -> None:
        """Each round: blow after blow, then a run that must succeed. lanes: so many scenes for each method at once."""
        queues: defaultdict[tuple[str, bool], Queue[Sequence[Cell]]] = defaultdict(Queue)
        for cells in rounds:
            queues[cells[0].method, cells[0].needs_network].put(cells)
        threads = [
            threading.Thread(target=self._lane, args=(method, queue), kwargs={"network": network})
            for (method, network), queue in queues.items()
            for _ in range(min(max(1, lanes // _FEWER_WITH_NETWORK) if network else lanes, queue.qsize()))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        left = sum(len(cells) for queue in queues.values() for cells in queue.queue)
        self.unplayed += left
        self.tell(f"{left} cells were not played")

    def _lane(self, method: str, queue: "Queue[Sequence[Cell]]", *, network: bool) -> None:
        broken = 0
        while not queue.empty() and not self.stop.is_set() and broken < _BROKEN_SCENES:
            try:
                with scene_of(method, network=network) as scene:
                    while self._round(scene, queue):
                        pass
            except Exception:  # noqa: BLE001 - a scene that broke is told, and the next cells get a new one
                broken += 1
                self.tell(f"a scene broke:\n{traceback.format_exc()[-1500:]}")

    def _round(self, scene: Scene, queue: "Queue[Sequence[Cell]]") -> bool:
        """False when the scene is to be left: nothing to do, or it may be spoilt for the next cell."""
        try:
            cells = queue.get_nowait()
        except Empty:
            return False
        for number, cell in enumerate(cells, 1):
            if not self._one(scene, cell, followed=number == len(cells)):
                if cells[number:]:
                    queue.put(cells[number:])
                return False
        return not self.stop.is_set()

    def _one(self, scene: Scene, cell: Cell, *, followed: bool) -> bool:
        """One cell; did it hold?"""
        began = time.monotonic()
        try:
            verdict = play(scene, cell, followed=followed)
        except Exception:
            self.verdicts.append(Verdict(cell, failures=[f"the scene broke: {traceback.format_exc()[-600:]}"]))
            self.tell(f"{len(self.verdicts)}: {cell}: FAILED")
            raise
        self.verdicts.append(verdict)
        self.tell(f"{len(self.verdicts)}: {verdict} ({time.monotonic() - began:.1f} s)")
        if verdict.failures and self.logs is not None:
            name = f"{cell.method}-{cell.victim}-{cell.instant}-{len(self.verdicts)}.log".replace(" ", "_")
            (self.logs / name).write_text(scene.worker.text)
        return not verdict.failures


def commit() -> str:
    """The commit that was measured."""
    return subprocess.run(
        ["git", "rev-parse", "--short=10", "HEAD"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent,
    ).stdout.strip()
