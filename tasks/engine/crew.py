"""Several sessions at one database: each takes the next of the tasks that wait; when one fails, all end."""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Any, Self

from sqlalchemy.engine import Connection

from tasks.engine.background import beside
from tasks.engine.connections import Opened, raw_connection
from tasks.engine.errors import ServerUnreachable
from tasks.engine.watch import cut_socket

log = logging.getLogger(__name__)

Task = Callable[[Any], None]
"""Is given the driver's own connection of the session that does it."""


class Crew:
    """The caller's session and its helpers. One that cannot be opened is none: the others do its share."""

    def __init__(self, connection: Connection, helpers: Iterable[Opened] = ()) -> None:
        self._first = raw_connection(connection)
        self._helpers = [_Helper(opened) for opened in helpers]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with ExitStack() as stack:
            for helper in self._helpers:
                stack.push(helper.session)

    @property
    def alone(self) -> bool:
        return not self._helpers

    def share(self, tasks: Sequence[Task]) -> None:
        """Do them all, in this order as sessions become free; raises what failed first.

        Then the other sessions are cut: what they do is for nothing, and may take long.
        """
        waiting, failures = deque(tasks), list[BaseException]()
        with ExitStack() as at_work:
            for helper in self._helpers[: max(0, len(tasks) - 1)]:
                help_along = partial(self._help, helper, waiting, failures)
                at_work.enter_context(beside(help_along, name="helping"))
            self._work(self._first, waiting, failures)
        if failures:
            raise failures[0]

    def _help(self, helper: "_Helper", waiting: deque[Task], failures: list[BaseException]) -> None:
        if (connection := helper.connection()) is not None:
            self._work(connection, waiting, failures)

    def _work(self, connection: Any, waiting: deque[Task], failures: list[BaseException]) -> None:
        while waiting and not failures:
            try:
                task = waiting.popleft()
            except IndexError:  # another was faster
                return
            try:
                task(connection)
            except BaseException as error:  # noqa: BLE001 - the first is raised when all have ended
                failures.append(error)
                self._cut_all_but(connection)

    def _cut_all_but(self, connection: Any) -> None:
        for other in (self._first, *(helper.opened for helper in self._helpers)):
            if other is not None and other is not connection:
                cut_socket(other)


class _Helper:
    """A session, once it is needed. opened: the driver's connection; None while there is none."""

    def __init__(self, opened: Opened) -> None:
        self.session = ExitStack()
        self.opened: Any = None
        self._open: Opened | None = opened

    def connection(self) -> Any:
        """None when it cannot be had."""
        if self._open is not None:
            open_it, self._open = self._open, None
            try:
                self.opened = raw_connection(self.session.enter_context(open_it()))
            except ServerUnreachable as error:
                log.info("a session less works: %s", error)
        return self.opened
