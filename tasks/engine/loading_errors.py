"""What the server said about a dump that is being loaded, and about which line of it."""

import re
from collections.abc import Callable, Sequence

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 - psycopg2 names its class in lower case

from tasks.engine.connections import failure_of_full_disk
from tasks.engine.dumpfile_reader import CopyBlock, Statement
from tasks.engine.dumpfile_rules import harmless, shown
from tasks.engine.errors import BackupError, LoadFailed, ServerUnreachable
from tasks.engine.loading_rows import Rows

_MESSAGE_CHARACTERS = 500
# connection lost, resources, ended by an operator or a time limit, the system: not the statement's own fault
_NOT_THE_STATEMENT = ("08", "53", "57", "58")
_COPY_LINE = re.compile(r"^COPY .*, line ([0-9]+)", re.MULTILINE)


def is_about_a_statement(connection: Connection, error: psycopg2.Error) -> bool:
    """Whether the same statement would fail again."""
    return not connection.closed and bool(error.pgcode) and not str(error.pgcode).startswith(_NOT_THE_STATEMENT)


def find_culprit(batch: Sequence[Statement], works: Callable[[Sequence[Statement]], bool]) -> Statement:
    """The first statement of a failed batch that fails, found by halving: `works` carries out a part of it."""
    while len(batch) > 1:
        half = len(batch) // 2
        batch = batch[half:] if works(batch[:half]) else batch[:half]
    return batch[0]


def statement_at(batch: Sequence[Statement], position: int, *, before: bytes, encoding: str) -> Statement:
    """The statement that holds the character `position` (from 1) of the string that was sent.

    before: what stood before the statements in it; each begins a line. encoding: Python's name for the string's.
    """
    end = len(before.decode(encoding, "replace"))
    for statement in batch:
        end += len(statement.text.decode(encoding, "replace")) + 1
        if position <= end:
            return statement
    return batch[-1]


def failure_of_statements(
    connection: Connection, batch: Sequence[Statement], culprit: Statement | None, error: psycopg2.Error
) -> BackupError:
    """The error for statements that were sent as one string; culprit: None when it is not known which one failed."""
    if culprit is not None:
        return LoadFailed(f"{_refused_line(culprit.line)} ({_named(culprit)}): {_said(error)}")
    lines = f"lines {batch[0].line} to {batch[-1].line} of the dump"
    if full := failure_of_full_disk("target", error, lost=bool(connection.closed)):
        return full
    if connection.closed:
        return _lost(lines, error)
    return LoadFailed(f"the target's server stopped within {lines} ({_named(batch[0])} and on): {_said(error)}")


def failure_of_copy(connection: Connection, block: CopyBlock, error: psycopg2.Error) -> BackupError:
    """The error for a COPY block, with the line in the file where the server told one."""
    if full := failure_of_full_disk("target", error, lost=bool(connection.closed)):
        return full
    if connection.closed:
        return _lost(f"the data behind line {block.line} of the dump", error)
    at = _COPY_LINE.search(error.diag.context or "")
    line = block.data_line + int(at[1]) - 1 if at else block.line
    return LoadFailed(f"{_refused_line(line)} ({shown(block.text)}): {_said(error)}")


def _named(statement: Statement) -> str:
    """As it stands in the file."""
    return shown(statement.block.text if isinstance(statement, Rows) else statement.text)


def _refused_line(line: int) -> str:
    return f"the target's server refused line {line} of the dump"


def _lost(where: str, error: psycopg2.Error) -> ServerUnreachable:
    return ServerUnreachable(f"the connection to the target was lost while {where} were loaded: {_said(error)}")


def _said(error: psycopg2.Error) -> str:
    """The server's message; its detail too, except where that quotes a row (a violated constraint)."""
    detail = None if str(error.pgcode).startswith("23") else error.diag.message_detail
    words = error.diag.message_primary or str(error)
    return harmless(f"{words}; {detail}" if detail else words, limit=_MESSAGE_CHARACTERS)
