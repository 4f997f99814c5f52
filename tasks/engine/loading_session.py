"""The session at the target while a dump is loaded: few round trips, and a failure that names its line."""

import logging
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import chain

import psycopg2
from psycopg2 import extensions
from psycopg2.extensions import connection as Connection  # noqa: N812 - psycopg2 names its classes in lower case

from tasks.engine.dumpfile_reader import CopyBlock, DumpReader, Statement
from tasks.engine.dumpfile_rules import Kind, without_own_options
from tasks.engine.errors import BackupError, LoadFailed
from tasks.engine.loading_errors import (
    failure_of_copy,
    failure_of_statements,
    find_culprit,
    is_about_a_statement,
    statement_at,
)
from tasks.engine.loading_older import in_older_words, is_unknown
from tasks.engine.loading_rows import ENCODINGS, SMALL_BYTES, PlainTables, Rows, insert_statement

log = logging.getLogger(__name__)

_BATCH_BYTES = 1 << 20
_BATCH_STATEMENTS = 500
_SYNTAX_ERROR = "42601"


class _CopyStream:
    """What copy_expert reads from. It swallows our errors and says only that reading failed: we keep them."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self.error: BaseException | None = None

    def read(self, _size: int = -1) -> bytes:
        try:
            return next(self._pieces, b"")
        except BaseException as error:
            self.error = error
            raise

    readline = read


def _begin(data: Iterator[bytes]) -> list[bytes]:
    """The first pieces: all of them when the data is small."""
    pieces: list[bytes] = []
    length = 0
    for piece in data:
        pieces.append(piece)
        length += len(piece)
        if length > SMALL_BYTES:
            break
    return pieces


class LoadSession:
    """The connection during a load, and the statements that wait for the next round trip.

    savepoints: within a transaction, so that it can be told which statement of a string failed. Each is a transaction's
    id more, of which nobody can say later that it was this one's.
    """

    def __init__(self, connection: Connection, dump: DumpReader, *, savepoints: bool = True) -> None:
        self.round_trips = 0
        self._connection, self._cursor, self._dump = connection, connection.cursor(), dump
        self._waiting: list[Statement] = []
        self._waiting_bytes = 0
        self._autocommit = bool(connection.autocommit)
        self._savepoints = savepoints and not self._autocommit
        self._in_large_objects = False
        self._encoding = connection.info.parameter_status("client_encoding") or "UTF8"
        self._tables = PlainTables()
        self._inserts = dump.encoding in ENCODINGS and dump.encoding == connection.info.parameter_status(
            "server_encoding"
        )
        # named by chance: a statement that ended our transaction cannot have made it again
        self._savepoint = f"rns_{secrets.token_hex(8)}".encode()

    def stores(self, block: CopyBlock) -> bool:
        """Whether the dump made the block's table itself, and no rule says what becomes of its rows."""
        return self._tables.hold(block)

    def serves(self, connection: Connection) -> bool:
        return self._connection is connection

    @property
    def _set_savepoint(self) -> bytes:
        return b"SAVEPOINT " + self._savepoint + b";"

    @property
    def _forget(self) -> bytes:
        return b"ROLLBACK TO SAVEPOINT %b; RELEASE SAVEPOINT %b" % (self._savepoint, self._savepoint)

    def add(self, statement: Statement) -> None:
        """Have a statement wait, and send when enough do."""
        if statement.kind in {Kind.BEGIN, Kind.COMMIT}:
            self._large_objects(statement)
        elif is_unknown(statement, server_version=self._connection.server_version):
            return
        elif text := without_own_options(statement.text):
            self._tables.note(text)
            text = in_older_words(text, server_version=self._connection.server_version)
            self._wait(replace(statement, text=text))

    def _large_objects(self, statement: Statement) -> None:
        """Open large objects live only as long as a transaction: ours, or with autocommit the dump's own.

        What is open cannot be written again after a failure, so nothing else goes in one string with it.
        """
        if statement.kind is Kind.BEGIN:
            self.flush()
        if self._autocommit:
            self._in_large_objects = statement.kind is Kind.BEGIN
            self._wait(statement)
        if statement.kind is Kind.COMMIT:
            self.flush()

    def _wait(self, statement: Statement) -> None:
        self._waiting.append(statement)
        self._waiting_bytes += len(statement.text)
        if self._waiting_bytes >= _BATCH_BYTES or len(self._waiting) >= _BATCH_STATEMENTS:
            self.flush()

    def copy(self, block: CopyBlock) -> None:
        """Send a COPY block, or have a small one wait as INSERT. One without rows changes nothing: it is not sent."""
        begin = _begin(block.data)
        if not begin:
            return
        if rows := self._as_rows(block, begin):
            self._wait(rows)
            return
        self.flush()
        self._copy(replace(block, data=chain(begin, block.data)))

    def _as_rows(self, block: CopyBlock, begin: Sequence[bytes]) -> Rows | None:
        if not (self._inserts and self._dump.standard_strings and self._tables.hold(block)):
            return None
        data = b"".join(begin)
        text = insert_statement(block.text, data) if len(data) <= SMALL_BYTES else None
        return (
            Rows(text=text, line=block.line, kind=Kind.COPY, block=replace(block, data=iter([data]))) if text else None
        )

    def settle(self) -> None:
        """Send the settings that wait, unless what follows is read as it would be without them.

        The server decodes and parses a whole string by what held when it came.
        """
        if not self._reads_as_the_dump_says():
            self.flush()

    def flush(self) -> None:
        """Send what waits, as one string."""
        batch, self._waiting, self._waiting_bytes = self._waiting, [], 0
        while batch:
            batch = self._send(batch)

    def _send(self, batch: list[Statement]) -> list[Statement]:
        """Send statements as one string; returns those that are still to be sent."""
        if not self._inserts and (rows := next((each for each in batch if isinstance(each, Rows)), None)):
            return self._send_by_copy(batch, rows)
        try:
            self._execute(self._as_string(batch, savepoint=self._savepoints))
        except psycopg2.Error as error:
            failure = error
        else:
            self._check()
            return []
        culprit = self._culprit(batch, failure)
        if not isinstance(culprit, Rows) or not self._undone():
            raise failure_of_statements(self._connection, batch, culprit, failure) from failure
        return self._send_by_copy(batch, culprit)

    def _send_by_copy(self, batch: list[Statement], rows: Rows) -> list[Statement]:
        """The rows as the COPY block that they were, behind what stands before them; returns what is behind them.

        The server then says which row it refuses. If it refuses none, every block from here on is sent by COPY.
        """
        place = batch.index(rows)
        before = batch[:place]
        while before:
            before = self._send(before)
        self._copy(rows.block)
        if self._inserts:
            log.info("the data behind line %d of the dump is loaded by COPY alone, and so is what follows", rows.line)
        self._inserts = False
        return batch[place + 1 :]

    def _copy(self, block: CopyBlock) -> None:
        stream = _CopyStream(block.data)
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
            before = self._set_savepoint + b"\n" if self._savepoints else b""
            encoding = extensions.encodings[self._connection.encoding]
            return statement_at(batch, int(position), before=before, encoding=encoding)
        cannot_go_back = not (self._savepoints or self._autocommit)
        if cannot_go_back or self._in_large_objects or batch[-1].kind is Kind.COMMIT:
            return None
        try:
            self._execute(b"BEGIN" if self._autocommit else b"ROLLBACK TO SAVEPOINT " + self._savepoint)
            culprit = find_culprit(batch, self._works)
            if self._autocommit:
                self._execute(b"ROLLBACK")
        except psycopg2.Error:
            return None
        return culprit

    def _undone(self) -> bool:
        """Go back to before the string that failed; False where that is not possible."""
        if not self._autocommit:
            try:
                self._execute(self._forget)
            except psycopg2.Error:  # the string was refused before its first statement
                return False
        return True

    def _works(self, part: Sequence[Statement]) -> bool:
        try:
            self._execute(self._as_string(part, savepoint=True))
        except psycopg2.Error as error:
            if not is_about_a_statement(self._connection, error):
                raise
            self._execute(self._forget)
            return False
        return True

    def _check(self) -> None:
        """No statement may have ended the transaction or changed how the next ones are read; costs no round trip."""
        info = self._connection.info
        in_transaction = not self._autocommit or self._in_large_objects
        expected = extensions.TRANSACTION_STATUS_INTRANS if in_transaction else extensions.TRANSACTION_STATUS_IDLE
        if info.transaction_status != expected:
            raise LoadFailed(f"a statement before line {self._dump.line} of the dump began or ended a transaction")
        if not self._reads_as_the_dump_says():
            raise LoadFailed(
                f"a statement before line {self._dump.line} of the dump, or the session settings, changed "
                "client_encoding or standard_conforming_strings"
            )

    def _reads_as_the_dump_says(self) -> bool:
        status = self._connection.info.parameter_status
        strings = "on" if self._dump.standard_strings else "off"
        return (status("client_encoding"), status("standard_conforming_strings")) == (self._dump.encoding, strings)
