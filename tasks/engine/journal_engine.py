"""The journal's database: how it is opened, and how its errors become ours."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import NullPool

from tasks.engine.errors import BackupError

_BUSY_TIMEOUT_S = 20


class JournalUnavailable(BackupError):
    """The journal cannot be read or written."""


@contextmanager
def explained() -> Iterator[None]:
    try:
        yield
    except sa.exc.IntegrityError:
        raise
    except sa.exc.SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        remedy = (
            "make room on the disk of BACKUP_DIR"
            if "full" in reason
            else "move it away, the next run begins a new one: the reports beside it tell which dumps are verified"
            if "malformed" in reason or "not a database" in reason
            else "it was deleted or replaced while this process worked: put it back, or start the worker again"
            if "no such table" in reason
            else "see that BACKUP_DIR belongs to this user, or that JOURNAL_URL is right"
        )
        raise JournalUnavailable(f"the journal cannot be used: {reason}; {remedy}") from error


def open_engine(url: str) -> Engine:
    """An engine that holds no connection between calls, so that nothing is shared by forked processes."""
    with explained():
        if not url.startswith("sqlite"):
            return sa.create_engine(url, poolclass=NullPool)
        engine = sa.create_engine(url, poolclass=NullPool, connect_args={"timeout": _BUSY_TIMEOUT_S})
    if engine.url.database:
        if Path(engine.url.database).is_symlink():
            raise JournalUnavailable(
                f"the journal {engine.url.database} is a symbolic link and is not followed: name the file itself in "
                "JOURNAL_URL, or remove the link"
            )
        with suppress(OSError):  # SQLite says what is wrong; what it makes beside the file has the file's mode
            Path(engine.url.database).touch(mode=0o600, exist_ok=True)

    @sa.event.listens_for(engine, "connect")
    def _configure(raw: Any, _record: Any) -> None:
        raw.isolation_level = None  # we say BEGIN ourselves, see below
        # A rollback journal, synced fully: what was written is there after a power cut, and no -wal file lies about.
        raw.execute("PRAGMA journal_mode = DELETE")
        raw.execute("PRAGMA synchronous = FULL")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # At once, not at the first write: a read that becomes a write would fail when two do so together.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine
