"""The session at the target while a dump is loaded: few round trips, and a failure that names its line."""

import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import chain

import psycopg2
from psycopg2 import extensions
from psycopg2.extensions import connection as Connection  # noqa: N812 - psycopg2 names its classes in lower case
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from tasks.engine.dumpfile_reader import CopyBlock, DumpReader, Statement
from tasks.engine.dumpfile_rules import Kind, setting, without_own_options
from tasks.engine.errors import BackupError, LoadFailed
from tasks.engine.loading_errors import (
    failure_of_copy,
    failure_of_statements,
    find_culprit,
    is_about_a_statement,
    statement_at,
)

_BATCH_BYTES = 1 << 20
_BATCH_STATEMENTS = 500
_TRANSACTION_TIMEOUT_SINCE = 170000
_LOGGED_SINCE = 150000
_IDENTITY = re.compile(rb"ALTER TABLE .*? ADD GENERATED (?:ALWAYS|BY DEFAULT) AS IDENTITY \(\n", re.DOTALL)
_SYNTAX_ERROR = "42601"
_LOGGED = b"\n    LOGGED\n    START WITH "


def is_unknown(statement: Statement, *, server_version: int) -> bool:
    """Whether it sets what only pg_dump since 17 sets, for a server before 17, which would refuse it."""
    return (
        statement.kind is Kind.SETTING
        and server_version < _TRANSACTION_TIMEOUT_SINCE
        and setting(statement.text)[0] == "transaction_timeout"
    )


def in_older_words(text: bytes, *, server_version: int) -> bytes:
    """A statement for a server before 15, whose sequences are all logged and which refuses to be told so.

    pg_dump since 15 tells it of the identity sequence of an unlogged table that comes from such a server.
    """
    if server_version >= _LOGGED_SINCE or not _IDENTITY.match(text):
        return text
    before, found, after = text.rpartition(_LOGGED)
    return before + b"\n    START WITH " + after if found else text


class _CopyStream:
    """What copy_expert reads from. It swallows our errors and says only that reading failed: we keep them."""

    def __init__(self, first: bytes, others: Iterator[bytes]) -> None:
        self._pieces = chain([first], others)
        self.error: BaseException | None = None

    def read(self, _size: int = -1) -> bytes:
        try:
            return next(self._pieces, b"")
        except BaseException as error:
            self.error = error
            raise

    readline = read


