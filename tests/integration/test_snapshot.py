"""What a snapshot shows is of one instant, also when a table is emptied just then."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from config.urls import DatabaseUrl
from tasks.engine.connections import Server
from tasks.engine.errors import BackupError
from tasks.engine.snapshot import take_snapshot
from tasks.engine.watch import Watch
from tests.integration.content_support import NewDatabase
from tests.support.installation import ask, tell
from tests.support.workers import wait_until
from worker.demo.servers import PostgresServer, find_postgres

NAME = "railway-neon-sync/snapshot"
MANY_TABLES = 3000


def test_a_table_that_is_emptied_while_its_lock_is_waited_for_is_seen_with_all_that_belongs_to_it(
    source_server: PostgresServer, new_database: NewDatabase
) -> None:
    """TRUNCATE does not respect snapshots: one taken before the lock would show the emptied table without its copy."""
    name = new_database(source_server, "snapshot")
    dsn = source_server.dsn(name)
    tell(dsn, "CREATE TABLE moved (a int); INSERT INTO moved VALUES (1), (2); CREATE TABLE taken_in (a int)")
    url = DatabaseUrl.parse(source_server.url(name))
    server = Server(role="source", url=url, application_name=NAME, watch=Watch("snapshot", 60), read_only=True)

    def look() -> tuple[int, int]:
        with server.open() as connection:
            take_snapshot(server, connection, lock_timeout_s=30)
            query = "SELECT (SELECT count(*) FROM public.moved), (SELECT count(*) FROM public.taken_in)"
            moved, taken_in = connection.exec_driver_sql(query).one()
            return moved, taken_in

    waits = f"SELECT pid FROM pg_stat_activity WHERE application_name = '{NAME}' AND wait_event_type = 'Lock'"
    with closing(psycopg2.connect(dsn)) as other, ThreadPoolExecutor(1) as pool:
        with other.cursor() as cursor:
            cursor.execute("INSERT INTO taken_in SELECT * FROM moved; TRUNCATE moved")
        looking = pool.submit(look)
        wait_until(lambda: ask(dsn, waits), "the snapshot to wait")
        other.commit()
        assert looking.result() == (0, 2)


def test_more_tables_than_the_server_can_lock_are_refused_with_the_setting_that_suffices(server_root: Path) -> None:
    server = PostgresServer(server_root / "few-locks", find_postgres()).create().start()
    try:
        for name, value in (
            ("max_locks_per_transaction", 10),
            ("max_connections", 20),
            ("max_prepared_transactions", 0),
        ):
            tell(server.dsn(), f"ALTER SYSTEM SET {name} = {value}")
        server.restart()
        for hundred in range(MANY_TABLES // 100):  # each in a transaction of its own, which needs locks, too
            tell(server.dsn(), "".join(f"CREATE TABLE t{hundred}_{number} (a int); " for number in range(100)))
        url = DatabaseUrl.parse(server.url())
        asked = Server(role="source", url=url, application_name=NAME, watch=Watch("snapshot", 60), read_only=True)
        with asked.open() as connection, pytest.raises(BackupError) as refused:
            take_snapshot(asked, connection, lock_timeout_s=30)
        assert "room for 200 locks, and a dump of 3000 tables takes up to 7000; " in str(refused.value)
        assert "raise max_locks_per_transaction there to 350 (it is 10)" in str(refused.value)
        tell(server.dsn(), "ALTER SYSTEM SET max_locks_per_transaction = 350")
        server.restart()
        with asked.open() as connection:
            assert take_snapshot(asked, connection, lock_timeout_s=30).name
    finally:
        server.remove()
