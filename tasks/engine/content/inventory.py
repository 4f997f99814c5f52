"""The inventory: every object that pg_dump carries, by kind and name, with what makes it so."""

import re
from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy.engine import Connection

from tasks.engine.connections import raw_connection
from tasks.engine.content.batches import Batches
from tasks.engine.content.inventory_sql import inventory_query
from tasks.engine.content.session import run
from tasks.engine.content.values import SchemaObject

_TOKEN = re.compile(r""""(?:[^"]|"")*"|'(?:[^']|'')*'|[()]|\bWHEN\b|[^"'()\w]+|\w+""")


def read_inventory(
    connection: Connection,
    *,
    privileges: bool = False,
    empty: Collection[str] = (),
    batches: Batches | None = None,
) -> tuple[SchemaObject, ...]:
    """All objects of the connection's database in one query, sorted by kind and identity.

    Needs the session settings of PINNED_SESSION. privileges: owners and access rights too. empty: as
    inventory_query has it. batches: of this connection, not to gather locks.
    """
    major = raw_connection(connection).server_version // 10000
    query = inventory_query(major, privileges=privileges, empty=frozenset(empty))
    found: Iterable[Any] = batches.each(query) if batches else run(connection, query)
    objects = (_object(kind, identity, text, recreate) for kind, identity, text, recreate in found)
    return tuple(sorted(objects, key=lambda each: (each.kind, each.identity)))


def _object(kind: str, identity: str, definition: str | None, recreate: str | None) -> SchemaObject:
    if kind == "trigger condition":
        definition = trigger_condition(definition or "")
    return SchemaObject(
        kind=kind, identity=identity, definition=definition or "", canonical=recreate is None, recreate=recreate
    )


def trigger_condition(statement: str) -> str:
    """What stands between the parentheses of WHEN in a CREATE TRIGGER; the server has no function that tells it."""
    depth, begin = 0, -1
    for token in _TOKEN.finditer(statement):
        if depth == 0 and begin < 0 and token[0] == "WHEN":
            begin = token.end()
        depth += {"(": 1, ")": -1}.get(token[0], 0)
        if begin >= 0 and token[0] == ")" and depth == 0:
            return statement[begin : token.end()].strip()
    return statement