class LoadSession:
    """The connection during a load, and the statements that wait for the next round trip."""

    def __init__(self, connection: Connection, cursor: Cursor, dump: DumpReader) -> None:
        self.round_trips = 0
        self._connection, self._cursor, self._dump = connection, cursor, dump
        self._waiting: list[Statement] = []
        self._waiting_bytes = 0
        self._autocommit = bool(connection.autocommit)
        self._in_large_objects = False
        self._encoding = connection.info.parameter_status("client_encoding") or "UTF8"
        # named by chance: a statement that ended our transaction cannot have made it again
        self._savepoint = f"rns_{secrets.token_hex(8)}".encode()

    @property
    def _set_savepoint(self) -> bytes:
        return b"SAVEPOINT " + self._savepoint + b";"

    def add(self, statement: Statement) -> None:
        """Have a statement wait, and send when enough do."""
        if statement.kind in {Kind.BEGIN, Kind.COMMIT}:
            self._large_objects(statement)
        elif is_unknown(statement, server_version=self._connection.server_version):
            return
        elif text := without_own_options(statement.text):
            text = in_older_words(text, server_version=self._connection.server_version)
            self._wait(replace(statement, text=text))

    def _large_objects(self, statement: Statement) -> None:
        """Open large objects live only as long as a transaction: ours, or with autocommit the dump's own."""
        if not self._autocommit:
            return
        if statement.kind is Kind.BEGIN:
            self.flush()
        self._in_large_objects = statement.kind is Kind.BEGIN
        self._wait(statement)
        if statement.kind is Kind.COMMIT:
            self.flush()

    def _wait(self, statement: Statement) -> None:
        self._waiting.append(statement)
        self._waiting_bytes += len(statement.text)
        if self._waiting_bytes >= _BATCH_BYTES or len(self._waiting) >= _BATCH_STATEMENTS:
            self.flush()

    def flush(self) -> None:
        """Send what waits, as one string."""
        batch, self._waiting, self._waiting_bytes = self._waiting, [], 0
        if not batch:
            return
        try:
            self._execute(self._as_string(batch, savepoint=not self._autocommit))
        except psycopg2.Error as error:
            raise failure_of_statements(self._connection, batch, self._culprit(batch, error), error) from error
        self._check()

    def copy(self, block: CopyBlock) -> None:
        """Send a COPY block; one without rows changes nothing, so it is not sent."""
        first = next(block.data, None)
        if first is None:
            return
        self.flush()
        stream = _CopyStream(first, block.data)
        self.round_trips += 2  # the statement, then the end of the data
        try:
            self._cursor.copy_expert(block.text, stream)
        except psycopg2.Error as error:
            if stream.error is not None:
                raise stream.error from None
            raise failure_of_copy(self._connection, block, error) from error
        self._check()

    def restore_encoding(self) -> None:
        """psycopg2 goes on to speak in the encoding that it found when it connected."""
        if self._encoding != self._dump.encoding:
            self._execute(f"SET client_encoding = '{self._encoding}'".encode())

    @contextmanager
    def never_half_committed(self) -> Iterator[None]:
        """After a failure the transaction is in error, so that a COMMIT by mistake is a rollback."""
        try:
            yield
        except (BackupError, psycopg2.Error):
            if not self._autocommit and not self._connection.closed:
                with suppress(psycopg2.Error):
                    self._execute(b"SELECT 1/0")
            raise

    def _execute(self, statements: bytes) -> None:
        self.round_trips += 1
        self._cursor.execute(statements)

    def _as_string(self, batch: Sequence[Statement], *, savepoint: bool) -> bytes:
        texts = [statement.text for statement in batch]
        if savepoint:
            texts = [self._set_savepoint, *texts, b"RELEASE SAVEPOINT " + self._savepoint + b";"]
        return b"\n".join(texts)

    def _culprit(self, batch: Sequence[Statement], error: psycopg2.Error) -> Statement | None:
        """Which statement of the string it was, by trying again in halves; the server does not say."""
        if not is_about_a_statement(self._connection, error):
            return None
        if len(batch) == 1:
            return batch[0]
        if error.pgcode == _SYNTAX_ERROR and (position := error.diag.statement_position):
            # The whole string was refused before its first statement: no savepoint was set, and there is no need.
            before = b"" if self._autocommit else self._set_savepoint + b"\n"
            encoding = extensions.encodings[self._connection.encoding]
            return statement_at(batch, int(position), before=before, encoding=encoding)
        if self._in_large_objects or batch[-1].kind is Kind.COMMIT:
            return None
        try:
            self._execute(b"BEGIN" if self._autocommit else b"ROLLBACK TO SAVEPOINT " + self._savepoint)
            culprit = find_culprit(batch, self._works)
            if self._autocommit:
                self._execute(b"ROLLBACK")
        except psycopg2.Error:
            return None
        return culprit

    def _works(self, part: Sequence[Statement]) -> bool:
        try:
            self._execute(self._as_string(part, savepoint=True))
        except psycopg2.Error as error:
            if not is_about_a_statement(self._connection, error):
                raise
            self._execute(b"ROLLBACK TO SAVEPOINT " + self._savepoint)
            return False
        return True

    def _check(self) -> None:
        """No statement may have ended the transaction or changed how the next ones are read; costs no round trip."""
        info = self._connection.info
        in_transaction = not self._autocommit or self._in_large_objects
        expected = extensions.TRANSACTION_STATUS_INTRANS if in_transaction else extensions.TRANSACTION_STATUS_IDLE
        strings = "on" if self._dump.standard_strings else "off"
        if info.transaction_status != expected:
            raise LoadFailed(f"a statement before line {self._dump.line} of the dump began or ended a transaction")
        if (
            info.parameter_status("standard_conforming_strings") != strings
            or info.parameter_status("client_encoding") != self._dump.encoding
        ):
            raise LoadFailed(
                f"a statement before line {self._dump.line} of the dump, or the session settings, changed "
                "client_encoding or standard_conforming_strings"
            )
