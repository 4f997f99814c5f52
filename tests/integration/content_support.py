"""Databases to be read, and copies of them made by PostgreSQL's own programs."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2
import sqlalchemy
from sqlalchemy.engine import Connection
from sqlalchemy.pool import NullPool

from tasks.engine import session as engine_session
from tasks.engine.content import Content, TableContent, read_content
from tests.conftest import execute
from worker.demo.servers import PostgresServer

FOLDER = Path(__file__).parent
NewDatabase = Callable[[PostgresServer, str], str]


@dataclass
class Session:
    """A connection as the engine has one, and every statement that went over it."""

    connection: Connection
    statements: list[str] = field(default_factory=list)


@contextmanager
def session(dsn: str, *, autocommit: bool = False) -> Iterator[Session]:
    with closing(psycopg2.connect(dsn, connection_factory=engine_session.Session)) as raw:
        raw.prepare((), begin=None if autocommit else "BEGIN")
        engine = sqlalchemy.create_engine("postgresql+psycopg2://", creator=lambda: raw, poolclass=NullPool)
        with engine.connect() as connection:
            opened = Session(connection)
            sqlalchemy.event.listen(
                engine, "before_cursor_execute", lambda *details: opened.statements.append(details[2])
            )
            yield opened


def mutations(name: str) -> list[tuple[str, str]]:
    """(what the sentence names, statements) for each section of the file."""
    _, *sections = (FOLDER / name).read_text().split("--- ")
    return [(named, statements) for named, _, statements in (section.partition("\n") for section in sections)]


def read(dsn: str) -> Content:
    with session(dsn) as opened:
        return read_content(opened.connection)


def rows_of(content: Content, name: str, schema: str = "public") -> TableContent:
    [table] = [table for table in content.tables if (table.schema, table.name) == (schema, name)]
    return table


@dataclass(frozen=True)
class Database:
    """A database on a server of the tests."""

    server: PostgresServer
    name: str

    @property
    def dsn(self) -> str:
        return self.server.dsn(self.name)

    def execute(self, statements: str) -> None:
        execute(self.dsn, statements)

    def read(self) -> Content:
        return read(self.dsn)

    def restore_from(self, source: "Database", *options: str) -> None:
        """pg_dump | psql."""
        dump = _run(source, "pg_dump", *options)
        _run(self, "psql", "-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", text=dump)


def _run(database: Database, tool: str, *options: str, text: bytes = b"") -> bytes:
    server = database.server
    where = ["-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", "-d", database.name]
    done = subprocess.run(
        [server.binaries.tool(tool), *where, *options],
        env={**os.environ, "PGPASSWORD": server.password},
        input=text,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout
