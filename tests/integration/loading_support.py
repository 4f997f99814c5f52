"""Two ways to load a dump, ours and psql's, and what came of them."""

import os
import re
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg2

from tasks.engine.dumpfile import inspect_dump
from tasks.engine.loading import LoadSummary, load_dump
from worker.demo.servers import PostgresServer

NewDatabase = Callable[[PostgresServer, str], str]

_CHANCE = re.compile(rb"^(?:\\(?:un)?restrict .*|-- Dumped (?:from|by) .*)\n", re.MULTILINE)
SETTINGS = "SET statement_timeout = '60s'; SET lock_timeout = '10s'"


def _run(server: PostgresServer, tool: str, database: str, *options: str) -> bytes:
    command = [server.binaries.tool(tool), "-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", "-d", database]
    environment = {**os.environ, "PGPASSWORD": server.password}
    done = subprocess.run([*command, *options], env=environment, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def dump_text(server: PostgresServer, database: str) -> bytes:
    """A dump, without the lines that differ from one to the next."""
    return _CHANCE.sub(b"", _run(server, "pg_dump", database))


def dump_to(path: Path, server: PostgresServer, database: str, *options: str) -> Path:
    _run(server, "pg_dump", database, f"--file={path}", *options)
    return path


def load_with_psql(server: PostgresServer, database: str, path: Path) -> None:
    _run(server, "psql", database, "-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-f", str(path))


def load(server: PostgresServer, database: str, path: Path, *, autocommit: bool = False) -> LoadSummary:
    with closing(psycopg2.connect(server.dsn(database))) as connection:
        connection.autocommit = autocommit
        summary = load_dump(connection, path, sha256=inspect_dump(path).sha256, session_settings=SETTINGS)
        if not autocommit:
            connection.commit()
    return summary
