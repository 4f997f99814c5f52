"""What a user would take instead: bare copies, without proof and without safety, and the system as first described."""

import os
import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import psycopg2

from tests.bench.measured import Measured, measuring
from tests.bench.processes import Peaks
from tests.bench.programs import ProgramFailed, Shell
from tests.bench.stage import Route, Stage
from worker.demo.servers import PostgresServer

_JOBS = min(4, os.cpu_count() or 1)
_STATISTICS_TABLES = ("users", "escrows", "wallets", "transactions")


@dataclass(frozen=True, kw_only=True)
class Place:
    """What a peer works with. source, target: connection strings without a password."""

    source: str
    target: str
    password: str
    shell: Shell


@dataclass(frozen=True)
class Peer:
    """A way of copying. bare: without proof and safety; needs: a program that must be there."""

    name: str
    says: str
    copy: Callable[[Place], None]
    bare: bool = True
    needs: str | None = None

    def missing(self) -> str | None:
        """Why it cannot take part; None when it can."""
        if self.needs is None or shutil.which(self.needs):
            return None
        return f"{self.needs} is not on this machine; Debian has it: apt-get install {self.needs}"

    def run(self, stage: Stage, route: Route, source: str) -> Measured:
        """Copy into an empty database."""
        with stage.folder() as folder, stage.empty_target() as target:
            peaks = Peaks()
            shell = Shell(
                programs=stage.programs,
                environment=_environment(stage),
                folder=folder,
                started=peaks.roots.append,
            )
            place = Place(
                source=_connection(route.source, source),
                target=_connection(route.target, target),
                password=stage.source.password,
                shell=shell,
            )
            with measuring(route, peaks, folder) as measured:
                self.copy(place)
            return measured


def _dump_psql(place: Place) -> None:
    place.shell.run(("pg_dump", place.source), _psql(place, "-1"))


def _dump_restore(place: Place) -> None:
    place.shell.run(("pg_dump", "-Fd", f"-j{_JOBS}", "-f", "dump", place.source))
    place.shell.run(("pg_restore", f"-j{_JOBS}", "--exit-on-error", "-d", place.target, "dump"))


def _pgcopydb(place: Place) -> None:
    ends = ("--source", place.source, "--target", place.target)
    jobs = ("--table-jobs", str(_JOBS), "--index-jobs", str(_JOBS))
    place.shell.run(("pgcopydb", "clone", *ends, *jobs, "--dir", "work"))


def _baseline(place: Place) -> None:
    _counts(place, place.source)
    place.shell.run(("pg_dump", "-f", "source.sql", place.source))
    place.shell.run(("pg_dump", "-f", "safety.sql", place.target))
    place.shell.run(_psql(place, "-c", "DROP SCHEMA public CASCADE", "-c", "CREATE SCHEMA public"))
    place.shell.run(_psql(place, "--single-transaction", "-f", "source.sql"))
    if _counts(place, place.source) != _counts(place, place.target):
        raise ProgramFailed("the baseline's counts differ")


PEERS = (
    Peer("psql", "`pg_dump \\| psql -1`", _dump_psql),
    Peer("restore", f"`pg_dump -Fd -j{_JOBS}`, then `pg_restore -j{_JOBS}`", _dump_restore),
    Peer("pgcopydb", f"`pgcopydb clone`, {_JOBS} jobs", _pgcopydb, needs="pgcopydb"),
    Peer("baseline", "the baseline: two dumps, `DROP SCHEMA`, `psql -1`, counts", _baseline, bare=False),
)


def _psql(place: Place, *options: str) -> tuple[str, ...]:
    return ("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", *options, "-d", place.target)


def _counts(place: Place, where: str) -> list[int | None]:
    with closing(psycopg2.connect(where, password=place.password)) as connection:
        connection.autocommit = True
        return [_count(connection, table) for table in _STATISTICS_TABLES]


def _count(connection: "psycopg2.extensions.connection", table: str) -> int | None:
    with connection.cursor() as cursor:
        try:
            cursor.execute(f"SELECT count(*) FROM {table}")
        except psycopg2.errors.UndefinedTable:
            return None
        found = cursor.fetchone()
    return int(found[0]) if found else None


def _connection(server: PostgresServer, database: str) -> str:
    return f"host=127.0.0.1 port={server.port} user=postgres dbname={database}"


def _environment(stage: Stage) -> dict[str, str]:
    passed = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "TMPDIR") if name in os.environ}
    path = f"{stage.source.binaries.bin_dir}:{os.environ['PATH']}"
    return {**passed, "PATH": path, "HOME": str(stage.home), "LC_ALL": "C", "PGPASSWORD": stage.source.password}
