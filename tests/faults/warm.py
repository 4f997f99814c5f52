"""Workers that start in no time: forked from a process that has imported what a worker imports.

From there on each is `celery -A worker worker ...` as ever: a session of its own, its own pool, its own log. Half of
the matrix's processor time would otherwise be spent with imports.

`python -m tests.faults.warm MODULE...` is that process: each line on its standard input, a JSON object, asks for one
worker; the worker answers with its process id.
"""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from tests.support.workers import Worker

_MODULES = (
    *("worker.celery_app", "tasks.pipeline", "tasks.means", "tasks.engine.operations", "celery.__main__"),
    *("celery.apps.worker", "celery.bin.celery", "celery.concurrency.prefork", "celery.worker.consumer"),
    *("celery.backends.redis", "kombu.transport.redis"),
)


class Forked:
    """What a Popen is to its child, for a process that is another one's child; how it ended is not known."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._ended = False
        self._descriptor = os.pidfd_open(pid)

    def poll(self) -> int | None:
        return self._end() if self._ended or select.select([self._descriptor], [], [], 0)[0] else None

    def wait(self, timeout: float) -> int:
        if not self._ended and not select.select([self._descriptor], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
        return self._end()

    def _end(self) -> int:
        if not self._ended:
            os.close(self._descriptor)
        self._ended = True
        return 0


class Nursery:
    """The process that workers are forked from; its environment is theirs."""

    def __init__(self, environment: dict[str, str], modules: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.warm", *modules],
            env=environment,
            cwd="/",  # what has its working directory in an installation counts as a worker
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def fork(self, arguments: Sequence[str], *, log: Path, home: Path) -> Forked:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"arguments": list(arguments), "log": str(log), "home": str(home)}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return Forked(int(self._process.stdout.readline()))

    def end(self) -> None:
        self._process.communicate()


@dataclass
class WarmWorker(Worker):
    """`command` are the arguments of `celery`."""

    nursery: Nursery | None = None

    def _spawn(self) -> Forked:
        assert self.nursery is not None
        return self.nursery.fork(self.command, log=self.log, home=self.installation.home)


def _serve(orders: Sequence[str]) -> None:
    for module in (*_MODULES, *orders):
        import_module(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # whoever ends is gone at once
    for line in sys.stdin:
        if os.fork() == 0:
            _become_worker(**json.loads(line))
            return


def _become_worker(*, arguments: list[str], log: str, home: str) -> None:
    from celery.__main__ import main  # noqa: PLC0415 - imported long ago

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    os.chdir(home)
    print(os.getpid(), flush=True)  # noqa: T201 - the answer
    lines = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for found, wanted in ((nothing, 0), (lines, 1), (lines, 2)):
        os.dup2(found, wanted)
    sys.argv = ["celery", *arguments]
    main()


if __name__ == "__main__":
    _serve(sys.argv[1:])
