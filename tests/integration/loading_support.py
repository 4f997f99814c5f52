"""Two ways to load a dump, ours and psql's, and what came of them."""

import os
import re
import subprocess
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg2

from config.urls import DatabaseUrl
from tasks.engine.connections import Server, opened_ahead, raw_connection
from tasks.engine.crew import Crew
from tasks.engine.dumpfile import DumpFacts, inspect_dump
from tasks.engine.loading import LoadSummary, load_dump
from tasks.engine.loading_together import load_together
from tasks.engine.watch import Watch
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


def server_of(server: PostgresServer, database: str, *, count: Callable[[int], None] | None = None) -> Server:
    """As the engine reaches one of its databases. count: is given the round trips of all its sessions."""
    return Server(
        role="target",
        url=DatabaseUrl.parse(server.url(database)),
        application_name=f"railway-neon-sync/{database}",
        watch=Watch("test", 120),
        count=count,
    )


def load_by_several(
    server: Server, path: Path, facts: DumpFacts, *, sessions: int = 3, progress: Callable[[int], None] | None = None
) -> LoadSummary:
    """facts: what was found when the dump was examined."""
    with server.open(autocommit=True) as connection, ExitStack() as stack:
        helpers = [stack.enter_context(opened_ahead(server, None, autocommit=True)) for _ in range(sessions - 1)]
        return load_together(
            stack.enter_context(Crew(connection, helpers)),
            raw_connection(connection),
            path,
            parts=facts.load_parts,
            large_blocks=facts.large_blocks,
            rows=facts.rows,
            session_settings=SETTINGS,
            progress=progress,
        )
