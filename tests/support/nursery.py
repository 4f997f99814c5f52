"""Workers that start in no time: forked from a process that has imported what a worker imports.

From there on each is `celery -A worker worker ...` as ever: its own environment, session, pool and log. Imports would
otherwise be most of what many a test's processor time goes into.

`python -m tests.support.nursery` is that process. A line on its standard input, a JSON object, asks for one program,
and is answered with its process id, or asks how one has ended, and is answered with its exit status.
"""

import json
import os
import select
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from threading import Lock

_MODULES = (
    *("tasks.pipeline", "tasks.means", "tasks.engine.operations", "worker.lifecycle", "worker.transport"),
    *("celery.__main__", "celery.apps.worker", "celery.bin.celery", "celery.concurrency.prefork"),
    *("celery.worker.consumer", "celery.backends.redis", "kombu.transport.redis"),
    # What a worker's process imports only in its first run.
    *("_strptime", "sqlite3", "sqlalchemy.dialects.sqlite.pysqlite", "sqlalchemy.dialects.postgresql.psycopg2"),
    *("tasks.engine.page.view", "tasks.engine.page.rendering"),
)  # none of them reads a setting


class Nursery:
    """The process that others are forked from. It ends with whoever has made it."""

    def __init__(self) -> None:
        self._one_at_a_time = Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.nursery"],
            cwd=Path(__file__).parents[2],  # what has its working directory in an installation counts as a worker
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def fork(self, arguments: Sequence[str], *, environment: Mapping[str, str], log: Path, home: Path) -> "Forked":
        """`celery` with these arguments."""
        order = {"arguments": list(arguments), "environment": dict(environment), "log": str(log), "home": str(home)}
        return Forked(self, self.ask(**order))

    def ask(self, **order: object) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._one_at_a_time:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())


class Forked:
    """What a Popen is to its child, for a process that is the nursery's child."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self.pid = pid
        self._nursery = nursery
        self._status: int | None = None
        self._descriptor = os.pidfd_open(pid)

    def poll(self) -> int | None:
        if self._status is None and select.select([self._descriptor], [], [], 0)[0]:
            os.close(self._descriptor)
            self._status = self._nursery.ask(ended=self.pid)
        return self._status

    def wait(self, timeout: float) -> int:
        if self._status is None:
            select.select([self._descriptor], [], [], timeout)
        if (status := self.poll()) is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
        return status


def _serve() -> None:
    for module in _MODULES:
        import_module(module)
    for line in sys.stdin:
        order = json.loads(line)
        if "ended" in order:
            status = os.waitstatus_to_exitcode(os.waitpid(order["ended"], 0)[1])
            print(status, flush=True)  # noqa: T201 - the answer
        elif os.fork() == 0:
            _become(**order)
            return


def _become(*, arguments: list[str], environment: dict[str, str], log: str, home: str) -> None:
    from celery.__main__ import main  # noqa: PLC0415 - imported long ago

    os.setsid()
    os.chdir(home)
    os.environ.clear()
    os.environ.update(environment)
    print(os.getpid(), flush=True)  # noqa: T201 - the answer
    lines = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for found, wanted in ((nothing, 0), (lines, 1), (lines, 2)):
        os.dup2(found, wanted)
    sys.argv = ["celery", *arguments]
    main()


if __name__ == "__main__":
    _serve()
