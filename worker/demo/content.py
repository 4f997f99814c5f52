"""What a demo database holds, read without the engine, so that the demo does not take the engine's word for it."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg2

_TABLES = """
    SELECT format('%I.%I', nspname, relname) FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace
    WHERE relkind = 'r' AND nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY nspname = 'audit', relname
"""
# What tells one row of the escrow application from another, for people.
_TELLING = {
    "public.users": ("display_name", "email"),
    "public.wallets": ("currency", "balance"),
    "public.escrows": ("number", "title", "status"),
    "public.transactions": ("kind", "amount", "note"),
    "audit.escrow_events": ("escrow_id", "new_status"),
}
_UNINTERESTING = {"updated_at"}
_DECIMAL = re.compile(r"-?\d+\.\d+")

Row = Mapping[str, Any]
Content = Mapping[str, Mapping[str, Row]]  # by table, then by the row's key


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One row that came, went or changed between two readings."""

    table: str
    sign: str  # +, - or ~
    key: str
    text: str


def read_content(dsn: str) -> Content:
    """Every row of every table, under one snapshot."""
    with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SET LOCAL TimeZone = 'UTC'")
        cursor.execute(_TABLES)
        content = {}
        for (table,) in cursor.fetchall():
            cursor.execute(f"SELECT to_jsonb(t)::text FROM {table} AS t")  # noqa: S608 - quoted by the server
            rows = [json.loads(text, parse_float=str) for (text,) in cursor.fetchall()]
            content[table] = {_key(row): row for row in rows}
        return content


def differences(before: Content, after: Content) -> list[Difference]:
    """Row by row; columns that only say when a row was changed are left out."""
    return [difference for table in after for difference in _of_table(table, before.get(table, {}), after[table])]


def _of_table(table: str, before: Mapping[str, Row], after: Mapping[str, Row]) -> Iterator[Difference]:
    for key, row in after.items():
        if key not in before:
            yield Difference(table=table, sign="+", key=key, text=_tell(table, row))
        elif row != before[key]:
            yield Difference(table=table, sign="~", key=key, text=_tell_change(before[key], row))
    for key, row in before.items():
        if key not in after:
            yield Difference(table=table, sign="-", key=key, text=_tell(table, row))


def _key(row: Row) -> str:
    return str(row["id"]) if "id" in row else json.dumps(row, sort_keys=True)


def _tell(table: str, row: Row) -> str:
    return ", ".join(_plain(row[name]) for name in _TELLING.get(table, tuple(row)[:3]) if row[name] is not None)


def _tell_change(before: Row, after: Row) -> str:
    changed = [name for name in after if after[name] != before[name] and name not in _UNINTERESTING]
    return ", ".join(f"{name}: {_plain(before[name])} → {_plain(after[name])}" for name in changed)


def _plain(value: object) -> str:
    """500, not 500.00000000."""
    text = str(value)
    return text.rstrip("0").rstrip(".") if _DECIMAL.fullmatch(text) else text
