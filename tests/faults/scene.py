"""Where the kill matrix plays: an installation on servers of its own, its worker with a supervisor, a reader."""

import json
import os
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import redis
from celery.result import AsyncResult
from kombu.exceptions import OperationalError

from config.celery import QUEUE
from tasks.failures import BackupFailed
from tests.faults.proxy import Proxy
from tests.faults.reader import Reader
from tests.support import oracle
from tests.support.installation import Installation, ask, installed
from tests.support.workers import Client, Worker, client_of
from worker.demo.servers import PostgresServer, ValkeyServer, find_postgres

RECONCILE_EVERY_S = 1.0  # stands for beat's minute
# So short that a stalled network is noticed within the time of a cell.
_LIMITS = {"DUMP_TIMEOUT_S": "15", "SAFETY_TIMEOUT_S": "15", "RESTORE_TIMEOUT_S": "15", "VERIFY_TIMEOUT_S": "15"}
# A pg_dump that can be held before it begins and after it has ended.
_HELD_PG_DUMP = """#!/bin/sh
[ "$1" = --version ] && exec {real} --version
for word; do case "$word" in
    --file=*source_db_backup*) step=dump_source;; --file=*backup_safety*) step=back_up_target;;
esac; done
hold() {{
    [ -e "{home}/$1.hold" ] || return 0
    echo $$ >"{home}/$1.pid"; mv "{home}/$1.pid" "{home}/$1.hold.reached"
    while [ -e "{home}/$1.hold" ]; do sleep 0.02; done
}}
hold $step.dumping
{real} "$@"; status=$?
hold $step.dumped
exit $status
"""


@dataclass
class Scene:
    """Everything that a cell needs; `tend` is what beat and a supervisor would do meanwhile."""

    installation: Installation
    worker: Worker
    client: Client
    reader: Reader | None
    proxies: dict[str, Proxy]
    schema: Any = None
    expected: oracle.Snapshot | None = None
    changes: int = 0
    restarts: int = 0
    _reconciled_at: float = field(default=0.0)

    @property
    def method(self) -> str:
        return self.installation.extra["RESTORE_METHOD"]

    def change_source(self) -> None:
        """So that old and new content differ."""
        self.changes += 1
        self.installation.on_source(
            f"UPDATE public.users SET display_name = 'change {self.changes}' WHERE id = 3; "
            f"INSERT INTO public.users (email, display_name, country, password_hash) "
            f"VALUES ('change{self.changes}@example.com', 'x', 'DE', 'x')"
        )
        self.look_at_source()

    def look_at_source(self) -> None:
        """What a copy must hold. Again after a crash of the source, which moves its sequences on."""
        self.expected = oracle.take(self.installation.source)

    def is_new(self) -> list[str]:
        """How the target differs from the source, which stands still meanwhile; the schema never changes."""
        if self.schema is None:
            self.schema = oracle.as_restored(self.installation.source, on=self.installation.target_server.dsn()).schema
        assert self.expected is not None, "change_source comes first"
        return oracle.differences(replace(self.expected, schema=self.schema), oracle.take(self.installation.target))

    def tend(self) -> None:
        """Start a worker that has ended, and send a reconcile every second."""
        if self.worker.ended():
            self.restarts += 1
            self.worker.start(" ready.")
        if time.monotonic() - self._reconciled_at > RECONCILE_EVERY_S:
            self._reconciled_at = time.monotonic()
            with suppress(OperationalError, redis.RedisError):
                self.client.app.send_task("tasks.reconcile", queue=QUEUE, expires=5, ignore_result=True, retry=False)

    def journal(self, run_id: str) -> dict[str, Any] | None:
        """The journal's row of a run, read without the engine."""
        path = self.installation.backup_dir / "journal.sqlite3"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20)) as journal:
            journal.row_factory = sqlite3.Row
            row = journal.execute("SELECT * FROM rns_runs WHERE run_id = ?", [run_id]).fetchone()
        if row is None:
            return None
        found = dict(row)
        return {**found, "report": json.loads(found["report"]) if found["report"] else None}

    def stored(self, run: AsyncResult) -> dict[str, Any] | None:
        """What the result backend says of the run."""
        result = self.client.result(run.id).result  # a new one: it remembers the first final state that it saw
        if isinstance(result, BackupFailed):
            return result.report
        return result if isinstance(result, dict) and "outcome" in result else None

    def strays(self) -> list[str]:
        """Processes that were started from the installation's folder and are not the worker that is alive."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if (path / "cwd").readlink() != self.installation.home:
                    continue
                words = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
                if words and os.getpgid(int(path.name)) != self.worker.pid:
                    found.append(f"process {path.name} {words[:80]}")
            except OSError:
                continue
        return found

    def sessions(self) -> list[tuple[int, str]]:
        """The target's sessions of runs: process id and state."""
        query = "SELECT pid, state FROM pg_stat_activity WHERE application_name LIKE 'railway-neon-sync/%'"
        return ask(self.installation.target_server.dsn(), query)


