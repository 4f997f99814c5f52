"""Many small questions in few round trips, without gathering locks."""

from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar

from sqlalchemy.engine import Connection

from tasks.engine.content.session import in_autocommit, rows, run

_SAVEPOINT = "railway_neon_sync_reading"

Item = TypeVar("Item")


class Batches:
    """Runs one query after the other, each in a savepoint that is rolled back before the next.

    A transaction keeps every lock until its end: without this, reading 20,000 tables and their indexes would
    need more locks than a server with default settings has. The rolling back rides in the next query's string.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._in_transaction = not in_autocommit(connection)
        self._open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._open and error is None:
            run(self._connection, f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}; RELEASE SAVEPOINT {_SAVEPOINT}")

    def query(self, statement: str) -> list[Any]:
        """All rows of one SELECT."""
        before = ""
        if self._in_transaction:
            before = f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}; " if self._open else f"SAVEPOINT {_SAVEPOINT}; "
            self._open = True
        return rows(self._connection, before + statement)


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
