"""The rows of a dump by our own COPY, for each server and each pg_dump that can dump it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.engine.rows.listing import _WORDS_SINCE
from tests.conftest import execute
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
