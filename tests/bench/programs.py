"""Programs that a peer is made of, in pipelines; all of them can be ended at once, from another thread."""

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import IO


class ProgramFailed(RuntimeError):
    """A program ended badly; its last lines say why."""


@dataclass
class Programs:
    """What runs now. After `end` nothing starts any more."""

    _running: set[int] = field(default_factory=set)
    _ended: bool = False
    _lock: Lock = field(default_factory=Lock)

    def start(
        self, command: Sequence[str], *, takes: "IO[bytes] | int", gives: "IO[bytes] | int", log: IO[bytes],
        environment: Mapping[str, str], folder: Path,
    ) -> "subprocess.Popen[bytes]":  # fmt: skip
        with self._lock:
            if self._ended:
                raise ProgramFailed("the bench is being ended")
            process = subprocess.Popen(
                command,
                env=dict(environment),
                cwd=folder,
                stdin=takes,
                stdout=gives,
                stderr=log,
                start_new_session=True,
            )
            self._running.add(process.pid)
            return process

    def kill(self, process: "subprocess.Popen[bytes]") -> None:
        """With all that it has started; nothing when it has ended by itself."""
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._running.discard(process.pid)

    def end(self) -> None:
        with self._lock:
            self._ended = True
            for pid in self._running:
                with suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)


@dataclass(frozen=True, kw_only=True)
class Shell:
    """Runs pipelines with one environment in one folder; without a shell. started: is told each process id."""

    programs: Programs
    environment: Mapping[str, str]
    folder: Path
    started: Callable[[int], None]

    def run(self, *commands: Sequence[str]) -> None:
        """A pipeline, to its end. Raises ProgramFailed when one of its programs fails."""
        running: list[subprocess.Popen[bytes]] = []
        path = self.folder.with_suffix(".log")
        with path.open("wb") as log:
            try:
                for command in commands:
                    running.append(self._next(command, running, log, last=command is commands[-1]))
                statuses = [process.wait() for process in running]
            finally:
                for process in running:
                    self.programs.kill(process)
        if any(statuses):
            named = " | ".join(command[0] for command in commands)
            raise ProgramFailed(f"{named} ended with {statuses}: {path.read_text(errors='replace')[-2000:]}")

    def _next(
        self, command: Sequence[str], running: Sequence["subprocess.Popen[bytes]"], log: IO[bytes], *, last: bool
    ) -> "subprocess.Popen[bytes]":
        before = running[-1].stdout if running else None
        process = self.programs.start(
            command,
            takes=before or subprocess.DEVNULL,
            gives=log if last else subprocess.PIPE,
            log=log,
            environment=self.environment,
            folder=self.folder,
        )
        if before:
            before.close()  # or its writer would not notice that its reader is gone
        self.started(process.pid)
        return process
