"""One exported snapshot of a database, under which its rows are counted, fingerprinted and dumped."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg2
import sqlalchemy
from sqlalchemy.engine import Connection

from tasks.engine.connections import Server, ask
from tasks.engine.content.catalog import read_relations
from tasks.engine.errors import BackupError, SourceBusy
from tasks.engine.mark import identifier

_TRIES = 5
_POLL_S = 0.5
_TABLES = """
    SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    ORDER BY 1, 2
"""
_WAITING_BEHIND_US = """
    SELECT coalesce(max(extract(epoch FROM clock_timestamp() - waiting.waitstart)), 0)
    FROM pg_locks waiting
    WHERE NOT waiting.granted AND EXISTS (
        SELECT FROM pg_stat_activity ours
        WHERE starts_with(ours.application_name, %(prefix)s) AND ours.pid = ANY (pg_blocking_pids(waiting.pid))
    )
"""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """An open transaction that holds the snapshot; it ends with the `with` that opened it."""

    connection: Connection
    name: str  # for pg_dump --snapshot
    taken_at: str  # ISO 8601, the server's clock
    wal_position: str | None
    tables: int


@contextmanager
def open_snapshot(server: Server, *, lock_timeout_s: float) -> Iterator[Snapshot]:
    """REPEATABLE READ, READ ONLY, with ACCESS SHARE on every table; SourceBusy when a lock is not to be had.

    The locks come before the snapshot: TRUNCATE does not respect snapshots, so a table that is emptied after
    the snapshot and before its lock would be read as empty.
    """
    with server.open() as connection:
        for _ in range(_TRIES):
            tables = _list_tables(connection)
            connection.rollback()
            _begin_locked(connection, tables, lock_timeout_s)
            if _list_tables(connection) == tables:  # the first SELECT: this takes the snapshot
                break
            connection.rollback()  # tables came or went in between
        else:
            raise SourceBusy(f"tables of the {server.shown} come and go all the time; no snapshot could be taken")
        row = connection.exec_driver_sql(
            "SELECT pg_export_snapshot(), to_char(transaction_timestamp() AT TIME ZONE 'UTC', "
            "'YYYY-MM-DD\"T\"HH24:MI:SS.US+00:00')"
        ).one()
        yield Snapshot(
            connection=connection,
            name=row[0],
            taken_at=row[1],
            wal_position=ask(connection, "SELECT pg_current_wal_lsn()")[0],
            tables=len(tables),
        )


@contextmanager
def giving_way(server: Server, *, prefix: str, limit_s: float) -> Iterator[None]:
    """While inside, nobody waits behind our sessions for longer than limit_s: the work is cut for SourceBusy."""
    over = threading.Event()

    def look(connection: Connection) -> None:
        with suppress(BackupError), server.translated():  # a lost connection is told by the work beside it
            while not over.wait(_POLL_S):
                waited_s = connection.exec_driver_sql(_WAITING_BEHIND_US, {"prefix": prefix}).scalar_one()
                if waited_s > limit_s:
                    server.watch.fail(_gave_way(server, float(waited_s)))

    with server.open(autocommit=True) as connection:
        observer = threading.Thread(target=look, args=(connection,), name="giving way", daemon=True)
        observer.start()
        try:
            yield
        finally:
            over.set()
            observer.join()


def _gave_way(server: Server, waited_s: float) -> SourceBusy:
    return SourceBusy(
        f"somebody at the {server.shown} waited {waited_s:.0f} s behind our dump (a migration, it seems); "
        "the dump gave way; run it again when that is done"
    )


def _list_tables(connection: Connection) -> list[tuple[str, str]]:
    return [(schema, name) for schema, name in connection.exec_driver_sql(_TABLES)]


def _begin_locked(connection: Connection, tables: list[tuple[str, str]], lock_timeout_s: float) -> None:
    connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    if not tables:
        return
    names = ", ".join(f"ONLY {identifier(schema)}.{identifier(name)}" for schema, name in tables)
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {int(lock_timeout_s * 1000)}")
    try:
        connection.exec_driver_sql(f"LOCK TABLE {names} IN ACCESS SHARE MODE")
    except sqlalchemy.exc.DBAPIError as error:
        if isinstance(error.orig, psycopg2.errors.InsufficientPrivilege):
            connection.rollback()
            read_relations(connection)  # names every such table, and the statement to type
        raise _not_locked(error, lock_timeout_s) from error
    connection.exec_driver_sql("SET LOCAL lock_timeout = 0")


def _not_locked(error: sqlalchemy.exc.DBAPIError, lock_timeout_s: float) -> BackupError:
    text = " ".join(str(error.orig).split())
    if isinstance(error.orig, psycopg2.errors.LockNotAvailable):
        return SourceBusy(
            f"a table stayed locked by somebody else for {lock_timeout_s:g} s ({text}); nothing was dumped; "
            "run it again when that is done, or raise SOURCE_LOCK_TIMEOUT_S"
        )
    if isinstance(error.orig, psycopg2.errors.UndefinedTable):
        return SourceBusy(f"a table was dropped while the dump began ({text}); run it again")
    return BackupError(f"the tables could not be locked for reading: {text}")
