"""The inventory: every object that pg_dump carries, by kind and name, with what makes it so."""

import re
from functools import cache
from pathlib import Path

from sqlalchemy.engine import Connection

from tasks.engine.content.values import SchemaObject

_FOLDER = Path(__file__).parent
_FILES = ("inventory_relations.sql",)
# Quoted by our own rule: quote_ident's depends on the server's list of keywords.
_IDENT = r"""CASE WHEN \1 ~ '^[a-z_][a-z0-9_$]*$' THEN \1 ELSE '"' || replace(\1, '"', '""') || '"' END"""
_QUOTED = r"""('"' || replace(\1, '"', '""') || '"')"""


def read_inventory(connection: Connection, *, privileges: bool = False) -> tuple[SchemaObject, ...]:
    """All objects of the connection's database in one query, sorted by kind and identity.

    Needs the session settings of PINNED_SESSION. privileges: owners and access rights too.
    """
    version = int(connection.exec_driver_sql("SELECT current_setting('server_version_num')").scalar_one())
    found = connection.execution_options(no_parameters=True).exec_driver_sql(
        _query(version // 10000, privileges=privileges)
    )
    objects = (
        SchemaObject(kind=kind, identity=identity, definition=text, canonical=recreate is None, recreate=recreate)
        for kind, identity, text, recreate in found
    )
    return tuple(sorted(objects, key=lambda each: (each.kind, each.identity)))


@cache
def _query(major: int, *, privileges: bool) -> str:
    del major, privileges
    kinds = "\nUNION ALL\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in _FILES)
    text = (_FOLDER / "inventory_names.sql").read_text(encoding="utf-8") + kinds
    text = re.sub(r"\bident\(([^()]+)\)", f"({_IDENT})", text)
    return re.sub(r"\bquoted\(([^()]+)\)", _QUOTED, text)
