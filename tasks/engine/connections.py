"""Connections to the two servers: opened with patience, named, watched, and never left behind."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg2
import sqlalchemy
from sqlalchemy.engine import Connection
from sqlalchemy.pool import NullPool

from config.logs import mask
from config.urls import DatabaseUrl
from tasks.engine.background import beside
from tasks.engine.errors import BackupError, Refused, ServerUnreachable, StorageFull
from tasks.engine.session import Session
from tasks.engine.watch import Watch, cut_socket

log = logging.getLogger(__name__)

_TRIES = 3
_PAUSE_S = 1.0
KEEPALIVE = {
    "keepalives": "1",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}
# The database's own defaults must not end our sessions, and an abandoned session must not keep its locks:
# without the check interval the backend of a dead client held them for 29 s, with it for 0.6 s.
_SESSION = (
    "SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0; "
    "SET idle_session_timeout = 0; SET client_min_messages = warning; "
    "SET array_nulls = on; "  # off, a NULL in an array would be loaded as the word
    # After a run the target is full of the source's functions and operators: none of them may be meant by a query of
    # ours, and no event trigger run by us. Only a superuser may say the latter, and only since PostgreSQL 17.
    "SET search_path = ''; "
    "SELECT pg_catalog.set_config('event_triggers', 'off', false) WHERE pg_catalog.current_setting('is_superuser') "
    "OPERATOR(pg_catalog.=) 'on' AND pg_catalog.current_setting('event_triggers', true) IS NOT NULL; "
)
_CHECK_INTERVAL = "; SET client_connection_check_interval = '1s'"
_LOST = psycopg2.InterfaceError("it was lost before")
_UNREACHABLE_STATES = ("08", "57P", "53300")  # connection lost; server going down; too many connections
_END_SESSIONS = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
    "WHERE starts_with(application_name, %(prefix)s) AND pid <> pg_backend_pid()"
)


@dataclass(frozen=True, kw_only=True)
class Server:
    """One of the two databases as a step reaches it: where, as whom, under which name, within which watch."""

    role: str
    url: DatabaseUrl
    application_name: str
    watch: Watch
    read_only: bool = False
    connect_timeout_s: int = 20
    tries: int = _TRIES
    count: Callable[[int], None] | None = None  # is given the round trips of its sessions as they are made

    @property
    def shown(self) -> str:
        """For people: the role and the place, no password."""
        return f"{self.role} ({self.url.host or 'local socket'}, database {self.url.dbname})"

    @contextmanager
    def open(
        self, database: str | None = None, *, autocommit: bool = False, repeatable: bool = False
    ) -> Iterator[Connection]:
        """A session, closed when left; errors of the server come out as ours. Not autocommit: one transaction.

        That transaction is rolled back unless the caller commits it. repeatable: all in it sees what its first
        statement saw.
        """
        url = self.url if database is None else self.url.with_database(database)
        raw = self._connect(url)
        try:
            # Inside the `try`: a watch that has ended refuses to cover anything, and the session must not outlive that.
            with self.watch.covering(lambda: cut_socket(raw)), self.translated():
                level = "REPEATABLE READ" if repeatable else "READ COMMITTED"
                begin = None if autocommit else f"BEGIN ISOLATION LEVEL {level}"
                raw.prepare(self._settings(), begin=begin, count=self.count)
                engine = sqlalchemy.create_engine(
                    "postgresql+psycopg2://",
                    creator=lambda: raw,
                    poolclass=NullPool,
                    # What SQLAlchemy would ask of each new session (five round trips, 0.4 s at 80 ms) is for
                    # statements that it composes itself; ours go as they are.
                    use_native_hstore=False,
                    _initialize=False,
                )
                with engine.connect() as connection:
                    # A statement without parameters goes as it is: names and texts may hold a percent sign.
                    connection.execution_options(no_parameters=True)
                    try:
                        yield connection
                    finally:
                        raw.leave()
        finally:
            with suppress(psycopg2.Error):
                raw.close()

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn what the driver raises into our errors, in one sentence."""
        try:
            yield
        except sqlalchemy.exc.DBAPIError as error:
            raise self._ours(error.orig) from error
        except sqlalchemy.exc.PendingRollbackError as error:  # of the next statement in a session that was lost
            lost = error.__context__
            raise self._ours(lost.orig if isinstance(lost, sqlalchemy.exc.DBAPIError) else _LOST) from error
        except psycopg2.Error as error:
            raise self._ours(error) from error
        except UnicodeDecodeError as error:
            byte = f"0x{error.object[error.start]:02x}"
            raise BackupError(
                f"the {self.shown} has a name that is no text in its encoding (the byte {byte} in it is none), as "
                "SQL_ASCII admits: give it a name of ASCII letters, or move to a database of UTF8"
            ) from error

    def _connect(self, url: DatabaseUrl) -> Session:
        parameters: dict[str, Any] = {
            **KEEPALIVE,
            "connect_timeout": max(2, min(self.connect_timeout_s, int(self.watch.remaining_s))),
            **url.params,
            "application_name": self.application_name,
        }
        for attempt in range(1, self.tries + 1):
            self.watch.check()
            try:
                opened: Session = psycopg2.connect(**parameters, connection_factory=Session)
                return opened
            except psycopg2.OperationalError as error:
                if attempt == self.tries or not _worth_another_try(error):
                    raise self._not_connected(error) from None
                time.sleep(min(_PAUSE_S * attempt, self.watch.remaining_s))
        raise AssertionError("unreachable")

    def _settings(self) -> tuple[str, str]:
        settings = f"{_SESSION}SET default_transaction_read_only = {'on' if self.read_only else 'off'}"
        return settings + _CHECK_INTERVAL, settings  # the latter where a system cannot watch its sockets

    def _not_connected(self, error: psycopg2.Error) -> BackupError:
        text = self._safe(error)
        if "No space left on device" in text:
            return ServerUnreachable(f"the disk of the {self.shown} is full: {text}; make room there, then run again")
        if "does not exist" in text and "database" in text:
            return ServerUnreachable(f"the {self.shown} cannot be used: {text}; check the URL's database name")
        if "password authentication failed" in text or "no password supplied" in text:
            return ServerUnreachable(f"the {self.shown} refused user and password: {text}; check the URL")
        return ServerUnreachable(f"the {self.shown} cannot be reached: {text}")

    def _ours(self, error: BaseException | None) -> BackupError:
        text, state = self._safe(error), getattr(error, "pgcode", None) or ""
        lost = state.startswith(_UNREACHABLE_STATES) or (
            not state and isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
        )
        if full := failure_of_full_disk(self.shown, error, lost=lost):
            return full
        if lost:
            return ServerUnreachable(f"the connection to the {self.shown} was lost: {text}")
        return Refused(f"the {self.shown} refused: {text}")

    def _safe(self, error: BaseException | None) -> str:
        # Masked first: a password with two blanks in it would not be found any more.
        return " ".join(mask(str(error), self.url.secrets).split())[:500] or "no reason given"


