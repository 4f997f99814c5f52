"""One installation of the project: a source, a target, a backup directory, a broker, and the settings that name them.

What the tests know of it they ask of the servers, the files and the oracle, and not of the code under test.
"""

import itertools
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import redis

from config.settings import Settings, load_settings
from tasks.engine.connections import Server
from tasks.engine.lease import open_lease
from tasks.engine.watch import Watch
from tasks.means import Means, open_means
from tests.support import oracle
from worker.demo.servers import PostgresBinaries, PostgresServer, ValkeyServer

REPOSITORY = Path(__file__).parents[2]
ESCROW = (REPOSITORY / "worker" / "demo" / "escrow.sql").read_text()
CHANGES = (REPOSITORY / "worker" / "demo" / "escrow_changes.sql").read_text()

_SESSIONS = "SELECT pid, datname, state FROM pg_stat_activity WHERE application_name LIKE 'railway-neon-sync/%'"
_DATABASE_NUMBERS = 15  # of Valkey's sixteen; 0 is whoever's
_numbers = itertools.count(1)
_valkey_numbers = itertools.cycle(range(1, _DATABASE_NUMBERS + 1))


def ask(dsn: str, query: str) -> list[tuple[Any, ...]]:
    """The rows of one query."""
    with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def tell(dsn: str, statements: str) -> None:
    """Run statements outside a transaction block, as one string."""
    with closing(psycopg2.connect(dsn)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statements)


@dataclass(frozen=True, kw_only=True)
class Roles:
    """A role for each side that is no superuser: one may read the source, the other owns the target, CREATEDB."""

    name: str
    reader_password: str = "re@der:1/%41 pass"
    owner_password: str = "öwner&2?=#pass"

    def create(self, installation: "Installation") -> None:
        source, target = installation.source_server.dsn(), installation.target_server.dsn()
        tell(source, f"CREATE ROLE {self.name} LOGIN PASSWORD '{self.reader_password}' IN ROLE pg_read_all_data")
        tell(target, f"CREATE ROLE {self.name} LOGIN CREATEDB PASSWORD '{self.owner_password}'")
        tell(target, f"ALTER DATABASE {installation.target_name} OWNER TO {self.name}")

    def drop(self, installation: "Installation") -> None:
        """The databases are gone before."""
        for server in (installation.source_server, installation.target_server):
            tell(server.dsn(), f"DROP ROLE IF EXISTS {self.name}")


