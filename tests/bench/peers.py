"""What a user would take instead: bare copies, without proof and without safety, and the system as first described."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psycopg2

from tests.bench.measured import Measured, measuring
from tests.bench.processes import Peaks
from tests.bench.stage import Route, Stage
from worker.demo.servers import PostgresServer

_JOBS = min(4, os.cpu_count() or 1)
_STATISTICS_TABLES = ("users", "escrows", "wallets", "transactions")


class PeerFailed(RuntimeError):
    """A program of a peer ended badly; its last lines say why."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """What a peer works with. source, target: connection strings without a password; folder: for its files."""

    tools: Path
    source: str
    target: str
    folder: Path
    environment: Mapping[str, str]
    peaks: Peaks

    def run(self, *commands: Sequence[str]) -> None:
        """Run a pipeline of programs to its end."""
        started: list[subprocess.Popen[bytes]] = []
        log = self.folder.with_suffix(".log")
        try:
            with log.open("wb") as lines:
                for number, command in enumerate(commands):
                    last = number == len(commands) - 1
                    started.append(self._start(command, started[-1] if started else None, lines, last=last))
            statuses = [process.wait() for process in started]
        finally:
            for process in started:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if any(statuses):
            raise PeerFailed(f"{commands} ended with {statuses}:\n{log.read_text(errors='replace')[-2000:]}")

    def _start(
        self, command: Sequence[str], before: "subprocess.Popen[bytes] | None", lines: IO[bytes], *, last: bool
    ) -> "subprocess.Popen[bytes]":
        program = self.tools / command[0]
        process = subprocess.Popen(
            [str(program) if program.exists() else command[0], *command[1:]],
            env=dict(self.environment),
            cwd=self.folder,
            stdin=before.stdout if before else subprocess.DEVNULL,
            stdout=lines if last else subprocess.PIPE,
            stderr=lines,
            start_new_session=True,
        )
        if before and before.stdout:
            before.stdout.close()
        self.peaks.roots.append(process.pid)
        return process


@dataclass(frozen=True)
class Peer:
    """A way of copying. needs: a program that must be there."""

    name: str
    says: str
    copy: Callable[[Place], None]
    bare: bool = True
    needs: str | None = None

    def missing(self) -> str | None:
        """Why it cannot take part; None when it can."""
        if self.needs is None or shutil.which(self.needs):
            return None
        return f"{self.needs} is not on this machine (Debian: apt-get install {self.needs})"

    def run(self, stage: Stage, route: Route, source: str, *, target: str | None = None) -> Measured:
        """Copy into an empty database, or into this one."""
        with stage.folder() as folder, _target(stage, target) as into:
            peaks = Peaks()
            place = Place(
                tools=stage.binaries.bin_dir,
                source=_connection(route.source, source),
                target=_connection(route.target, into),
                folder=folder,
                environment=_environment(stage),
                peaks=peaks,
            )
            with measuring(route, peaks, folder) as measured:
                self.copy(place)
            return measured


def _dump_psql(place: Place) -> None:
    place.run(("pg_dump", place.source), _psql(place, "-1"))


def _dump_restore(place: Place) -> None:
    place.run(("pg_dump", "-Fd", f"-j{_JOBS}", "-f", "dump", place.source))
    place.run(("pg_restore", f"-j{_JOBS}", "--exit-on-error", "-d", place.target, "dump"))


def _pgcopydb(place: Place) -> None:
    jobs = ("--table-jobs", str(_JOBS), "--index-jobs", str(_JOBS))
    ends = ("--source", place.source, "--target", place.target)
    place.run(("pgcopydb", "clone", *ends, *jobs, "--dir", "work"))


def _baseline(place: Place) -> None:
    _counts(place, place.source)
    place.run(("pg_dump", "-f", "source.sql", place.source))
    place.run(("pg_dump", "-f", "safety.sql", place.target))
    place.run(_psql(place, "-c", "DROP SCHEMA public CASCADE", "-c", "CREATE SCHEMA public"))
    place.run(_psql(place, "--single-transaction", "-f", "source.sql"))
    if _counts(place, place.source) != _counts(place, place.target):
        raise PeerFailed("the baseline's counts differ")


PEERS = (
    Peer("psql", "`pg_dump \\| psql -1`", _dump_psql),
    Peer("restore", f"`pg_dump -Fd -j{_JOBS}` and `pg_restore -j{_JOBS}`", _dump_restore),
    Peer("pgcopydb", "pgcopydb", _pgcopydb, needs="pgcopydb"),
    Peer("baseline", "the baseline", _baseline, bare=False),
)


def _psql(place: Place, *options: str) -> tuple[str, ...]:
    return ("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", *options, "-d", place.target)


def _counts(place: Place, where: str) -> list[int | None]:
    with closing(psycopg2.connect(where, password=place.environment["PGPASSWORD"])) as connection:
        connection.autocommit = True
        return [_count(connection.cursor(), table) for table in _STATISTICS_TABLES]


def _count(cursor: "psycopg2.extensions.cursor", table: str) -> int | None:
    try:
        cursor.execute(f"SELECT count(*) FROM {table}")
        found = cursor.fetchone()
    except psycopg2.errors.UndefinedTable:
        return None
    return int(found[0]) if found else None


def _connection(server: PostgresServer, database: str) -> str:
    return f"host=127.0.0.1 port={server.port} user=postgres dbname={database}"


def _environment(stage: Stage) -> dict[str, str]:
    tools = stage.binaries.bin_dir
    passed = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "TMPDIR") if name in os.environ}
    return {
        **passed,
        "PATH": f"{tools}:{os.environ['PATH']}",
        "HOME": str(stage.home),
        "LC_ALL": "C",
        "PGPASSWORD": stage.source.password,
    }


@contextmanager
def _target(stage: Stage, given: str | None) -> Iterator[str]:
    if given is not None:
        yield given
        return
    with stage.empty_target() as made:
        yield made
