"""Real `celery worker` and `celery beat` processes of an installation, and a client that talks to them."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from celery import Celery
from celery.result import AsyncResult

from config.celery import QUEUE
from tasks.failures import BackupFailed
from tests.support.installation import Installation
from tests.support.nursery import Nursery

_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 20.0
_RUN_TIMEOUT_S = 90.0
_POLL_S = 0.03


def wait_until(condition: Callable[[], Any], what: str, timeout_s: float = _RUN_TIMEOUT_S) -> Any:
    """The condition's first true value; AssertionError that names what was waited for."""
    give_up = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < give_up, f"waited {timeout_s:g} s for {what}"
        time.sleep(_POLL_S)
    return value


class Spawned(Protocol):
    """What is asked of a Popen here."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float) -> int: ...


@dataclass
class Process:
    """A program of an installation in a process group of its own, and its log file."""

    installation: Installation
    command: list[str]
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    _process: Spawned | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, "it is not running"
        return self._process.pid

    @property
    def text(self) -> str:
        """What it has logged so far."""
        return self.log.read_text(encoding="utf-8")

    def start(self, ready: str) -> None:
        """Returns when a line with these words has been logged."""
        self.log.touch()
        began = len(self.text)
        self._process = self._spawn()
        try:
            wait_until(lambda: ready in self.text[began:] or self.ended(), f"{ready!r} in {self.log}", _START_TIMEOUT_S)
            assert not self.ended(), f"{self.command} ended at once:\n{self.text[-3000:]}"
        except BaseException:
            self.kill()
            raise

    def _spawn(self) -> Spawned:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self.command,
                env={**self.installation.environment, **self.environment},
                cwd=self.installation.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def send(self, how: signal.Signals) -> None:
        """A signal to the process, not to its group."""
        os.kill(self.pid, how)

    def wait(self, timeout_s: float = _STOP_TIMEOUT_S) -> int:
        """The exit status of a process that ends by itself."""
        assert self._process is not None, "it is not running"
        return self._process.wait(timeout_s)

    def kill(self) -> None:
        """SIGKILL to the group."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(_STOP_TIMEOUT_S)
        self._process = None


@dataclass
class Worker(Process):
    """A `celery worker` whose faults (RNS_FAULT) can be changed between two tasks.

    forked: started in no time, but under another name in the list of processes.
    """

    forked: bool = True

    @property
    def fault_file(self) -> Path:
        return self.log.with_suffix(".fault")

    def _spawn(self) -> Spawned:
        if not self.forked:
            return super()._spawn()
        environment = {**self.installation.environment, **self.environment}
        return _nursery().fork(self.command[3:], environment=environment, log=self.log, home=self.installation.home)

    def fault(self, fault: str) -> None:
        """From the next task on; empty: none."""
        self.fault_file.write_text(fault)

    def lines_of(self, run_id: str) -> list[str]:
        """The log lines of one run."""
        return [line for line in self.text.splitlines() if f"[{run_id}]" in line]


def worker_of(
    installation: Installation, *, name: str = "worker", log: str = "", include: Sequence[str] = (), **extra: str
) -> Worker:
    """A worker that has not been started. log: the name of its log file, when it is not the worker's."""
    path = installation.home / f"{log or name}.log"
    command = [sys.executable, "-m", "celery", "-A", "worker", "worker", "-n", f"{name}@tests"]
    # It has no other worker to look for, and looking takes a second of each start.
    command += ["--without-mingle", "--without-gossip", "-I", ",".join(["tests.support.switched_faults", *include])]
    return Worker(installation, command, path, {**extra, "RNS_FAULT_FILE": str(path.with_suffix(".fault"))})


@cache
def _nursery() -> Nursery:
    """One for all workers of this process."""
    return Nursery()


@contextmanager
def working(
    installation: Installation, *, name: str = "worker", fault: str = "", include: Sequence[str] = (), **extra: str
) -> Iterator[Worker]:
    """A worker that is ready for messages; include: modules that it loads; extra: more environment."""
    with started(worker_of(installation, name=name, include=include, **extra), fault=fault) as worker:
        yield worker


@contextmanager
def started(worker: Worker, *, fault: str = "") -> Iterator[Worker]:
    """The worker is ready for messages while inside."""
    worker.fault(fault)
    worker.start(" ready.")
    try:
        yield worker
    finally:
        worker.kill()


@contextmanager
def beating(installation: Installation, *, name: str = "beat", at: datetime | None = None) -> Iterator[Process]:
    """`celery beat`, with its schedule file in the installation's home; at: on a clock that is moved to this time."""
    program = ["celery", "-A", "worker"] if at is None else ["tests.support.moved_clock", at.isoformat()]
    schedule = str(installation.home / f"{name}-schedule")
    command = [sys.executable, "-m", *program, "beat", "-s", schedule, "--pidfile="]
    beat = Process(installation, command, installation.home / f"{name}.log")
    beat.start("beat: Starting...")
    try:
        yield beat
    finally:
        beat.kill()


@dataclass(frozen=True)
class Client:
    """Somebody who sends runs and asks for their results, in a process that knows no setting of ours."""

    app: Celery

    def send(
        self, task: str = "tasks.run_backup", *args: str, task_id: str | None = None, **options: Any
    ) -> AsyncResult:
        """Send one message; options: the task's keyword arguments."""
        return self.app.send_task(task, args=args, kwargs=options, task_id=task_id, queue=QUEUE)

    def result(self, run_id: str) -> AsyncResult:
        return AsyncResult(run_id, app=self.app)

    def report(self, run: AsyncResult, timeout_s: float = _RUN_TIMEOUT_S) -> dict[str, Any]:
        """The report of a run that has ended, however it ended."""
        try:
            report: dict[str, Any] | None = run.get(timeout=timeout_s, interval=0.05)
        except BackupFailed as error:
            report = error.report
        assert report is not None, "a failure without its report"
        return report

    def run(self, **options: Any) -> dict[str, Any]:
        """Send a run, and wait for its report."""
        return self.report(self.send(**options))


@contextmanager
def client_of(installation: Installation) -> Iterator[Client]:
    app = Celery("tests", broker=installation.broker_url, backend=installation.broker_url, set_as_current=False)
    app.conf.update(task_serializer="json", accept_content=["json"], result_serializer="json")
    try:
        yield Client(app)
    finally:
        app.backend.client.close()
        app.close()


def in_a_fresh_process(installation: Installation, script: str, timeout_s: float = _RUN_TIMEOUT_S) -> Any:
    """What a Python shell of the installation prints, read as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=installation.environment,
        cwd=installation.home,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def gate(installation: Installation, name: str) -> Path:
    """A file for a fault point `wait:FILE`; see `reached` and `open_gate`."""
    path = installation.home / f"{name}.gate"
    path.unlink(missing_ok=True)
    _reached(path).unlink(missing_ok=True)
    return path


def wait_for_gate(path: Path) -> None:
    """Returns when the run has come to the gate."""
    wait_until(lambda: has_come(path), f"the run to reach {path.name}")


def has_come(path: Path) -> bool:
    """Whether the run stands at the gate, or has passed it."""
    return _reached(path).exists()


@contextmanager
def meanwhile(reached: Path, action: Callable[[], None]) -> Iterator[None]:
    """When the run has come to this gate, do something, and let it go on."""

    def act() -> None:
        wait_for_gate(reached)
        try:
            action()
        finally:
            reached.touch()

    actor = threading.Thread(target=act, name="meanwhile")
    actor.start()
    yield
    actor.join(60)


def _reached(path: Path) -> Path:
    return path.with_name(f"{path.name}.reached")
