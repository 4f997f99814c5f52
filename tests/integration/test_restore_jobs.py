"""Whole runs whose copy is loaded by several sessions, and what is left when they end in the midst."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.installation import Installation, ask, installed
from tests.support.workers import wait_until
from worker.demo.servers import PostgresServer, ValkeyServer

# More than 16 MB of rows. Both indexes take long where the copy is loaded, and nowhere else.
DATA = """
    CREATE FUNCTION slow(n bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
        IF n = 1 AND current_database() ~ '__incoming_' THEN PERFORM pg_sleep(60); END IF; RETURN n;
    END $$;
    CREATE TABLE a (id bigint PRIMARY KEY, words text);
    CREATE TABLE b (id bigint PRIMARY KEY, a_id bigint REFERENCES a, words text);
    CREATE FUNCTION in_a(n bigint) RETURNS boolean LANGUAGE sql AS 'SELECT EXISTS (SELECT FROM public.a WHERE id = n)';
    INSERT INTO a SELECT n, repeat(md5(n::text), 10) FROM generate_series(1, 40000) n;
    INSERT INTO b SELECT n, n, repeat(md5(n::text), 10) FROM generate_series(1, 40000) n;
"""
SLOW = "CREATE INDEX a_slow ON a (slow(id)); CREATE INDEX b_slow ON b (slow(id))"
BUILDING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE starts_with(application_name, 'railway-neon-sync') AND wait_event = 'PgSleep'
"""
# A run whose silence is death after seconds, without the lock in Redis: that of a killed one would have to run out.
RUN = """
import os
from config.settings import load_settings
from tasks import framing
from tasks.means import open_means
from tasks.pipeline import run_here
framing.BEAT_S, framing.ALIVE_S = 0.5, 3.0
run_here(open_means(load_settings(os.environ, None), lease=None, tell=lambda report: None))
"""


@pytest.fixture(scope="module")
def installation(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    """With a first copy, made by two sessions."""
    home = tmp_path_factory.mktemp("jobs")
    with installed(source_server, target_server, valkey_server, home, RESTORE_JOBS="2", FULL_RUNS="true") as one:
        one.on_source(DATA)
        assert one.run_here()["outcome"] == "succeeded"
        assert one.differences() == []
        one.on_source(SLOW)
        yield one


@pytest.fixture(autouse=True)
def as_before(installation: Installation) -> Iterator[None]:
    """Whatever happens to a run, what stands there is the copy of before, or the same by another run."""
    before = installation.fingerprint()
    yield
    assert installation.fingerprint() == before
    wait_until(lambda: building(installation) == 0, "sessions to end")


@contextmanager
def killed_while(installation: Installation, sessions: int, **extra: str) -> Iterator[None]:
    """A run in a process of its own, which is killed when so many sessions build an index, and this is left."""
    environment = {**installation.environment, **extra}
    with subprocess.Popen([sys.executable, "-c", RUN], env=environment, cwd=installation.home) as process:
        try:
            wait_until(lambda: building(installation) == sessions, f"{sessions} sessions to build indexes", 30)
            yield
        finally:
            process.kill()
    wait_until(lambda: building(installation) == 0, "the server to end them", 10)


def test_the_steps_limit_ends_both_sessions(installation: Installation) -> None:
    report = installation.run_here(RESTORE_TIMEOUT_S="5")
    assert report["outcome"] == "rolled_back", report["error"]
    assert "longer than its limit of 5 s" in report["error"]
    assert installation.leftovers() == []


def test_rows_that_are_tied_to_others_by_a_function_are_loaded_by_one(
    installation: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    """pg_dump writes the large table first, as their names go; several sessions would bring it last."""
    installation.on_source("DROP INDEX a_slow, b_slow; CREATE TABLE c (a_id bigint CHECK (in_a(a_id)))")
    installation.on_source("INSERT INTO c VALUES (1)")
    try:
        with caplog.at_level("WARNING"):
            report = installation.run_here()
        assert (report["outcome"], installation.differences(), installation.leftovers()) == ("succeeded", [], [])
        assert any("all is loaded again by one session" in record.getMessage() for record in caplog.records)
    finally:
        installation.on_source("DROP TABLE c")
        installation.run_here()
        installation.on_source(SLOW)


def test_in_place_and_packed_dumps_are_loaded_by_one(installation: Installation) -> None:
    """Whatever RESTORE_JOBS says: one transaction, and a file that is read from its begin."""
    installation.on_source("DROP INDEX a_slow, b_slow")
    try:
        for extra in ({"RESTORE_METHOD": "in_place"}, {"DUMP_COMPRESSION": "zstd"}):
            report = installation.run_here(**extra)
            assert (report["outcome"], installation.differences()) == ("succeeded", [])
    finally:
        installation.on_source(SLOW)


def building(installation: Installation) -> int:
    return int(ask(installation.target_server.dsn(), BUILDING)[0][0])


@pytest.mark.parametrize("jobs", [1, 2])
def test_as_many_sessions_work_as_are_asked_for_and_a_killed_run_leaves_nothing(
    installation: Installation, jobs: int
) -> None:
    with killed_while(installation, jobs, RESTORE_JOBS=str(jobs)):
        pass
    installation.on_source("DROP INDEX a_slow, b_slow")
    try:
        wait_until(lambda: installation.run_here()["outcome"] == "succeeded", "the killed run to be ended")
        assert (installation.differences(), installation.leftovers()) == ([], [])
    finally:
        installation.on_source(SLOW)
