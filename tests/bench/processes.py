"""What the system knows of processes: their children, processor time and greatest memory. Linux only."""

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_EVERY_S = 0.05
_TICKS = os.sysconf("SC_CLK_TCK")
_GONE = (FileNotFoundError, ProcessLookupError, PermissionError)


def children(pid: int) -> list[int]:
    """Of all its threads; none when it is gone."""
    found: list[int] = []
    with suppress(*_GONE):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(*_GONE):
                found += map(int, (thread / "children").read_text().split())
    return found


def descendants(pid: int) -> list[int]:
    """It and all below it."""
    return [pid, *(below for child in children(pid) for below in descendants(child))]


def cpu_s(pid: int) -> float:
    """Processor time of a server: of its main process, its children that live, and those that have ended."""
    total = _ticks(pid, of_ended=True) + sum(_ticks(child) for child in children(pid))
    return total / _TICKS


def _ticks(pid: int, *, of_ended: bool = False) -> int:
    with suppress(*_GONE):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11 : 15 if of_ended else 13]))
    return 0


def _peak_bytes(pid: int) -> int:
    with suppress(*_GONE):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def _program(pid: int) -> str:
    with suppress(*_GONE):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


@dataclass
class Peaks:
    """VmHWM by program, of processes and all below them; looked at every 50 ms, so that it misses who lives shorter.

    named: what a process is called instead of its program. A child with the program of a process that has a name is
    a copy that is about to become another program, unless it has a name itself.
    """

    roots: list[int] = field(default_factory=list)
    named: Mapping[int, str] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)

    def look(self) -> None:
        for root in self.roots:
            for pid in descendants(root):
                name = self.named.get(pid) or _program(pid)
                if name and (pid in self.named or root not in self.named or name != _program(root)):
                    self.bytes[name] = max(_peak_bytes(pid), self.bytes.get(name, 0))


@contextmanager
def watching(peaks: Peaks) -> Iterator[Peaks]:
    """The peaks of what happens inside; what its processes took before is forgotten where the system can do that."""
    over = threading.Event()
    for root in peaks.roots:
        for pid in descendants(root):
            with suppress(OSError):
                Path(f"/proc/{pid}/clear_refs").write_text("5")

    def look() -> None:
        while not over.wait(_EVERY_S):
            peaks.look()

    watcher = threading.Thread(target=look, name="peaks", daemon=True)
    watcher.start()
    try:
        yield peaks
        peaks.look()
    finally:
        over.set()
        watcher.join()


def wait_for_quiet(pids: list[int], *, at_most_s: float = 3.0) -> None:
    """Returns when these servers have stopped working, as after a checkpoint; what follows is measured alone."""
    give_up = time.monotonic() + at_most_s
    before = [cpu_s(pid) for pid in pids]
    while time.monotonic() < give_up:
        time.sleep(0.1)
        now = [cpu_s(pid) for pid in pids]
        if now == before:
            return
        before = now