@dataclass(frozen=True, kw_only=True)
class Installation:
    """Two databases on real servers, and everything that a worker, beat or `run --here` needs to copy one to the other.

    home: a folder of its own, current directory of what is started; roles: none means superusers on both sides;
    extra: more settings, or others.
    """

    source_server: PostgresServer
    target_server: PostgresServer
    valkey: ValkeyServer
    valkey_number: int
    source_name: str
    target_name: str
    home: Path
    roles: "Roles | None" = None
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """libpq's keywords for the source, as a superuser."""
        return self.source_server.dsn(self.source_name)

    @property
    def target(self) -> str:
        return self.target_server.dsn(self.target_name)

    @property
    def source_url(self) -> str:
        """DATABASE_URL."""
        if self.roles is None:
            return self.source_server.url(self.source_name)
        return self.source_server.url(self.source_name, self.roles.name, self.roles.reader_password)

    @property
    def target_url(self) -> str:
        """RAILWAY_BACKUP_DB_URL."""
        if self.roles is None:
            return self.target_server.url(self.target_name)
        return self.target_server.url(self.target_name, self.roles.name, self.roles.owner_password)

    @property
    def backup_dir(self) -> Path:
        return self.home / "backups"

    @property
    def reports_dir(self) -> Path:
        return self.backup_dir / "reports"

    @property
    def broker_url(self) -> str:
        return self.valkey.url(self.valkey_number)

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment of a process of this installation."""
        return {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "PYTHONPATH": str(REPOSITORY),
            "DATABASE_URL": self.source_url,
            "RAILWAY_BACKUP_DB_URL": self.target_url,
            "CELERY_BROKER_URL": self.broker_url,
            "BACKUP_DIR": str(self.backup_dir),
            **self.extra,
        }

    def target_as_a_person(self) -> Server:
        """As adopt and promote reach it."""
        return Server(
            role="target",
            url=self.settings().target,
            application_name="a person",
            watch=Watch("a person's command", 60),
        )

    def settings(self, **others: str) -> Settings:
        return load_settings({**self.environment, **others}, None)

    def means(self, *, lock: bool = True, **others: str) -> Means:
        """For a run in this process; lock: with the lock in Valkey that a worker's run takes too."""
        settings = self.settings(**others)
        lease = open_lease(settings.lock_url.get_secret_value(), pair=settings.pair) if lock else None
        return open_means(settings, lease=lease, tell=_told_to_nobody)

    def run_here(self, **others: str) -> dict[str, Any]:
        """One run in this process, without broker and worker; returns its report."""
        from tasks.pipeline import run_here  # noqa: PLC0415 - the tasks load with the first run

        return run_here(self.means(lock=False, **others))

    def on_source(self, statements: str) -> None:
        tell(self.source, statements)

    def on_target(self, statements: str) -> None:
        tell(self.target, statements)

    def storage(self) -> list[tuple[Any, ...]]:
        """Which tables and indexes stand in the target, as files."""
        kinds = "relkind IN ('r', 'i') AND relnamespace = 'public'::regnamespace"
        return ask(self.target, f"SELECT oid, relname, relfilenode FROM pg_class WHERE {kinds} ORDER BY 1")

    def fingerprint(self) -> str:
        """The same only while nobody has touched the target."""
        return oracle.fingerprint(self.target, binaries=self._judges())

    def differences(self) -> list[str]:
        """What the oracle finds wrong with the copy, while the source has stood still since it was dumped."""
        binaries = self._judges()
        expected = oracle.as_restored(self.source, on=self.target_server.dsn(), binaries=binaries)
        return oracle.differences(expected, oracle.take(self.target, binaries=binaries))

    def _judges(self) -> PostgresBinaries:
        """The oracle's programs: as new as both servers."""
        return max((self.source_server.binaries, self.target_server.binaries), key=lambda found: found.version)

    def comment(self) -> str | None:
        """The target database's comment: the mark."""
        query = f"SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '{self.target_name}'"
        comment: str | None = ask(self.target_server.dsn(), query)[0][0]
        return comment

    def lock(self) -> list[str]:
        """The keys of locks that somebody holds."""
        with redis.Redis(port=self.valkey.port, db=self.valkey_number) as client:
            return sorted(key.decode() for key in client.keys("railway-neon-sync:*:lock"))

    def copied(self, **others: str) -> dict[str, Any]:
        """A run that succeeds, in this process; its report."""
        report = self.run_here(**others)
        assert (report["outcome"], report["error"]) == ("succeeded", None)
        assert self.leftovers() == [], report["warnings"]
        return report

    def leftovers(self) -> list[str]:
        """What should not be there when no run is going: databases beside the target, sessions, files, the lock."""
        beside = f"SELECT datname FROM pg_database WHERE starts_with(datname, '{self.target_name}__')"
        found = [f"database {name}" for (name,) in ask(self.target_server.dsn(), beside)]
        for server, name in ((self.source_server, self.source_name), (self.target_server, self.target_name)):
            sessions = ask(server.dsn(), f"{_SESSIONS} AND datname IN ('{name}', 'postgres')")
            found += [f"session {session}" for session in sessions]
        files = [*self.backup_dir.rglob("*.part"), *self.backup_dir.rglob(".service*")]
        return found + [f"file {path.name}" for path in files] + [f"lock {key}" for key in self.lock()]


def _told_to_nobody(report: Mapping[str, Any]) -> None:
    """Without a result backend there is none to tell."""


@contextmanager
def installed(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey: ValkeyServer,
    home: Path,
    *,
    own_roles: bool = False,
    application: bool = True,
    **extra: str,
) -> Iterator[Installation]:
    """An installation with an empty target and the demo's application as source; gone when this is left.

    own_roles: with roles that are no superusers; application=False: the source is empty too.
    """
    number = next(_numbers)
    installation = Installation(
        source_server=source_server,
        target_server=target_server,
        valkey=valkey,
        valkey_number=next(_valkey_numbers),
        source_name=f"run_source_{os.getpid()}_{number}",
        target_name=f"run_target_{os.getpid()}_{number}",
        home=home,
        roles=Roles(name=f"run_role_{os.getpid()}_{number}") if own_roles else None,
        extra=extra,
    )
    databases = [(source_server, installation.source_name), (target_server, installation.target_name)]
    with redis.Redis(port=valkey.port, db=installation.valkey_number) as client:
        client.flushdb()
    try:
        for server, name in databases:
            tell(server.dsn(), f"CREATE DATABASE {name} TEMPLATE template0")
        if installation.roles:
            installation.roles.create(installation)
        if application:
            installation.on_source(ESCROW)
        yield installation
    finally:
        for server, name in databases:
            _drop(server, name)
        if installation.roles:
            installation.roles.drop(installation)


def _drop(server: PostgresServer, prefix: str) -> None:
    found = f"SELECT datname FROM pg_database WHERE datname = '{prefix}' OR starts_with(datname, '{prefix}__')"
    for (name,) in ask(server.dsn(), found):
        tell(server.dsn(), f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
