"""Where the kill matrix plays: an installation on servers of its own, its worker with a supervisor, a reader."""

import json
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import redis
from celery.result import AsyncResult
from kombu.exceptions import OperationalError

from config.celery import QUEUE
from config.schedule import JOBS
from tasks.engine import stewardship
from tasks.engine.connections import Server
from tasks.engine.watch import Watch
from tasks.failures import BackupFailed
from tests.faults.proxy import Proxy
from tests.faults.reader import Reader
from tests.support import oracle
from tests.support.installation import Installation, ask
from tests.support.moved_clock import AS_IT_IS, FILE
from tests.support.workers import Client, Process, Worker, wait_until

RECONCILE_EVERY_S = 3.0  # half of the time in which a run counts as dead; beat's minute is three times as long
_BEFORE_SLOT_S = 4.0
_NEVER = oracle.Snapshot(content={}, schema={})


@dataclass
class Scene:
    """Everything that a cell needs; `tend` is what beat and a supervisor would do meanwhile."""

    installation: Installation
    worker: Worker
    client: Client
    reader: Reader | None
    unchanged: bool  # the source is not changed before a run, so that it loads nothing
    changed_tables: bool  # only what differs is written
    proxies: dict[str, Proxy]
    make_worker: Callable[[str], Worker]
    known: oracle.Snapshot = _NEVER  # the target as it was seen last, exactly
    expected: oracle.Snapshot = _NEVER
    changes: int = 0
    restarts: int = 0
    slots: list[datetime] = field(default_factory=list)  # that beat was to bring about
    slot: datetime | None = None
    beat: Process | None = None
    another: Worker | None = None
    redis_is_back_at: float = 0.0
    _pending: list[tuple[threading.Timer, Callable[[], object]]] = field(default_factory=list)
    _reconciled_at: float = 0.0

    def learn(self) -> None:
        """What a right copy looks like on this server, held against what psql makes of the source. It stays so."""
        right = oracle.as_restored(self.installation.source, on=self.installation.target_server.dsn())
        differences = oracle.differences(right, oracle.take(self.installation.target))
        assert not differences, differences
        self.known = self.look()
        self.expected = self.known

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
        self.expected = replace(self.expected, content=oracle.content(self.installation.source))

    def look(self) -> oracle.Snapshot:
        """The target, with what a copy need not share with its source: that must be the same after every run."""
        return oracle.take(self.installation.target, exact=True)

    def is_new(self, found: oracle.Snapshot) -> list[str]:
        """How it differs from the source, which stands still meanwhile; the schema never changes."""
        beyond = {key: text for key, text in self.known.content.items() if key == "database"}
        views = {f"rows of {key.removesuffix(' is populated')}" for key in found.content if key.endswith("populated")}
        content = {key: text for key, text in found.content.items() if key not in views}
        expected = replace(self.expected, content={**self.expected.content, **beyond})
        return oracle.differences(expected, replace(found, content=content))

    def tend(self) -> None:
        """Start a worker or a beat that has ended, and send a reconcile from time to time."""
        if self.worker.ended():
            self.restarts += 1
            self.worker.start(" ready.")
        if self.beat is not None and self.beat.ended():
            self._start_beat(AS_IT_IS)
        if time.monotonic() - self._reconciled_at > RECONCILE_EVERY_S:
            self._reconciled_at = time.monotonic()
            with suppress(OperationalError, redis.RedisError):
                self.client.app.send_task("tasks.reconcile", queue=QUEUE, expires=5, ignore_result=True, retry=False)

    def later(self, seconds: float, action: Callable[[], object]) -> None:
        """Do it then, or when the cell is over."""
        timer = threading.Timer(seconds, action)
        timer.daemon = True
        self._pending.append((timer, action))
        timer.start()

    def end_helpers(self) -> None:
        """What a cell has set up ends: timers, a slow network, beat, another host's worker."""
        for timer, action in self._pending:
            if timer.is_alive():
                timer.cancel()
                action()
        self._pending.clear()
        for proxy in self.proxies.values():
            proxy.flow()
        for process in (self.beat, self.another):
            if process is not None:
                process.kill()
        self.beat = self.another = None

    def redis_is_away_s(self) -> float:
        """For so long it will still be."""
        return max(0.0, self.redis_is_back_at - time.monotonic())

    def start_another_worker(self) -> None:
        """Of another host with the same folder; its lines go into the same log."""
        self.another = self.make_worker("another")
        self.another.start(" ready.")

    def beat_before_its_next_slot(self) -> None:
        """A real beat, on a clock that is a few seconds before the next slot; the worker has the same clock."""
        moved = float(Path(self.installation.extra[FILE]).read_text())
        soon = datetime.now(UTC) + timedelta(seconds=moved + _BEFORE_SLOT_S)
        days = [soon + timedelta(days=day) for day in (0, 1)]
        slots = [day.replace(hour=job.hour, minute=job.minute, second=0, microsecond=0) for day in days for job in JOBS]
        self.slot = min(slot for slot in slots if slot > soon)
        self.slots.append(self.slot)
        self._start_beat((self.slot - timedelta(seconds=_BEFORE_SLOT_S)).isoformat())

    def run_of_slot(self) -> AsyncResult:
        """The run that beat has sent, once it has begun."""
        assert self.slot is not None, "beat has not been started"
        query = "SELECT run_id FROM rns_runs WHERE slot = ?"
        slot = self.slot.isoformat(timespec="microseconds")

        def look() -> list[Any]:
            self.tend()
            return self._ask_journal(query, slot)

        return self.client.result(wait_until(look, f"the run of {slot}")[0]["run_id"])

    def mark(self) -> dict[str, Any]:
        """The target's comment."""
        found: dict[str, Any] = json.loads(self.installation.comment() or "{}")
        return found

    def let_it_be_overwritten(self) -> None:
        """A person looks at what somebody wrote, and adopts it."""
        url = self.installation.settings(RAILWAY_BACKUP_DB_URL=self.installation.target_url).target
        with Watch("adopting", 30) as watch:
            target = Server(role="target", url=url, application_name="a person", watch=watch)
            stewardship.adopt(target, now=datetime.now(UTC))

    def runs_of_timetable(self) -> list[datetime | None]:
        """The slots of the runs that beat has brought about; none for a second run of a slot.

        Not a real slot that went by while beat did not run: it was missed, and is told as such.
        """
        found = self._ask_journal("SELECT slot, outcome FROM rns_runs WHERE job_id <> ? ORDER BY slot", "manual")
        slots = [(datetime.fromisoformat(row["slot"]) if row["slot"] else None, row["outcome"]) for row in found]
        return [slot for slot, outcome in slots if slot in self.slots or outcome != "missed"]

    def journal(self, run_id: str) -> dict[str, Any] | None:
        """The journal's row of a run, read without the engine."""
        found = [dict(row) for row in self._ask_journal("SELECT * FROM rns_runs WHERE run_id = ?", run_id)]
        return {**found[0], "report": json.loads(found[0]["report"] or "null")} if found else None

    def journal_is_locked(self) -> bool:
        """Is somebody in the midst of writing to it, for seconds?"""
        path = self.installation.backup_dir / "journal.sqlite3"
        with closing(sqlite3.connect(path, timeout=3, isolation_level=None)) as journal:
            try:
                journal.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return True
            journal.execute("ROLLBACK")
        return False

    def stored(self, run: AsyncResult) -> dict[str, Any] | None:
        """What the result backend says of the run."""
        result = self.client.result(run.id).result  # a new one: it remembers the first final state that it saw
        if isinstance(result, BackupFailed):
            return result.report
        return result if isinstance(result, dict) and "outcome" in result else None

    def processes(self) -> list[int]:
        """Those that were started from the installation's folder: workers, beat, programs."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (path / "cwd").readlink() == self.installation.home:
                    found.append(int(path.name))
        return found

    def strays(self) -> list[str]:
        """Processes that are not of the worker that is alive."""
        found = []
        for pid in self.processes():
            with suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
                if words and os.getpgid(pid) != self.worker.pid:
                    found.append(f"process {pid} {words[:80]}")
        return found

    def sessions(self) -> list[tuple[int, str]]:
        """The target's sessions of runs: process id and state."""
        query = "SELECT pid, state FROM pg_stat_activity WHERE application_name LIKE 'railway-neon-sync/%'"
        return ask(self.installation.target_server.dsn(), query)

    def _ask_journal(self, query: str, value: str) -> list[Any]:
        path = self.installation.backup_dir / "journal.sqlite3"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as journal:
            journal.row_factory = sqlite3.Row
            return journal.execute(query, [value]).fetchall()

    def _start_beat(self, when: str) -> None:
        home = self.installation.home
        command = [sys.executable, "-m", "tests.support.moved_clock", when, "beat"]
        command += ["-s", str(home / "beat-schedule"), "--pidfile="]
        self.beat = Process(self.installation, command, home / "beat.log", {"LOG_LEVEL": "DEBUG"})
        self.beat.start("beat: Waking up in")
