"""What several changes of the journal have in common, inside the transaction of each."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tasks.engine.journal_tables import meta, runs, steps


def comes_next(connection: Connection, run_id: str, name: str) -> bool:
    """Are all steps before this one done? A run that was begun without an order has none to keep."""
    options = connection.execute(sa.select(runs.c.options).where(runs.c.run_id == run_id)).scalar_one()
    order: list[str] = options.get("order") or [name]
    done = set(
        connection.execute(sa.select(steps.c.name).where(steps.c.run_id == run_id, steps.c.state == "done")).scalars()
    )
    return name in order and set(order[: order.index(name)]) <= done


def facts_of(connection: Connection, run_id: str) -> dict[str, Any]:
    facts: dict[str, Any] = connection.execute(sa.select(runs.c.facts).where(runs.c.run_id == run_id)).scalar_one()
    return facts


def keep(connection: Connection, run_id: str, facts: Mapping[str, Any]) -> None:
    known = facts_of(connection, run_id)
    connection.execute(runs.update().where(runs.c.run_id == run_id).values(facts={**known, **facts}))


def put(connection: Connection, key: str, value: str) -> None:
    if not connection.execute(meta.update().where(meta.c.key == key).values(value=value)).rowcount:
        connection.execute(meta.insert().values(key=key, value=value))


def once(connection: Connection, key: str, value: str) -> str:
    """The stored value of a key; stored now when there is none."""
    found = connection.execute(sa.select(meta.c.value).where(meta.c.key == key)).scalar_one_or_none()
    if found is None:
        connection.execute(meta.insert().values(key=key, value=value))
    return value if found is None else str(found)
