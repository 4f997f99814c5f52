"""Method `swap`: the new content is loaded into a database beside the old one, and both change names."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import wait
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from types import TracebackType
from typing import Self

from sqlalchemy.engine import Connection

from tasks.engine import carry_over
from tasks.engine.background import beside
from tasks.engine.connections import opened_ahead
from tasks.engine.content import Content, read_content
from tasks.engine.errors import BackupError, LoadFailed
from tasks.engine.faultpoints import fault_point
from tasks.engine.loading_together import helpers_wanted
from tasks.engine.mark import TargetState, identifier, set_mark_statement
from tasks.engine.proof import demand_equal
from tasks.engine.replacing import fence
from tasks.engine.replacing.filling import fill, read_only_statement
from tasks.engine.replacing.interface import Replacement
from tasks.engine.run import Run

log = logging.getLogger(__name__)

Clearing = Callable[[], AbstractContextManager[None]]

_END_SESSIONS_OF = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
    "WHERE datname = ANY (%(names)s) AND pid <> pg_backend_pid()"
)
_ARE_THERE = "SELECT datname, datistemplate FROM pg_database WHERE datname = ANY (%(names)s)"
_POLL_S = 0.02


class Swap:
    """Prepare in `<db>__incoming_<run>`, publish by two renames in one transaction, keep the old one until verified."""

    def __init__(self, run: Run, what: Replacement) -> None:
        self.run, self.what = run, what
        self.notes: list[str] = []
        self._published = False
        self._sessions = ExitStack()

    def __enter__(self) -> Self:
        self._server = self._sessions.enter_context(_open_maintenance(self.run))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._sessions.__exit__(kind, error, trace)
        finally:
            if not self._published and self.run.watch.reason is None:
                with suppress(BackupError):  # whoever ends the run looks for it again
                    drop_databases(self.run, self.run.incoming_name)

    def prepare(self) -> None:
        incoming = self.run.incoming_name
        self.run.still_ours()
        helpers = helpers_wanted(self.what.dump, self.what.manifest, self.run.settings.restore_jobs)
        try:
            notes = self._filled(helpers)
        except LoadFailed as error:
            if not helpers:
                raise
            # Rows may be tied to others that pg_dump writes before them, as by a function in a CHECK.
            log.warning("all is loaded again by one session: %s", error, extra={"event": "loaded_by_one"})
            notes = self._filled(0)
        self.notes += notes
        self._clearing = self._sessions.enter_context(_way_cleared(self.run))  # while the copy is proved
        self.notes += carry_over.apply_properties(self._server, self.what.properties, incoming)
        if statement := read_only_statement(self.what.read_only, incoming):
            self._server.exec_driver_sql(statement)

    def _filled(self, helpers: int) -> list[str]:
        """Make the new database, and fill it by so many sessions more than one."""
        target, incoming = self.run.target, self.run.incoming_name
        _drop(self._server, [incoming])
        notes = self._create(self._server, incoming)
        fault_point("swap.created")
        # the first one first: it cannot wait for a connection, they can
        with target.open(incoming, autocommit=True) as connection, ExitStack() as sessions:
            self._proving = self._sessions.enter_context(opened_ahead(target, incoming, repeatable=True))
            others = [sessions.enter_context(opened_ahead(target, incoming, autocommit=True)) for _ in range(helpers)]
            return notes + fill(self.run, connection, self.what, others)

    def prove(self) -> Content:
        with self._proving() as connection:
            manifest = self.what.manifest
            found = read_content(connection, progress=self.run.progress.tables_done, privileges=manifest.privileges)
            demand_equal(manifest.content, found, connection, what="the prepared copy")
        return found

    def publish(self) -> None:
        """The old database becomes `<db>__previous_<run>`. A reader that reconnects waits for the renames only."""
        run = self.run
        statements = [
            _rename(run.target_name, run.previous_name),
            _rename(run.incoming_name, run.target_name),
            set_mark_statement(run.target_name, self.what.comment),
        ]
        fault_point("publish.before")
        _publish(run, self._server, self._clearing, self.what.expected, statements)
        self._published = True
        fault_point("publish.after")

    def _create(self, connection: Connection, name: str) -> list[str]:
        options, notes = carry_over.locale_choice(self.what.manifest.properties, self.what.properties, connection)
        connection.exec_driver_sql(carry_over.create_database_statement(name, options))
        return notes


def put_back(run: Run, published: TargetState) -> None:
    """Undo a publishing: the previous database takes its name back, in one transaction; the copy stays beside it."""
    statements = [
        _rename(run.target_name, run.incoming_name),
        _rename(run.previous_name, run.target_name),
    ]
    with _open_maintenance(run) as connection, _way_cleared(run) as clearing:
        _publish(run, connection, clearing, published, statements)
    fault_point("put_back.after")


def drop_databases(run: Run, *names: str) -> None:
    """Drop the run's own databases, whoever is connected; nothing happens to one that is not there."""
    with _open_maintenance(run) as connection:
        _drop(connection, names)


def drop_own_databases(run: Run) -> None:
    """The run's databases beside the target, whichever of them is there. Nothing where the run makes none."""
    if run.facts.get("method") == "swap" and not run.nothing_replaced:
        drop_databases(run, run.incoming_name, run.previous_name)


def _open_maintenance(run: Run) -> AbstractContextManager[Connection]:
    return run.target.open(run.facts["maintenance"], autocommit=True)


def _drop(connection: Connection, names: Sequence[str]) -> None:
    for name, is_template in connection.exec_driver_sql(_ARE_THERE, {"names": list(names)}).all():
        if is_template:  # such a one cannot be dropped
            connection.exec_driver_sql(f"ALTER DATABASE {identifier(name)} IS_TEMPLATE false")
        connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {identifier(name)} WITH (FORCE)")


def _rename(old: str, new: str) -> str:
    return f"ALTER DATABASE {identifier(old)} RENAME TO {identifier(new)}"


def _publish(
    run: Run, connection: Connection, clearing: Clearing, expected: TargetState, statements: list[str]
) -> None:
    """RENAME's own lock makes newcomers wait while a second session ends the ones that are in the way."""
    run.still_ours()  # after the session was opened: see there
    with clearing():
        fence.publish(connection, run.target_name, expected, statements)


@contextmanager
def _way_cleared(run: Run) -> Iterator[Clearing]:
    """A second session, opened beside other work. While inside what comes back, it ends all sessions in the run's
    databases, again and again: a pool reconnects at once. Where no connection is free, one is waited for.
    """
    names = [run.target_name, run.incoming_name, run.previous_name]
    begun, over = threading.Event(), threading.Event()

    def clear() -> None:
        while not over.is_set():
            with suppress(BackupError), _open_maintenance(run) as connection:
                begun.wait()
                while not over.is_set():
                    connection.exec_driver_sql(_END_SESSIONS_OF, {"names": names})
                    time.sleep(_POLL_S)
            time.sleep(_POLL_S)

    with beside(clear, name="clearing the way") as clearer:

        @contextmanager
        def clearing() -> Iterator[None]:
            begun.set()
            try:
                yield
            finally:
                over.set()
                wait([clearer])  # else it would end the sessions of whoever reads the copy now

        try:
            yield clearing
        finally:
            over.set()
            begun.set()
