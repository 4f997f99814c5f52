"""The journal's database: how it is opened, and how its errors become ours."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import NullPool

from tasks.engine.connections import KEEPALIVE
from tasks.engine.errors import BackupError
from tasks.engine.file_owner import give_to_owner_of
from tasks.engine.forks import GuardedConnection

_BUSY_TIMEOUT_S = 20
_CONNECT_TIMEOUT_S = 20


class JournalUnavailable(BackupError):
    """The journal cannot be read or written."""


class NoJournal(JournalUnavailable):
    """There is none."""

    def __init__(self, place: str) -> None:
        super().__init__(f"there is no journal at {place}: nothing ran here yet, or it was lost")


class JournalGone(JournalUnavailable):
    """The one with which this process has worked is not there any more."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what}, since it was deleted or replaced while this process worked with it: put it back; or, when it is "
            "lost for good, start the worker again, which begins a new one, and type: railway-neon-sync take-over"
        )


@contextmanager
def explained() -> Iterator[None]:
    try:
        yield
    except sa.exc.IntegrityError:
        raise
    except sa.exc.SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        if "no such table" in reason or 'relation "rns_' in reason:
            raise JournalGone(f"the journal cannot be used: {reason}") from error
        remedy = (
            "make room on the disk of BACKUP_DIR"
            if "full" in reason
            else "move it away, the next run begins a new one: the reports beside it tell which dumps are verified"
            if "malformed" in reason or "not a database" in reason
            else "see that BACKUP_DIR and every file in it belong to this user, or that JOURNAL_URL is right"
        )
        raise JournalUnavailable(f"the journal cannot be used: {reason}; {remedy}") from error


def open_engine(url: str, *, create: bool) -> Engine:
    """An engine that holds no connection between calls, so that nothing is shared by forked processes.

    create: SQLite's file is made where it is missing; nothing makes it later. Without it NoJournal is raised.
    """
    with explained():
        if not url.startswith("sqlite"):
            return sa.create_engine(url, poolclass=NullPool, connect_args=_patience(url))
        path = Path(sa.make_url(url).database or "")
    try:
        return _open_file(url, path, create=create)
    except PermissionError as error:
        raise JournalUnavailable(
            f"this user may not open {path}: type it as the user who runs the worker (sudo -u)"
        ) from error


def _open_file(url: str, path: Path, *, create: bool) -> Engine:
    if path.is_symlink():
        raise JournalUnavailable(
            f"the journal {path} is a symbolic link and is not followed: name the file itself in JOURNAL_URL, or "
            "remove the link"
        )
    if create:
        _make(path)
    elif not path.is_file():
        raise NoJournal(str(path))
    return _open_sqlite(url, path)


def _patience(url: str) -> dict[str, str]:
    """A server that does not answer is not waited for without end; what the URL says counts."""
    usual = {"connect_timeout": str(_CONNECT_TIMEOUT_S), **KEEPALIVE}
    return {name: value for name, value in usual.items() if name not in sa.make_url(url).query}


def place_of(engine: Engine) -> str:
    """Where the journal is, for people: no user, no password."""
    url = engine.url
    return str(url.database) if url.host is None else f"{url.host}:{url.port or 5432}/{url.database}"


def demand_id(engine: Engine, query: sa.Select[Any], journal_id: str) -> None:
    """From now on JournalGone in each transaction that finds another journal in the place of this one."""

    @sa.event.listens_for(engine, "begin")
    def _compare(connection: Connection) -> None:
        if connection.execute(query).scalar_one_or_none() != journal_id:
            raise JournalGone(f"the journal {place_of(engine)} is another one now")


def _make(path: Path) -> None:
    """With the mode that what SQLite makes beside it will have, too."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            give_to_owner_of(path.parent, descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if not path.exists():  # one that is there may be of another user, and readable
            raise JournalUnavailable(
                f"the journal {path} cannot be made: {error.strerror}; see that BACKUP_DIR belongs to this user, or "
                "that JOURNAL_URL is right"
            ) from error


def _open_sqlite(url: str, path: Path) -> Engine:
    def connect() -> sqlite3.Connection:
        """Not in SQLite's own way, which makes an empty file, readable for all, where one was deleted."""
        try:
            path.stat()
        except FileNotFoundError:
            raise JournalGone(f"the journal {path} is not there any more") from None
        except OSError:  # SQLite says what is wrong
            pass
        uri = f"file:{quote(str(path.absolute()))}?mode=rw"
        # isolation_level: we say BEGIN ourselves, see below.
        raw = sqlite3.connect(
            uri,
            uri=True,
            timeout=_BUSY_TIMEOUT_S,
            check_same_thread=False,
            isolation_level=None,
            factory=GuardedConnection,
        )
        try:
            # A rollback journal, synced fully: what was written is there after a power cut, and there is no -wal file.
            raw.execute("PRAGMA journal_mode = DELETE")
            raw.execute("PRAGMA synchronous = FULL")
        except sqlite3.Error:
            raw.close()  # else it would keep each fork waiting
            raise
        return raw

    engine = sa.create_engine(url, poolclass=NullPool, creator=connect)

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # At once, not at the first write: a read that becomes a write would fail when two do so together.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine
