"""One exported snapshot of a database, under which its rows are counted, fingerprinted and dumped."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg2
import sqlalchemy
from sqlalchemy.engine import Connection

from tasks.engine.background import beside
from tasks.engine.connections import Server, ask
from tasks.engine.content.catalog import read_relations
from tasks.engine.errors import BackupError, SourceBusy
from tasks.engine.lock_table import read_lock_table
from tasks.engine.mark import TargetState, qualified

SOON_BYTES = 1 << 30
"""A larger database takes long, however near it is: what is made ready meanwhile would have to wait."""
_OTHER_LOCKS = 1000  # of the rows by COPY, of indexes while the content is read, of everybody else
_TRIES = 5
_POLL_S = 0.5
_TABLES = """
    SELECT coalesce(json_agg(json_build_array(n.nspname, c.relname) ORDER BY n.nspname, c.relname), '[]')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""
_STATE = """
    SELECT json_build_object('oid', oid::bigint, 'comment', shobj_description(oid, 'pg_database'))
    FROM pg_database WHERE datname = current_database()
"""
_TAKEN = f"""
    SELECT ({_TABLES}), pg_export_snapshot(), current_setting('server_version_num')::int / 10000,
        pg_database_size(current_database()),
        to_char(transaction_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US+00:00')
"""
_WAITING_BEHIND_US = """
    SELECT coalesce(max(extract(epoch FROM clock_timestamp() - waiting.waitstart)), 0)
    FROM pg_locks waiting
    WHERE NOT waiting.granted AND EXISTS (
        SELECT FROM pg_stat_activity ours
        WHERE starts_with(ours.application_name, %(prefix)s) AND ours.datname = current_database()
            AND ours.pid = ANY (pg_blocking_pids(waiting.pid))
    )
"""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """An open transaction that holds the snapshot; it ends with the session."""

    connection: Connection
    name: str  # for pg_dump --snapshot
    taken_at: str  # ISO 8601, the server's clock
    server_major: int
    size_bytes: int  # of the database
    before: TargetState  # read before the snapshot was taken: a mark that is set later is another one
    answers: Sequence[str | None]  # read before, too


def take_snapshot(
    server: Server,
    connection: Connection,
    *,
    lock_timeout_s: float,
    must: Sequence[str] = (),
    may: Sequence[str] = (),
    before_locks: Callable[[], None] = lambda: None,
) -> Snapshot:
    """REPEATABLE READ, READ ONLY, with ACCESS SHARE on every table; SourceBusy when a lock is not to be had.

    must, may: more to ask, before, as `ask` does.

    The locks come before the snapshot: TRUNCATE does not respect snapshots, so a table that is emptied after
    the snapshot and before its lock would be read as empty.
    """
    listed, state, *answers = ask(connection, *may, must=[_TABLES, _STATE, *must])
    tables = json.loads(listed or "")
    before_locks()
    for _ in range(_TRIES):
        found, name, major, size_bytes, taken_at = _take(connection, tables, lock_timeout_s)
        if found == tables:
            break
        tables = found  # tables came or went in between
    else:
        raise SourceBusy(f"tables of the {server.shown} come and go all the time; no snapshot could be taken")
    return Snapshot(
        connection=connection,
        name=name,
        taken_at=taken_at,
        server_major=major,
        size_bytes=size_bytes,
        before=TargetState(**json.loads(state or "")),
        answers=answers,
    )


@contextmanager
def giving_way(server: Server, *, prefix: str, limit_s: float) -> Iterator[Callable[[], None]]:
    """While inside, nobody waits behind our sessions for longer than limit_s: the work is cut for SourceBusy.

    What comes back is to be called before any lock is taken: it returns when somebody looks.
    """
    over, looking = threading.Event(), threading.Event()

    def look() -> None:
        try:
            with server.open(autocommit=True) as connection:
                looking.set()
                with suppress(BackupError), server.translated():  # a lost connection is told by the work beside it
                    while not over.wait(_POLL_S):
                        waited_s = connection.exec_driver_sql(_WAITING_BEHIND_US, {"prefix": prefix}).scalar_one()
                        if waited_s > limit_s:
                            server.watch.fail(_gave_way(server, float(waited_s)))
        finally:
            looking.set()

    with beside(look, name="giving way") as observer:

        def until_somebody_looks() -> None:
            looking.wait()
            if observer.done():
                observer.result()

        try:
            yield until_somebody_looks
        finally:
            over.set()


def _gave_way(server: Server, waited_s: float) -> SourceBusy:
    return SourceBusy(
        f"somebody at the {server.shown} waited {waited_s:.0f} s behind our dump (a migration, it seems); "
        "the dump gave way; run it again when that is done"
    )


def _take(connection: Connection, tables: list[list[str]], lock_timeout_s: float) -> Sequence[Any]:
    """The tables locked, then the snapshot, taken by the first SELECT and exported; in one round trip."""
    names = ", ".join(f"ONLY {qualified((schema, name))}" for schema, name in tables)
    lock = (
        f"SET LOCAL lock_timeout = {int(lock_timeout_s * 1000)}; LOCK TABLE {names} IN ACCESS SHARE MODE; "
        "SET LOCAL lock_timeout = 0; "
    )
    begin = "ROLLBACK; BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; "
    try:
        return connection.exec_driver_sql(begin + (lock if tables else "") + _TAKEN).one()
    except sqlalchemy.exc.DBAPIError as error:
        if isinstance(error.orig, psycopg2.errors.InsufficientPrivilege):
            connection.rollback()
            read_relations(connection)  # names every such table, and the statement to type
        if isinstance(error.orig, psycopg2.errors.OutOfMemory):
            connection.rollback()
            raise _no_room(connection, len(tables)) from error
        raise _not_locked(error, lock_timeout_s) from error


def _no_room(connection: Connection, tables: int) -> BackupError:
    """In the server's table of locks."""
    found, needed = read_lock_table(connection), 2 * tables + _OTHER_LOCKS  # pg_dump locks them, too
    return BackupError(
        f"the tables could not be locked for reading: the server has room for {found.room} locks, and a dump of "
        f"{tables} tables takes up to {needed}; raise max_locks_per_transaction there to {found.setting_for(needed)} "
        f"(it is {found.per_transaction}) and start the server again"
    )


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
