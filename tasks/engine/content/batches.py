"""Many small questions in few round trips, without gathering locks."""

from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar

from sqlalchemy.engine import Connection

from tasks.engine.content.session import catch_up, in_autocommit, put_off, run

_SAVEPOINT = "railway_neon_sync_reading"

Item = TypeVar("Item")


class Batches:
    """Queries inside a savepoint that is rolled back before the next query, and before whatever follows the `with`.

    A transaction keeps every lock until its end: without this, reading 20,000 tables and their indexes would need
    more locks than a server with default settings has. Other queries inside leave no lock behind either.
    After an error nothing is rolled back. In autocommit every query is a transaction of its own anyway.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._ahead = "" if in_autocommit(connection) else f"SAVEPOINT {_SAVEPOINT}; "

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ahead.startswith("ROLLBACK") and error is None:
            put_off(self._connection, f"{self._ahead}RELEASE SAVEPOINT {_SAVEPOINT}")

    def let_go(self) -> None:
        """Give the locks back now: nothing is asked for a while."""
        if self._ahead.startswith("ROLLBACK"):
            put_off(self._connection, f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
            catch_up(self._connection)

    def query(self, statement: str) -> list[Any]:
        """All rows of one SELECT, in one round trip."""
        return list(self.each(statement))

    def each(self, statement: str) -> Iterable[Any]:
        """The same, one by one; before the next query."""
        found = run(self._connection, self._ahead + statement)
        self._ahead = self._ahead and f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}; "
        return found


def split(items: Iterable[Item], *, weight: Callable[[Item], float]) -> Iterator[list[Item]]:
    """Consecutive groups that weigh at most 1 together; a heavier item stands alone."""
    group: list[Item] = []
    total = 0.0
    for item in items:
        if group and total + weight(item) > 1:
            yield group
            group, total = [], 0.0
        group.append(item)
        total += weight(item)
    if group:
        yield group