@contextmanager
def scene_of(method: str, *, network: bool = False) -> Iterator[Scene]:
    """A first run has been made: there is something to lose. network: everything goes through proxies."""
    root = Path(tempfile.mkdtemp(prefix="rns-faults-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, root, ignore_errors=True)
        source = _server(root / "source", stack)
        target = _server(root / "target", stack)
        valkey = ValkeyServer(root / "valkey").start()
        stack.callback(valkey.stop)
        home = root / "home"
        home.mkdir()
        extra = {"RESTORE_METHOD": method, "PG_BIN_DIR": str(_held_pg_dump(home)), **_LIMITS}
        installation = stack.enter_context(
            installed(source, target, valkey, home, own_roles=False, application=True, **extra)
        )
        proxies: dict[str, Proxy] = {}
        if network:
            installation, proxies = _through_proxies(installation, stack)
        worker = _worker(installation)
        worker.fault("")
        worker.start(" ready.")
        stack.callback(worker.kill)
        client = stack.enter_context(client_of(installation))
        assert client.run()["outcome"] == "succeeded"
        reader = Reader(installation.target).start() if method == "swap" else None
        if reader:
            stack.callback(reader.stop)
        yield Scene(installation=installation, worker=worker, client=client, reader=reader, proxies=proxies)


def _held_pg_dump(home: Path) -> Path:
    folder = home / "bin"
    folder.mkdir()
    path = folder / "pg_dump"
    path.write_text(_HELD_PG_DUMP.format(real=find_postgres().tool("pg_dump"), home=home))
    path.chmod(0o755)
    return folder


def _server(root: Path, stack: ExitStack) -> PostgresServer:
    server = PostgresServer(root, find_postgres()).create().start()
    stack.callback(server.remove)
    return server


def _worker(installation: Installation) -> Worker:
    log = installation.home / "worker.log"
    modules = "tests.support.switched_faults,tests.faults.hurried"
    command = [sys.executable, "-m", "celery", "-A", "worker", "worker", "-n", "worker@tests", "-I", modules]
    return Worker(installation, command, log, {"RNS_FAULT_FILE": str(log.with_suffix(".fault"))})


def _through_proxies(installation: Installation, stack: ExitStack) -> tuple[Installation, dict[str, Proxy]]:
    ports = {
        "source": installation.source_server.port,
        "target": installation.target_server.port,
        "redis": installation.valkey.port,
    }
    proxies = {name: stack.enter_context(Proxy(port)) for name, port in ports.items()}

    def through(url: str, name: str) -> str:
        return url.replace(f":{ports[name]}", f":{proxies[name].port}")

    urls = {
        "DATABASE_URL": through(installation.source_url, "source"),
        "RAILWAY_BACKUP_DB_URL": through(installation.target_url, "target"),
        "CELERY_BROKER_URL": through(installation.broker_url, "redis"),
    }
    return replace(installation, extra={**installation.extra, **urls}), proxies
