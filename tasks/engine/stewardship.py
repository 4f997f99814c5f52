"""Two decisions of people about the target: it is ours to overwrite (adopt), or it is production now (promote).

Both stand in the mark, on the server itself: the loss of Redis, journal and volume does not undo them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

import psycopg2
import sqlalchemy
from sqlalchemy.engine import Connection

from tasks.engine.connections import Server
from tasks.engine.content import Content, content_digest, read_content
from tasks.engine.dumping import identity
from tasks.engine.errors import BackupError
from tasks.engine.mark import Mark, TargetState, identifier, read_state, set_mark_statement
from tasks.engine.replacing import fence
from tasks.engine.wording import counted

_PATIENCE_S = 30.0
# A session keeps what its database's settings were when it connected. Of other roles' sessions, who is no superuser
# sees little more than the process.
_READ_ONLY_SESSIONS = """
    SELECT count(*) FROM pg_catalog.pg_stat_activity s
    WHERE s.datname = current_database() AND s.pid <> pg_backend_pid()
        AND coalesce(s.backend_type, 'client backend') = 'client backend'
        AND NOT starts_with(coalesce(s.application_name, ''), 'railway-neon-sync/')
        AND EXISTS (
            SELECT FROM pg_catalog.pg_db_role_setting d WHERE d.setdatabase = s.datid AND d.setrole = 0
                AND 'default_transaction_read_only=on' = ANY (d.setconfig)
        )
"""
UNMARKED = "promoted"  # in place of a run's id: it bore no mark of ours


@dataclass(frozen=True, kw_only=True)
class Holding:
    """What stands in the target now, for a person who decides about it."""

    host: str
    port: int
    database: str
    tables: int
    rows: int
    content_digest: str
    mark: Mark | None

    @property
    def told(self) -> str:
        held = f"{counted(self.tables, 'table')} with {counted(self.rows, 'row')}"
        return f"database {self.database} at {self.host}:{self.port} holds {held}"


@dataclass(frozen=True, kw_only=True)
class Promoted:
    """The target as production. read_only_sessions: so many of others' were opened while the copy refused writes."""

    mark: Mark
    read_only_sessions: int


def look(server: Server) -> Holding:
    """Read the target; changes nothing."""
    with server.open(repeatable=True) as connection:
        return _holding(server, read_content(connection), _state(server, connection))


def adopt(
    server: Server, *, now: datetime, seen: Holding | None = None, begin: Callable[[], None] = lambda: None
) -> Holding:
    """Let scheduled runs overwrite what the target holds now, and nothing that is written to it later.

    It lifts a promotion too. seen: what the person was shown; BackupError when it is not that any more. begin: is
    called when from then on it may be done.
    """
    with _marking(server) as (connection, state):
        content = read_content(connection)
        if seen is not None and content_digest(content) != seen.content_digest:
            raise BackupError(
                f"somebody wrote to the database {server.url.dbname} since it was shown; nothing was changed; look who "
                "uses it, then type this again"
            )
        mark = Mark(
            run_id="adopted",
            snapshot_at=now.isoformat(timespec="seconds"),
            content_digest=content_digest(content),
            source=state.mark.source if state.mark else "unknown",
            adopted=now.isoformat(timespec="seconds"),
            read_only=state.mark.read_only if state.mark else None,
        )
        begin()
        connection.exec_driver_sql(set_mark_statement(server.url.dbname, mark.as_comment()))
        connection.commit()
    return _holding(server, content, TargetState(oid=state.oid, comment=mark.as_comment()))


def promote(
    server: Server, *, now: datetime, patience_s: float = _PATIENCE_S, begin: Callable[[], None] = lambda: None
) -> Promoted:
    """Make the copy production: no run overwrites it any more, and ordinary sessions may write.

    It needs the target alone: the source may be gone. patience_s: how long a run that replaces it just now is waited
    for; BackupError after it. begin: is called when from then on it may be done.
    """
    with _marking(server, patience_s) as (connection, state):
        before = state.mark or Mark(
            run_id=UNMARKED, snapshot_at="unknown", content_digest="unknown", source=identity(connection)
        )
        mark = replace(before, promoted=before.promoted or now.isoformat(timespec="seconds"), read_only=None)
        name = identifier(server.url.dbname)
        read_only_sessions = connection.exec_driver_sql(_READ_ONLY_SESSIONS).scalar_one()
        begin()
        connection.exec_driver_sql(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        connection.exec_driver_sql(set_mark_statement(server.url.dbname, mark.as_comment()))
        connection.commit()
    return Promoted(mark=mark, read_only_sessions=read_only_sessions)


@contextmanager
def _marking(server: Server, patience_s: float = _PATIENCE_S) -> Iterator[tuple[Connection, TargetState]]:
    """One transaction under the fence: no run publishes meanwhile, and one that would afterwards finds another mark."""
    maintenance = fence.find_maintenance_database(server)
    with server.open(maintenance or server.url.dbname) as guard, server.open() as connection:
        guard.exec_driver_sql(f"SET LOCAL lock_timeout = {int(patience_s * 1000)}")
        try:
            guard.exec_driver_sql(fence.take_lock_statement(server.url.dbname))
        except sqlalchemy.exc.DBAPIError as error:
            if isinstance(error.orig, psycopg2.errors.LockNotAvailable):
                raise _busy(server, patience_s) from error
            raise
        yield connection, _state(server, connection)


def _busy(server: Server, waited_s: float) -> BackupError:
    return BackupError(
        f"a run has been replacing the database {server.url.dbname} for {waited_s:g} s; nothing was changed; it ends "
        "by itself, after RESTORE_TIMEOUT_S at the latest: type this again then, or end the worker first"
    )


def _state(server: Server, connection: Connection) -> TargetState:
    state = read_state(connection, server.url.dbname)
    if state is None:
        raise BackupError(f"the database {server.url.dbname} does not exist any more")
    return state


def _holding(server: Server, content: Content, state: TargetState) -> Holding:
    return Holding(
        host=server.url.host,
        port=server.url.port,
        database=server.url.dbname,
        tables=len(content.tables),
        rows=sum(table.rows for table in content.tables),
        content_digest=content_digest(content),
        mark=state.mark,
    )
