"""What a snapshot shows is of one instant, also when a table is emptied just then."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg2

from config.urls import DatabaseUrl
from tasks.engine.connections import Server
from tasks.engine.snapshot import open_snapshot
from tasks.engine.watch import Watch
from tests.integration.content_support import NewDatabase
from tests.support.installation import ask, tell
from tests.support.workers import wait_until
from worker.demo.servers import PostgresServer

NAME = "railway-neon-sync/snapshot"


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
        with open_snapshot(server, lock_timeout_s=30) as snapshot:
            query = "SELECT (SELECT count(*) FROM public.moved), (SELECT count(*) FROM public.taken_in)"
            moved, taken_in = snapshot.connection.exec_driver_sql(query).one()
            return moved, taken_in

    waits = f"SELECT pid FROM pg_stat_activity WHERE application_name = '{NAME}' AND wait_event_type = 'Lock'"
    with closing(psycopg2.connect(dsn)) as other, ThreadPoolExecutor(1) as pool:
        with other.cursor() as cursor:
            cursor.execute("INSERT INTO taken_in SELECT * FROM moved; TRUNCATE moved")
        looking = pool.submit(look)
        wait_until(lambda: ask(dsn, waits), "the snapshot to wait")
        other.commit()
        assert looking.result() == (0, 2)
