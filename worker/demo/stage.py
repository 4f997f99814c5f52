"""The demo's stage: two PostgreSQL servers, a Valkey and a real Celery worker, in one temporary directory.

What is started here is ended here, whatever happens on it, unless it is to be kept.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Self

import psycopg2

from config.settings import setting_names
from worker.demo.servers import PostgresBinaries, PostgresServer, ServerFailed, ValkeyServer, find_postgres

SOURCE_DATABASE, TARGET_DATABASE = "neondb", "railway"
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "VIRTUAL_ENV")
_READY_S, _COLD_S, _ONCE_S = 60.0, 10.0, 2.0
_END_SCRIPT = """#!/bin/sh
# Ends what `railway-neon-sync demo --keep` left running, and removes it. The worker first: it uses the others.
root={root}
of_demo() {{ {{ tr '\\0' ' ' <"/proc/$1/cmdline" || ps -ww -o args= -p "$1"; }} 2>/dev/null | grep -qF "$root"; }}
for process in {pids}; do
    of_demo "$process" && kill -{signal} "$process"
    while of_demo "$process"; do sleep 0.1; done
done
rm -rf "$root"
"""


class Interruptions:
    """SIGINT, SIGTERM and SIGHUP as KeyboardInterrupt, but never in the midst of starting or ending a process."""

    def __init__(self) -> None:
        self._holding = self._waiting = False
        self._raised_at = -_ONCE_S

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._take)
        return self

    def __exit__(self, *_: object) -> None:
        """From now on nothing interrupts: all is over, and the process is about to end."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)

    @contextmanager
    def held(self) -> Iterator[None]:
        """What arrives meanwhile interrupts afterwards."""
        self._holding = True
        try:
            yield
        finally:
            self._holding = False
        if self._waiting:
            self._waiting = False
            raise KeyboardInterrupt

    def _take(self, _number: int, _frame: FrameType | None) -> None:
        if self._holding:
            self._waiting = True
        # Somebody who presses it twice, or a service manager that does, must not interrupt the way to the clearing.
        elif time.monotonic() - self._raised_at > _ONCE_S:
            self._raised_at = time.monotonic()
            raise KeyboardInterrupt


