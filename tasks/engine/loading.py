"""Sending a plain dump to a server through our own connection, so that a dead worker is a rollback at the server."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from psycopg2.extensions import connection as Connection  # noqa: N812 - psycopg2 names its class in lower case

from tasks.engine.dumpfile_reader import CopyBlock, DumpReader, Statement, open_dump
from tasks.engine.dumpfile_rules import Kind
from tasks.engine.dumpfile_source import BLOCK_BYTES
from tasks.engine.errors import DumpRefused
from tasks.engine.loading_session import LoadSession
from tasks.engine.packing import unpacked

Item = Statement | CopyBlock
# a hostile dump's warnings would pile up in psycopg2 while a string of statements runs
_QUIET = b"SET client_min_messages = error;"


class Sending(Protocol):
    """What a dump's items are given to: one session, or several that look like one."""

    def add(self, statement: Statement) -> None: ...

    def copy(self, block: CopyBlock) -> None: ...

    def settle(self) -> None: ...

    def flush(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class LoadSummary:
    """What a load did. statements: the file's, COPY included; rows, tables: of COPY blocks, tables that held rows."""

    statements: int
    tables: int
    rows: int
    bytes: int
    round_trips: int


def load_dump(
    connection: Connection,
    path: Path,
    *,
    sha256: str,
    session_settings: str,
    keys: Sequence[str] = (),
    progress: Callable[[int], None] | None = None,
) -> LoadSummary:
    """Send the dump's statements and data. The caller owns the transaction: nothing is committed here.

    With autocommit each string of statements commits by itself, so the caller must discard the database on failure.
    keys: secret keys of age, for an encrypted dump.
    session_settings: SET statements, sent when the dump's preamble has reset the timeouts; none for client_encoding.
    progress: is given the number of bytes read so far.
    The session keeps the dump's settings, an empty search_path among them; only client_encoding is put back.

    Raises DumpRefused (also when the file's SHA-256 is another), LoadFailed, ServerUnreachable (the connection broke).
    """
    with open_dump(path, keys=keys, progress=progress) as dump:
        session = LoadSession(connection, dump)
        with session.never_half_committed():
            send_all(session, dump, dump.items(), session_settings)
            _demand_hash(path, dump.sha256, sha256)  # also of what was read just now: the file may have changed again
            session.flush()
            session.restore_encoding()
        return LoadSummary(
            statements=dump.statements,
            tables=sum(1 for rows in dump.rows.values() if rows),
            rows=dump.rows.total(),
            bytes=dump.bytes_read,
            round_trips=session.round_trips,
        )


def demand_unchanged(
    path: Path, *, sha256: str, keys: Sequence[str] = (), check: Callable[[], None] = lambda: None
) -> None:
    """DumpRefused unless the file is still the one that was examined. check: raises when the step must end."""
    found = hashlib.sha256()
    with unpacked(path, keys) as stream:
        while block := stream.read(BLOCK_BYTES):
            check()
            found.update(block)
    _demand_hash(path, found.hexdigest(), sha256)


def _demand_hash(path: Path, found: str, wanted: str) -> None:
    if found != wanted:
        raise another_file(path.name, f"its SHA-256 is {found} and not {wanted}")


def another_file(name: str, how: str = "what was read of it now is something else") -> DumpRefused:
    """Than the one that was examined. name: the dump's; how: it is seen."""
    return DumpRefused(
        f"the dump {name} is not the file that was examined: {how}; it must not be loaded, make a new dump"
    )


def send_all(session: Sending, dump: DumpReader, items: Iterator[Item], session_settings: str) -> None:
    """The dump's items in their order, and the session's own settings behind its preamble."""
    in_preamble = True
    for item in items:
        if in_preamble and not (isinstance(item, Statement) and item.kind is Kind.SETTING):
            _end_preamble(session, session_settings, line=item.line)
            in_preamble = False
        if isinstance(item, CopyBlock):
            session.copy(item)
        else:
            session.add(item)
    if in_preamble:
        _end_preamble(session, session_settings, line=dump.line)


def _end_preamble(session: Sending, session_settings: str, *, line: int) -> None:
    ours = session_settings.encode().rstrip(b"; \n") + b";"
    for text in (_QUIET, ours):
        session.add(Statement(text=text, line=line, kind=Kind.SETTING))
    session.settle()