def failure_of_full_disk(server: str, error: BaseException | None, *, lost: bool) -> BackupError | None:
    """The error when the server has said that its disk is full; None when it has not. lost: the connection is.

    A server that cannot write its log ends itself: it says so, but what psycopg2 raises last is the lost connection.
    """
    while error is not None and not isinstance(error, psycopg2.errors.DiskFull):
        error = error.__cause__ or error.__context__
    if error is None:
        return None
    said = error.diag.message_primary or str(error)
    if lost or error.diag.severity_nonlocalized == "PANIC":
        return ServerUnreachable(
            f"the {server} ended itself, since its disk is full: {said}; make room there and see that it runs again"
        )
    return StorageFull(f"the disk of the {server} is full: {said}; make room there, then run again")


def _worth_another_try(error: psycopg2.Error) -> bool:
    """A refused password, a missing database or role will not become right by waiting."""
    text = str(error)
    return not any(
        hopeless in text for hopeless in ("authentication failed", "does not exist", "no password", "pg_hba.conf")
    )


Opened = Callable[[], AbstractContextManager[Connection]]
"""Gives a session that was opened ahead, and closes it when it is left."""


@contextmanager
def opened_ahead(
    server: Server, database: str | None, *, autocommit: bool = False, repeatable: bool = False
) -> Iterator[Opened]:
    """Open a session beside other work; what comes back waits for it, and closes it when it is left.

    Where that failed, as on a server that had no connection left, it is opened then.
    """
    session = ExitStack()

    def open_it() -> Connection:
        connection = session.enter_context(server.open(database, autocommit=autocommit, repeatable=repeatable))
        with server.translated():  # while it waits, the server's own idle_session_timeout must not end it
            raw_connection(connection).catch_up()
        return connection

    try:
        with beside(open_it, name="opening ahead") as opening:

            @contextmanager
            def opened() -> Iterator[Connection]:
                with session:
                    try:
                        connection = opening.result()
                    except ServerUnreachable:
                        connection = open_it()
                    yield connection

            yield opened
    finally:
        session.close()


def end_sessions(connection: Connection, prefix: str, *, limit_s: float = 20.0) -> None:
    """End every other session whose application_name begins so, and wait until the last is gone.

    Only then is it certain that none of their statements can still take effect.
    """
    give_up = time.monotonic() + limit_s
    while connection.exec_driver_sql(_END_SESSIONS, {"prefix": prefix}).scalar_one():
        if time.monotonic() > give_up:
            raise BackupError(
                f"sessions named {prefix!r} could not be ended; end them as a superuser with pg_terminate_backend"
            )
        time.sleep(0.05)


def raw_connection(connection: Connection) -> Any:
    """The psycopg2 connection below; the loader speaks to it directly."""
    return connection.connection.driver_connection


def ask(connection: Connection, *queries: str, must: Sequence[str] = ()) -> list[str | None]:
    """One value of each query, as text; None where the role or the server does not allow the question.

    Needs a transaction. All in one round trip, unless one is refused. must: queries that are answered first, or else
    it is raised why they are refused.
    """
    try:
        row = connection.exec_driver_sql(f"SAVEPOINT ask; {_values(*must, *queries)}").one()
    except sqlalchemy.exc.DBAPIError:
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT ask; RELEASE SAVEPOINT ask")
        if not must:
            return [None] if len(queries) == 1 else [ask(connection, query)[0] for query in queries]
        return [*connection.exec_driver_sql(_values(*must)).one(), *(ask(connection, *queries) if queries else ())]
    raw_connection(connection).put_off("RELEASE SAVEPOINT ask")
    return list(row)


def _values(*queries: str) -> str:
    return "SELECT " + ", ".join(f"({query})::text" for query in queries)