@dataclass(kw_only=True)
class Stage:
    """Everything that runs in the demo."""

    root: Path
    source: PostgresServer
    target: PostgresServer
    broker: ValkeyServer
    worker: "subprocess.Popen[bytes] | None" = None

    @property
    def binaries(self) -> PostgresBinaries:
        return self.source.binaries

    @property
    def worker_log(self) -> Path:
        return self.root / "worker.log"

    @property
    def settings(self) -> dict[str, str]:
        """What an operator would set. The file of settings is empty: whatever `.env` lies about is not for the demo."""
        return {
            "DATABASE_URL": self.source.url(SOURCE_DATABASE),
            "RAILWAY_BACKUP_DB_URL": self.target.url(TARGET_DATABASE),
            "CELERY_BROKER_URL": self.broker.url(),
            "BACKUP_DIR": str(self.root / "backups"),
            "PG_BIN_DIR": str(self.binaries.bin_dir),
            "RNS_ENV_FILE": str(self.root / "empty.env"),
        }

    def processes(self) -> "list[subprocess.Popen[bytes]]":
        """The worker first: it is the one that uses the others."""
        known = (self.worker, self.source.process, self.target.process, self.broker.process)
        return [process for process in known if process is not None]

    def start_worker(self) -> None:
        """A worker as production has it; not awaited."""
        passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        packages = Path(__file__).parents[2]  # where `worker` lies, also when it is not installed
        self.worker_log.touch(mode=0o600)
        with self.worker_log.open("ab") as log:
            self.worker = subprocess.Popen(  # noqa: S603 - our own program
                [
                    *(sys.executable, "-m", "celery", "-A", "worker", "worker"),
                    *("-n", f"demo-{os.getpid()}@localhost", "--pidfile", str(self.root / "worker.pid")),
                ],
                env={**passed_on, "PYTHONPATH": str(packages), **self.settings},
                cwd=self.root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def await_worker(self) -> None:
        """Returns when the worker takes messages."""
        give_up = time.monotonic() + _READY_S
        while " ready." not in self.worker_log.read_text(encoding="utf-8"):
            self.demand_worker()
            if time.monotonic() > give_up:
                raise ServerFailed(f"the worker was not ready within a minute:\n{self._end_of_log()}")
            time.sleep(0.05)

    def demand_worker(self) -> None:
        """Raise ServerFailed when the worker has died."""
        if self.worker is None or self.worker.poll() is not None:
            raise ServerFailed(f"the worker has ended:\n{self._end_of_log()}")

    def end(self, *, patience_s: float) -> None:
        """End every process, and remove the directory; so long the worker may finish what it does."""
        if self.worker is not None:
            self.worker.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.worker.wait(patience_s)
            with suppress(ProcessLookupError):
                os.killpg(self.worker.pid, signal.SIGKILL)
            self.worker.wait(_COLD_S)
        for server in (self.source, self.target):
            server.stop(signal.SIGQUIT)
        self.broker.stop()
        shutil.rmtree(self.root, ignore_errors=True)

    def keep(self) -> Path:
        """Leave everything running; the script that ends it."""
        pids = " ".join(str(process.pid) for process in self.processes())
        script = self.root / "end"
        script.write_text(_END_SCRIPT.format(root=shlex.quote(str(self.root)), pids=pids, signal="INT"))
        script.chmod(0o700)
        return script

    def _end_of_log(self) -> str:
        return self.worker_log.read_text(encoding="utf-8")[-2000:]


def prepare_stage() -> Stage:
    """A directory and the names of all that will be started in it. Raises ServerFailed when something is missing."""
    binaries = find_postgres()
    # As root the servers run as somebody else, who could not enter a TMPDIR in a home.
    root = Path(tempfile.mkdtemp(prefix="railway-neon-sync-demo-", dir="/tmp" if os.geteuid() == 0 else None))  # noqa: S108
    return Stage(
        root=root,
        source=PostgresServer(root / "neon", binaries, password="demo-source", told=True),  # noqa: S106 - lives for seconds
        target=PostgresServer(root / "railway", binaries, password="demo-target", told=True),  # noqa: S106
        broker=ValkeyServer(root / "valkey"),
    )


def raise_curtain(stage: Stage, interruptions: Interruptions, tell: Callable[[str], None]) -> None:
    """Start everything; the worker gets ready while the databases are made."""
    (stage.root / "empty.env").touch()
    with interruptions.held():
        stage.broker.start()
    with interruptions.held():
        stage.start_worker()
    for server, database in ((stage.source, SOURCE_DATABASE), (stage.target, TARGET_DATABASE)):
        server.create()
        with interruptions.held():
            server.start()
        execute(server.dsn(), f"CREATE DATABASE {database} TEMPLATE template0")
    stage.await_worker()
    major, minor = stage.binaries.version
    tell(f"PostgreSQL {major}.{minor} as Neon on port {stage.source.port}, as Railway on port {stage.target.port};")
    tell(f"Valkey on port {stage.broker.port}; a Celery worker, process {stage.processes()[0].pid}")


def execute(dsn: str, statements: str) -> None:
    """Run statements outside a transaction block, as one string."""
    with closing(psycopg2.connect(dsn)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statements)


def enter(stage: Stage, environment: MutableMapping[str, str]) -> None:
    """Let this process see the stage's settings and no others: those of production may be exported in this shell."""
    ours = {f"{name.upper()}{ending}" for name in setting_names() for ending in ("", "_FILE")}
    # Celery has variables of its own, CELERY_BROKER_READ_URL among them.
    for name in [name for name in environment if name in ours or name.startswith(("CELERY_", "RNS_"))]:
        del environment[name]
    environment.update(stage.settings)
