"""Sessions that are connected before they are needed: taken once, by whom they are for, and never left behind."""

from collections.abc import Iterator

import pytest
from sqlalchemy.engine import Connection

from config.urls import DatabaseUrl
from tasks.engine import connected_ahead, dump_writing, dumping
from tasks.engine.clients import Client
from tasks.engine.connected_ahead import close_waiting
from tasks.engine.connections import Server
from tasks.engine.rows.listing import Listing
from tasks.engine.watch import Watch
from tests.integration.content_support import NewDatabase
from tests.support.installation import Installation, ask, installed, tell
from tests.support.workers import wait_until
from worker.demo.servers import PostgresServer, ValkeyServer


@pytest.fixture
def name(source_server: PostgresServer, new_database: NewDatabase) -> str:
    return new_database(source_server, "ahead")


@pytest.fixture
def dsn(source_server: PostgresServer, name: str) -> str:
    return source_server.dsn(name)


@pytest.fixture
def server(source_server: PostgresServer, name: str, dsn: str) -> Iterator[Server]:
    yield Server(
        role="source",
        url=DatabaseUrl.parse(source_server.url(name)),
        application_name=f"railway-neon-sync/{name}",
        watch=Watch("test", 60),
    )
    close_waiting()
    wait_until(lambda: not sessions(dsn), "the end of its sessions")


def sessions(dsn: str) -> list[int]:
    of_ours = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'rail%'"
    return sorted(pid for (pid,) in ask(dsn, of_ours))


def pid_of_next(server: Server) -> int:
    with server.open() as connection:
        return int(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())


def ahead(server: Server, dsn: str, times: int = 1) -> list[int]:
    for _ in range(times):
        server.connect_ahead()
    wait_until(lambda: len(sessions(dsn)) == times, "its sessions")
    return sessions(dsn)


def test_each_is_taken_once(server: Server, dsn: str) -> None:
    waiting = ahead(server, dsn, 2)
    assert sorted(pid_of_next(server) for _ in range(2)) == waiting
    assert pid_of_next(server) not in waiting


def test_one_that_is_still_being_connected_is_waited_for(server: Server, dsn: str) -> None:
    server.connect_ahead()
    pid_of_next(server)
    wait_until(lambda: not sessions(dsn), "the end of its sessions")


def test_what_was_said_to_it_before_it_was_taken_is_nothing(server: Server, dsn: str) -> None:
    """It has the settings that any session of ours has, and no transaction."""
    ahead(server, dsn)
    with server.open(repeatable=True) as connection:
        found = connection.exec_driver_sql(
            "SELECT current_setting('statement_timeout'), current_setting('search_path'), "
            "current_setting('transaction_isolation')"
        ).one()
    assert tuple(found) == ("0", '""', "repeatable read")


def test_another_database_another_name_and_another_right_are_not_served_by_it(server: Server, dsn: str) -> None:
    [waiting] = ahead(server, dsn)
    for other in (
        Server(**{**vars(server), "application_name": "railway-neon-sync/other"}),
        Server(**{**vars(server), "read_only": True}),
    ):
        assert pid_of_next(other) != waiting
    with server.open("postgres") as connection:
        assert connection.exec_driver_sql("SELECT current_database()").scalar_one() == "postgres"
    assert pid_of_next(server) == waiting


def test_one_that_the_server_has_ended_is_not_used(server: Server, dsn: str) -> None:
    waiting = ahead(server, dsn, 2)
    tell(dsn, f"SELECT pg_terminate_backend({waiting[0]}), pg_terminate_backend({waiting[1]})")
    wait_until(lambda: not sessions(dsn), "the end of its sessions")
    assert pid_of_next(server) not in waiting


def test_what_nobody_takes_is_closed_after_a_while(server: Server, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connected_ahead, "KEPT_S", 0.2)
    server.connect_ahead()
    pid_of_next(server)
    ahead(server, dsn)
    wait_until(lambda: not sessions(dsn), "the end of its sessions")
    assert pid_of_next(server)


def test_that_it_cannot_be_connected_is_told_by_whoever_needs_it(server: Server) -> None:
    nowhere = Server(**{**vars(server), "url": server.url.with_database("nowhere"), "tries": 1})
    nowhere.connect_ahead()
    with pytest.raises(Exception, match="check the URL's database name"):
        pid_of_next(nowhere)


@pytest.fixture(scope="module")
def installation(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    with installed(source_server, target_server, valkey_server, tmp_path_factory.mktemp("ahead")) as found:
        yield found


def of_runs(installation: Installation) -> int:
    count = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'railway-neon-sync/%'"
    return sum(int(ask(dsn, count)[0][0]) for dsn in (installation.source, installation.target))


@pytest.mark.parametrize("change", ["", "UPDATE users SET display_name = 'changed' WHERE id = 2"])
def test_a_run_leaves_none(installation: Installation, change: str) -> None:
    installation.copied()
    if change:
        installation.on_source(change)
    installation.copied()
    wait_until(lambda: not of_runs(installation), "the end of its sessions", 5)


def test_nor_does_one_that_fails(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    installation.copied()
    installation.on_source("UPDATE users SET display_name = 'changed' WHERE id = 2")
    monkeypatch.setenv("RNS_FAULT", "restore_target.begin=raise")
    assert installation.run_here()["outcome"] == "failed"
    wait_until(lambda: not of_runs(installation), "the end of its sessions", 5)


def test_psql_whose_session_is_ended_before_it_has_something_to_do_is_no_failure(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle = "FROM pg_stat_activity WHERE application_name LIKE 'railway-neon-sync/%' AND state = 'idle' AND query = ''"

    def list_rows(connection: Connection, client: Client) -> tuple[Listing | None, str]:
        if "source" in str(connection.exec_driver_sql("SELECT current_database()").scalar_one()):
            wait_until(lambda: ask(installation.source, f"SELECT {idle}"), "psql")
            tell(installation.source, f"SELECT pg_terminate_backend(pid, 5000) {idle}")
        return dump_writing.list_rows(connection, client)

    monkeypatch.setattr(dumping, "list_rows", list_rows)
    report = installation.copied()
    assert report["dump_ways"][report["source_dump"]["file"]].startswith(
        "all by pg_dump: psql ended with exit status 2"
    )
    assert installation.leftovers() == []
