"""The mark: the target database's comment, one line of JSON that says what the copy is.

It is transactional, follows a rename, is no part of a dump, and anybody can read it with `\\l+`. It is the only
memory that must survive the loss of everything else of ours.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy.engine import Connection, CursorResult

TOOL = "railway-neon-sync"


@dataclass(frozen=True, kw_only=True)
class Mark:
    """What was published here: by which run, of which instant and source, with which content."""

    run_id: str
    snapshot_at: str
    content_digest: str
    source: str
    promoted: str | None = None  # ISO 8601, when the copy became production
    adopted: str | None = None  # ISO 8601, when somebody let us overwrite what stood here
    restored: str | None = None  # ISO 8601, when somebody put a kept dump here by hand
    read_only: bool | None = None  # we made it refuse ordinary writes

    def as_comment(self) -> str:
        known = {key: value for key, value in asdict(self).items() if value is not None}
        return json.dumps({"tool": TOOL, "version": 1, **known}, sort_keys=True)


@dataclass(frozen=True, kw_only=True)
class TargetState:
    """What the fence compares: the database's identity and its comment, as read at one instant."""

    oid: int
    comment: str | None

    @property
    def mark(self) -> Mark | None:
        return parse_mark(self.comment)


def parse_mark(comment: str | None) -> Mark | None:
    """Our mark in a database's comment; None for no comment or somebody else's."""
    try:
        found = json.loads(comment or "")
    except ValueError:
        return None
    if not isinstance(found, dict) or found.get("tool") != TOOL:
        return None
    names = Mark.__dataclass_fields__
    try:
        return Mark(**{name: value for name, value in found.items() if name in names})
    except TypeError:
        return None


def read_state(connection: Connection, database: str) -> TargetState | None:
    """Identity and comment of a database of this server, from a session in any of them; None when it is not there."""
    return state_found(connection.exec_driver_sql(state_query(database)))


def state_query(database: str) -> str:
    return (
        "SELECT d.oid, shobj_description(d.oid, 'pg_database') FROM pg_database d "  # noqa: S608 - a literal
        f"WHERE d.datname = {literal(database)}"
    )


def state_found(answer: CursorResult[Any]) -> TargetState | None:
    """The answer to state_query; None when the database is not there."""
    row: Any = answer.one_or_none()
    return TargetState(oid=row[0], comment=row[1]) if row else None


def literal(text: str | None) -> str:
    """A string literal in SQL, safe under any setting."""
    if text is None:
        return "NULL"
    # Not by psycopg2: without a connection its answer depends on what the process did before.
    escaped = text.replace("'", "''")
    return f"'{escaped}'" if "\\" not in text else "E'{}'".format(escaped.replace("\\", "\\\\"))


def identifier(name: str) -> str:
    """A quoted identifier in SQL."""
    return '"' + name.replace('"', '""') + '"'


def qualified(name: tuple[str, str]) -> str:
    """A quoted schema and name in SQL."""
    return ".".join(map(identifier, name))


def set_mark_statement(database: str, comment: str | None) -> str:
    return f"COMMENT ON DATABASE {identifier(database)} IS {literal(comment)}"
