"""Whose rows and values stand in a dump: under their names as pg_dump writes them, as bytes in the database's encoding.

pg_dump sorts by schema and name, byte by byte, tables before sequences; and so do we.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy.engine import Connection

from tasks.engine.clients import NEWEST_KNOWN
from tasks.engine.content.session import run
from tasks.engine.errors import BackupError

# Words that only the pg_dump of newer majors quotes: pg_get_keywords() of each, without the unreserved ones.
_WORDS_SINCE: dict[int, tuple[bytes, ...]] = {
    16: (b"json_array", b"json_arrayagg", b"json_object", b"json_objectagg", b"system_user"),
    17: (b"json", b"json_exists", b"json_query", b"json_scalar", b"json_serialize", b"json_table", b"json_value",
         b"merge_action"),
}  # fmt: skip
_TO_PSQL = re.compile(rb"\\|(?<!:):(?!:)")  # its commands and variables
# One round trip. The same relations as content/catalog.py reads, and what decides whether they are understood here.
_LISTING = """
    SELECT pg_catalog.set_config('quote_all_identifiers', 'off', true);
    WITH configured AS (
        SELECT entry.relation, e.extcondition[entry.position] AS condition
        FROM pg_extension e, unnest(e.extconfig) WITH ORDINALITY entry (relation, position)
    )
    SELECT c.relkind::text AS kind,
           convert_to(n.nspname::text, getdatabaseencoding()) AS schema,
           convert_to(c.relname::text, getdatabaseencoding()) AS name,
           convert_to(quote_ident(n.nspname::text), getdatabaseencoding()) AS quoted_schema,
           convert_to(quote_ident(c.relname::text), getdatabaseencoding()) AS quoted_name,
           convert_to(pg_get_userbyid(c.relowner)::text, getdatabaseencoding()) AS owner,
           CASE c.relkind WHEN 'r' THEN ARRAY (
               SELECT convert_to(quote_ident(a.attname::text), getdatabaseencoding()) FROM pg_attribute a
               WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
               ORDER BY a.attnum
           ) ELSE '{}' END AS columns,
           configured.relation IS NOT NULL AS configuration,
           convert_to(coalesce(configured.condition, ''), getdatabaseencoding()) AS condition,
           EXISTS (
               SELECT FROM pg_constraint f WHERE f.contype = 'f' AND f.conrelid = configured.relation
               AND f.confrelid <> f.conrelid AND f.confrelid IN (SELECT relation FROM configured)
           ) AS refers,
           c.relkind = 'p' AND EXISTS (
               SELECT FROM pg_partitioned_table p, unnest(p.partclass) class
               JOIN pg_opclass o ON o.oid = class
               WHERE p.partrelid = c.oid AND p.partstrat = 'h' AND o.opcintype = 'anyenum'::regtype
           ) AS through_root,
           -- as a new session has it, whatever this one has set
           (SELECT reset_val FROM pg_settings WHERE name = 'standard_conforming_strings') = 'on' AS standard_strings,
           current_setting('server_version_num')::int / 10000 AS major
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN configured ON configured.relation = c.oid
    WHERE c.relkind IN ('r', 'p', 'S', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND (configured.relation IS NOT NULL OR NOT EXISTS (
          SELECT FROM pg_depend d
          WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0 AND d.deptype = 'e'
      ))
"""


class LeftToPgDump(BackupError):
    """Why the rows are not copied by us: pg_dump writes the whole dump then."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """A table whose rows stand in the dump, or a sequence with its value."""

    schema: bytes
    name: bytes
    owner: bytes
    quoted: bytes  # schema and name, as SQL
    columns: tuple[bytes, ...] = ()  # as SQL, without those that are computed; of a sequence none
    condition: bytes = b""  # of an extension's configuration table, as SQL: WHERE ...


@dataclass(frozen=True, kw_only=True)
class Listing:
    """All of them, in pg_dump's order."""

    tables: tuple[Listed, ...]
    sequences: tuple[Listed, ...]
    views: tuple[bytes, ...]  # names of the materialised ones: pg_dump itself has them refreshed
    created: frozenset[tuple[bytes, bytes]]  # schema and name of each table and sequence that pg_dump creates


class _Row(NamedTuple):
    """What _LISTING answers of a relation."""

    kind: str
    schema: bytes
    name: bytes
    quoted_schema: bytes
    quoted_name: bytes
    owner: bytes
    columns: tuple[bytes, ...]
    configuration: bool
    condition: bytes
    refers: bool
    through_root: bool
    standard_strings: bool
    major: int


def read_listing(connection: Connection, *, client_major: int) -> Listing:
    """By one question to the server; LeftToPgDump where the database holds what is not understood here.

    client_major: of the pg_dump that writes all the rest; it quotes the words that its own major reserves.
    """
    # row by row: as psycopg2 gives them they take ten times as much, and there may be twenty thousand
    found = sorted(
        (_Row(*map(_plain, row)) for row in run(connection, _LISTING)), key=lambda row: (row.schema, row.name)
    )
    _demand_understood(found, client_major)
    words = {
        word
        for since, some in _WORDS_SINCE.items()
        for word in some
        if found and found[0].major < since <= client_major
    }
    return Listing(
        tables=tuple(_listed(row, words) for row in found if row.kind == "r"),
        sequences=tuple(_listed(row, words) for row in found if row.kind == "S"),
        views=tuple(row.name for row in found if row.kind == "m"),
        created=frozenset((row.schema, row.name) for row in found if row.kind in "rpS" and not row.configuration),
    )


def _plain(cell: Any) -> Any:
    """bytea as bytes, which psycopg2 gives as memoryview."""
    if isinstance(cell, list):
        return tuple(map(bytes, cell))
    return bytes(cell) if isinstance(cell, memoryview) else cell


def _demand_understood(found: Sequence[_Row], client_major: int) -> None:
    if client_major > NEWEST_KNOWN:
        raise LeftToPgDump(f"pg_dump {client_major} is newer than what this program knows")
    if any(not row.standard_strings for row in found):
        raise LeftToPgDump("the database has standard_conforming_strings off")
    if any(row.through_root for row in found):
        raise LeftToPgDump("a table is partitioned by the hash of an enum, and is loaded through its root")
    if any(row.refers for row in found):
        raise LeftToPgDump("configuration tables of extensions refer to each other, which decides their order")
    if any(_TO_PSQL.search(row.condition) for row in found):
        raise LeftToPgDump("psql would read the condition of an extension's configuration table otherwise")


def _listed(row: _Row, words: set[bytes]) -> Listed:
    schema, name, *columns = (
        b'"%b"' % quoted if quoted in words else quoted for quoted in (row.quoted_schema, row.quoted_name, *row.columns)
    )
    return Listed(
        schema=row.schema,
        name=row.name,
        owner=row.owner,
        quoted=schema + b"." + name,
        columns=tuple(columns),
        condition=row.condition,
    )
