"""The rows of a dump by our own COPY, for each server and each pg_dump that can dump it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.engine import dumpfile
from tasks.engine.dumpfile import inspect_dump
from tasks.engine.rows.listing import _WORDS_SINCE
from tests.conftest import execute
from tests.integration.loading_support import dump_text, dump_to, load_by_several, load_with_psql, server_of
from tests.support import fidelity
from tests.support.both_ways import ODD, dump_both_ways
from tests.support.installation import ask
from tests.support.majors import MAJORS, binaries_of
from worker.demo.servers import PostgresServer


@pytest.fixture(scope="module", params=MAJORS)
def server(request: pytest.FixtureRequest, server_root: Path) -> Iterator[PostgresServer]:
    """With a database of all that pg_dump carries, and one of odd names."""
    server = PostgresServer(server_root / f"rows-{request.param}", binaries_of(request.param)).create().start()
    for name in ("everything", "odd"):
        execute(server.dsn(), f"CREATE DATABASE {name} TEMPLATE template0")
    fidelity.fill(server.dsn("everything"))
    execute(server.dsn("odd"), ODD.read_text())
    yield server
    server.remove()


@pytest.mark.parametrize("database", ["everything", "odd"])
def test_every_client_writes_it_as_it_does_alone(server: PostgresServer, database: str) -> None:
    differences = {
        major: found.reason or found.first_difference
        for major in MAJORS
        if major >= server.binaries.major
        for found in [dump_both_ways(server.url(database), binaries_of(major))]
    }
    assert differences == dict.fromkeys(differences, "")


def test_the_words_that_only_newer_clients_quote_are_known(server: PostgresServer) -> None:
    found = {row[0].encode() for row in ask(server.dsn(), "SELECT word FROM pg_get_keywords() WHERE catcode <> 'U'")}
    known = {word for since, words in _WORDS_SINCE.items() if since <= server.binaries.major for word in words}
    later = {word for words in _WORDS_SINCE.values() for word in words} - known
    assert known <= found
    assert not later & found
    assert len(found - known) == 151  # those of 14


def test_several_sessions_load_what_one_would(
    server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dumpfile, "LARGE_BLOCK_BYTES", 1)
    path = dump_to(tmp_path / "all.sql", server, "everything", "--no-owner", "-x")
    for name in ("by_psql", "by_several"):
        execute(server.dsn(), f"CREATE DATABASE {name} TEMPLATE template0")
    load_with_psql(server, "by_psql", path)
    load_by_several(server_of(server, "by_several"), path, inspect_dump(path))
    assert dump_text(server, "by_several") == dump_text(server, "by_psql")
