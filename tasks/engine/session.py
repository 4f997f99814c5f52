"""A psycopg2 session that spends few round trips: what needs no answer of its own goes ahead of the next statement.

The driver's BEGIN, its ROLLBACK before a session is closed, and a string of SETs cost a round trip each otherwise.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

import psycopg2
from psycopg2 import extensions

_OPEN = (extensions.TRANSACTION_STATUS_INTRANS, extensions.TRANSACTION_STATUS_INERROR)


class Session(extensions.connection):
    """What `Server.open` opens. A transaction begins in the round trip of its first statement.

    When the session is left, no transaction is ended: a server undoes what a closed session has not committed.
    """

    _settings: Sequence[
        str
    ] = ()  # not sent yet: strings of statements, each to be tried when the one before is refused
    _begin: str | None = None
    _put_off = ""
    _left = False
    _count: Callable[[int], None] | None = None

    def prepare(
        self, settings: Sequence[str], *, begin: str | None, count: Callable[[int], None] | None = None
    ) -> None:
        """settings: SETs; then the same without what some servers refuse. begin: none for autocommit.

        count: is given round trips as they are made.
        """
        self.set_session(autocommit=True)  # it is we who begin
        self.cursor_factory = _Cursor
        self._settings, self._begin, self._count = settings, begin, count

    @property
    def autocommit(self) -> bool:  # type: ignore[override]
        """Each statement is a transaction of its own."""
        return self._begin is None

    def put_off(self, statement: str) -> None:
        """Send it ahead of the transaction's next statement or its COMMIT; never, when there is none."""
        self._put_off += f"{statement}; "

    def catch_up(self) -> None:
        """Send what was put off, and the settings if they were not sent yet: no more may come for a while."""
        if self._settings or self._put_off:
            with self.cursor() as cursor:
                cursor.execute("")

    def count(self, round_trips: int) -> None:
        """So many more were made."""
        if self._count is not None:
            self._count(round_trips)

    def leave(self) -> None:
        """From now on a rollback is left to the server."""
        self._left = True

    def commit(self) -> None:
        # What was put off may be what undoes something: it must not be left out.
        ahead = self._put_off if self.info.transaction_status == extensions.TRANSACTION_STATUS_INTRANS else ""
        self._end(f"{ahead}COMMIT")

    def rollback(self) -> None:
        if not self._left:
            self._end("ROLLBACK")

    def _end(self, how: str) -> None:
        self._put_off = ""
        if self.info.transaction_status in _OPEN:
            with self.cursor() as cursor:
                cursor.execute(how)

    def send(self, cursor: "_Cursor", query: str | bytes, values: Any) -> None:
        """The statement, and ahead of it what has waited."""
        if self._settings and self.autocommit and not _goes_along(query):
            self._send(cursor, "", None)
        self._send(cursor, query, values)

    def _send(self, cursor: "_Cursor", query: str | bytes, values: Any) -> None:
        try:
            cursor.send(_joined(self._ahead(), query, escaped=values is not None), values)
        except psycopg2.errors.InvalidParameterValue:
            if len(self._settings) < 2:
                raise
            if self.info.transaction_status in _OPEN:
                cursor.send("ROLLBACK", None)
            self._settings = self._settings[1:]
            self._send(cursor, query, values)
        except psycopg2.Error:
            if self.info.transaction_status in _OPEN:  # else the string could not be read, and nothing was done
                self._settings, self._put_off = (), ""
            raise
        self._settings, self._put_off = (), ""

    def _ahead(self) -> str:
        # In a transaction of their own: what is undone later must not take them along.
        settings = f"BEGIN; {self._settings[0]}; COMMIT; " if self._settings else ""
        begins = self._begin is not None and self.info.transaction_status == extensions.TRANSACTION_STATUS_IDLE
        return settings + (f"{self._begin}; " if begins else "") + self._put_off


class _Cursor(extensions.cursor):
    def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002 - the driver's name for it
        cast(Session, self.connection).send(self, query, vars)

    def copy_expert(self, sql: Any, file: Any, size: int = 8192) -> None:
        session = cast(Session, self.connection)
        session.send(self, "", None)
        session.count(2 if "stdin" in str(sql).lower() else 1)  # one for the statement, one for the end of the data
        super().copy_expert(sql, file, size)

    def send(self, query: str | bytes, values: Any) -> None:
        """The driver's own way."""
        if query:
            cast(Session, self.connection).count(1)
            super().execute(query, values)


def _goes_along(query: str | bytes) -> bool:
    """In one string with others, which PostgreSQL refuses for CREATE DATABASE and the like."""
    return query.lstrip()[:6] in ("SELECT", b"SELECT")


def _joined(ahead: str, query: str | bytes, *, escaped: bool) -> str | bytes:
    ahead = ahead.replace("%", "%%") if escaped else ahead
    return ahead + query if isinstance(query, str) else ahead.encode() + query
