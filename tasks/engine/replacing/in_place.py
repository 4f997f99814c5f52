"""Method `in_place`: drop, load and proof in one transaction of the target database itself."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from sqlalchemy.engine import Connection

from tasks.engine.connections import Opened, Server, opened_ahead
from tasks.engine.content import Content, read_content
from tasks.engine.content.session import reading_settings_undone
from tasks.engine.errors import BackupError
from tasks.engine.faultpoints import fault_point
from tasks.engine.guards import NOT_OVERWRITTEN, demand_same_rights, demand_unwritten
from tasks.engine.mark import identifier, set_mark_statement
from tasks.engine.proof import demand_equal
from tasks.engine.replacing import fence
from tasks.engine.replacing.clearing import clear_database, lock_tables
from tasks.engine.replacing.filling import fill, read_only_statement
from tasks.engine.replacing.interface import Replacement
from tasks.engine.run import Run

log = logging.getLogger(__name__)

_POLL_S = 0.5
_END_BLOCKERS = (
    "SELECT count(pg_terminate_backend(blocker)) FROM pg_stat_activity ours, "
    "LATERAL unnest(pg_blocking_pids(ours.pid)) blocker WHERE ours.application_name = %(name)s AND blocker > 0"
)
_BLOCKED = (
    "SELECT EXISTS (SELECT FROM pg_stat_activity ours "
    "WHERE ours.application_name = %(name)s AND cardinality(pg_blocking_pids(ours.pid)) > 0)"
)


class InPlace:
    """One transaction from the first DROP to the mark: whatever happens before its COMMIT never happened."""

    def __init__(self, run: Run, what: Replacement, ahead: "Ahead | None" = None) -> None:
        self.run, self.what, self._ahead = run, what, ahead
        self.notes: list[str] = []

    def __enter__(self) -> Self:
        run = self.run
        with ExitStack() as stack:
            ahead = self._ahead or stack.enter_context(sessions_ahead(run))
            opened = ahead.target
            stack.enter_context(_fence_held(run, ahead.maintenance))
            stack.enter_context(blockers_ended(run.target, grace_s=run.settings.target_blockers_grace_s))
            self._connection = stack.enter_context(opened())
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Closing the session without a COMMIT is the ROLLBACK.
        self._stack.__exit__(kind, error, trace)

    def prepare(self) -> None:
        connection, run = self._connection, self.run
        fence.take_lock_and_check(connection, run.target_name, self.what.expected)
        run.still_ours()
        lock_tables(connection)
        self._look_again()
        fault_point("in_place.locked")
        clear_database(connection)
        fault_point("in_place.cleared")
        self.notes += fill(run, connection, self.what)

    def prove(self) -> Content:
        manifest = self.what.manifest
        found = read_content(self._connection, progress=self.run.progress.tables_done, privileges=manifest.privileges)
        demand_equal(manifest.content, found, self._connection, what="the prepared copy")
        return found

    def publish(self) -> None:
        connection, run = self._connection, self.run
        fault_point("publish.before")
        run.still_ours()
        change = read_only_statement(self.what.read_only, run.target_name)
        statements = [*([change] if change else []), set_mark_statement(run.target_name, self.what.comment)]
        fence.commit(connection, run.target_name, self.what.expected, statements)
        fault_point("publish.after")

    def _look_again(self) -> None:
        """Now that nobody else can write: is it still what the safety backup holds?"""
        if self.what.overwrites is None:
            return
        self.run.progress.begin("looking again at what is to be replaced")
        with reading_settings_undone(self._connection):
            found = read_content(self._connection)
        name = self.run.target_name
        demand_unwritten(found, self.what.overwrites, name, told=NOT_OVERWRITTEN)
        demand_same_rights(self._connection, self.what.grants, name, told=NOT_OVERWRITTEN)


@dataclass(frozen=True, kw_only=True)
class Ahead:
    """The sessions that this method needs; None where there is no maintenance database."""

    target: Opened
    maintenance: Opened | None


@contextmanager
def sessions_ahead(run: Run) -> Iterator[Ahead]:
    """Open them beside other work."""
    maintenance = run.facts["maintenance"]
    with ExitStack() as stack:
        yield Ahead(
            target=stack.enter_context(opened_ahead(run.target, run.target_name)),
            maintenance=stack.enter_context(opened_ahead(run.target, maintenance)) if maintenance else None,
        )


@contextmanager
def _fence_held(run: Run, opened: Opened | None) -> Iterator[None]:
    """The fence's lock in the maintenance database too, where method swap takes it."""
    if opened is None:
        yield
        return
    with opened() as connection:
        connection.exec_driver_sql(fence.take_lock_statement(run.target_name))
        yield


@contextmanager
def blockers_ended(target: Server, *, grace_s: float) -> Iterator[None]:
    """While inside, sessions that we wait for are given grace_s seconds, then ended. Negative: never ended."""
    over = threading.Event()

    def watch() -> None:
        with suppress(BackupError), target.open(autocommit=True) as connection:
            blocked_since: float | None = None
            while not over.wait(_POLL_S):
                blocked = connection.exec_driver_sql(_BLOCKED, {"name": target.application_name}).scalar_one()
                blocked_since = (blocked_since or time.monotonic()) if blocked else None
                if blocked_since is not None and time.monotonic() - blocked_since > grace_s:
                    _end_blockers(connection, target)

    if grace_s < 0:
        yield
        return
    watcher = threading.Thread(target=watch, name="blockers", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _end_blockers(connection: Connection, target: Server) -> None:
    ended = connection.exec_driver_sql(_END_BLOCKERS, {"name": target.application_name}).scalar_one()
    log.warning(
        "ended %d session(s) that kept the restore waiting on %s",
        ended,
        identifier(target.url.dbname),
        extra={"event": "blockers_ended", "sessions": ended},
    )
