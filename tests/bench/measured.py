"""One contestant's one run, in figures."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.counting import Count
from tests.bench.processes import Peaks, cpu_s, wait_for_quiet, watching
from tests.bench.stage import Route


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A part of a run; began, ended: seconds of the system's monotonic clock."""

    name: str
    began: float
    ended: float

    @property
    def seconds(self) -> float:
        return self.ended - self.began


@dataclass(kw_only=True)
class Measured:
    """seconds: from asking for it to its end; source_cpu_s, target_cpu_s: processor time of the servers;
    source_wire, target_wire: None where no proxy stood between; peak_bytes: by program;
    disk_bytes: what it leaves on the disk of the machine that it runs on; report_steps: seconds, as ours tells them."""

    seconds: float = 0.0
    source_cpu_s: float = 0.0
    target_cpu_s: float = 0.0
    source_wire: Count | None = None
    target_wire: Count | None = None
    peak_bytes: dict[str, int] = field(default_factory=dict)
    disk_bytes: int = 0
    phases: list[Phase] = field(default_factory=list)
    report_steps: dict[str, float] = field(default_factory=dict)


@contextmanager
def measuring(route: Route, peaks: Peaks, folder: Path) -> Iterator[Measured]:
    """Measure what happens inside; folder: where its files lie."""
    servers = [route.source_pid, route.target_pid]
    wait_for_quiet(servers)
    measured = Measured()
    route.take()
    source, target = map(cpu_s, servers)
    with watching(peaks):
        began = time.monotonic()
        yield measured
        measured.seconds = time.monotonic() - began
    measured.source_cpu_s, measured.target_cpu_s = cpu_s(servers[0]) - source, cpu_s(servers[1]) - target
    measured.source_wire, measured.target_wire = route.take()
    measured.peak_bytes = dict(peaks.bytes)
    measured.disk_bytes = size_of(folder)


def size_of(folder: Path) -> int:
    """Bytes of all files in it."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
