"""Little changed: may only what differs be written, into the tables that stand there? What a load does besides, stays.

Asked when all that the proof does not see is as a load would make it (see unchanged.py), unless a setting forbids it.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Connection

from tasks.engine.connections import raw_connection
from tasks.engine.content import Content, TableName, compare_content, holding, standing, with_rows
from tasks.engine.content.session import run as run_statement
from tasks.engine.dumpfile import STATEMENTS, load_sha256
from tasks.engine.errors import DumpRefused
from tasks.engine.kept_rows import block_of
from tasks.engine.loading_tables import Large
from tasks.engine.manifest import Manifest
from tasks.engine.mark import Mark, literal, qualified
from tasks.engine.proved_dump import proved_dump
from tasks.engine.run import Run
from tasks.engine.wording import counted

# Triggers are silent in a session that replicates, so that no row is written twice or by another hand: all but those
# that are meant for it. Where a row's text may stand in a table twice, it is not known which one is to be removed.
_MAY = """
    WITH named AS (
        SELECT c.oid, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name,
            n.nspname AS schema, c.relname AS relation
        FROM json_array_elements({tables}) wanted
        JOIN pg_namespace n ON n.nspname = wanted ->> 0
        JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted ->> 1
    )
    SELECT (SELECT json_agg(json_build_array(schema, relation, columns)) FROM named LEFT JOIN LATERAL (
            SELECT json_agg(a.attname ORDER BY position)
            FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k (attnum, position), pg_attribute a, pg_type t
            WHERE i.indrelid = named.oid AND i.indisprimary AND position <= i.indnkeyatts
              AND a.attrelid = i.indrelid AND a.attnum = k.attnum AND t.oid = a.atttypid
            HAVING bool_and(a.attgenerated = '' AND t.typnamespace = 'pg_catalog'::regnamespace)
        ) key (columns) ON true),
        ({may_be_silent}), has_database_privilege(current_database(), 'TEMPORARY'),
        (SELECT min(evtname) FROM pg_event_trigger WHERE evtenabled IN ('A', 'R')),
        (SELECT min(name) FROM named WHERE NOT EXISTS (SELECT FROM pg_index i
            WHERE i.indrelid = named.oid AND i.indisprimary AND i.indisvalid AND i.indimmediate)),
        (SELECT min(name) FROM named WHERE EXISTS (SELECT FROM pg_trigger t
            WHERE t.tgrelid = named.oid AND t.tgenabled IN ('A', 'R'))),
        (SELECT min(name) FROM named WHERE EXISTS (SELECT FROM pg_rewrite r
            WHERE r.ev_class = named.oid AND r.ev_enabled IN ('A', 'R'))),
        (SELECT min(name) FROM named WHERE EXISTS (SELECT FROM pg_depend d
            WHERE d.classid = 'pg_class'::regclass AND d.objid = named.oid AND d.deptype = 'e'))
"""
_IS_SUPERUSER = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
_MAY_BE_SILENT = "has_parameter_privilege('session_replication_role', 'SET')"  # since 15
_SENTENCES = (
    "the target's role may not set session_replication_role, which keeps triggers from firing (as a superuser, since "
    "PostgreSQL 15: GRANT SET ON PARAMETER session_replication_role TO it)",
    "the target's role may not make temporary tables",
    "the event trigger {} fires also for what replication writes",
    "the table {} has no primary key",
    "a trigger of the table {} fires also for what replication writes",
    "a rule of the table {} acts also on what replication writes",
    "the table {} belongs to an extension",
)


@dataclass(frozen=True, kw_only=True)
class Changed:
    """What is to be written."""

    tables: frozenset[TableName]
    sequences: Mapping[TableName, tuple[int, bool]]  # where they are to stand, and whether they were called
    large: Mapping[TableName, Large]  # those of which the new dump has a large block
    before: Content  # what the target held when that was found: anything else there holds the run

    def __str__(self) -> str:
        return f"{counted(len(self.tables), 'table')} and {counted(len(self.sequences), 'sequence')}"


@dataclass(frozen=True, kw_only=True)
class Proved:
    """What a load of the dump sends that the copy was made of, as hashes; nothing where it is not known any more.

    Nothing else proves what a dump holds that is not loaded: its manifest says what the source held.
    """

    sha256: str | None = None
    dump: Manifest | None = None  # with its parts

    @property
    def parts(self) -> Mapping[str, str] | None:
        return self.dump.load_parts if self.dump is not None else None


def proved_parts(run: Run, mark: Mark | None) -> Proved:
    """Of the dump of the run that the mark names."""
    dump = proved_dump(run, mark.run_id) if mark is not None else None
    if dump is None:
        return Proved()
    known = Proved(sha256=dump.known.get("load_sha256"))
    try:
        manifest = dump.manifest()
    except DumpRefused:
        return known
    parts = manifest.load_parts
    return replace(known, dump=manifest) if parts is not None and load_sha256(parts) == known.sha256 else known


def changed_tables(
    source: Manifest, safety: Manifest, proved: Proved, connection: Connection, *, folder: Path
) -> Changed | str:
    """What is to be written; else why everything must be loaded, as the end of a sentence. folder: of the dumps."""
    parts = source.load_parts
    if parts is None or proved.dump is None or proved.parts is None:
        return "the last dump's manifest is not there to compare with"
    if parts[STATEMENTS] != proved.parts.get(STATEMENTS):
        return "not only rows and sequences changed"
    tables = _changed_tables(source, safety, proved.parts)
    as_if = with_rows(safety.content, source.content.tables, source.content.sequences)
    if differences := compare_content(source.content, as_if, connection):
        return f"not only rows and sequences changed: {differences[0]}"
    there, wanted = standing(safety.content.sequences), standing(source.content.sequences)
    sequences = {name: stands for name, stands in wanted.items() if there[name] != stands}
    keys, *answers = tuple[Any, ...](run_statement(connection, _question(tables, connection)).one())
    for answer, sentence in zip(answers, _SENTENCES, strict=True):
        if answer not in {None, True}:
            return sentence.format(answer)
    if absent := sorted(table for table in tables if qualified(table) not in parts):
        return f"the dump holds no rows of {'.'.join(absent[0])}"
    large = _large(source, proved.dump, safety.content, keys or [], folder)
    return Changed(tables=tables, sequences=sequences, before=safety.content, large=large)


def _large(
    source: Manifest, last: Manifest, there: Content, keys: Iterable[tuple[str, str, list[str] | None]], folder: Path
) -> dict[TableName, Large]:
    """keys: the columns of each changed table's primary key."""
    stands, brought = holding(there.tables), holding(last.content.tables)
    found: dict[TableName, Large] = {}
    for schema, name, key in keys:
        table = (schema, name)
        if (rows := block_of(source, folder, table)) is not None:
            known = stands.get(table) == brought.get(table)
            found[table] = Large(rows=rows, last=block_of(last, folder, table) if known else None, key=key)
    return found


def _changed_tables(source: Manifest, safety: Manifest, proved: Mapping[str, str]) -> frozenset[TableName]:
    """Those whose rows differ, or whose rows in the dump are not the very text that was proved."""
    parts = source.load_parts or {}
    there, wanted = holding(safety.content.tables), holding(source.content.tables)
    return frozenset(
        name
        for name, holds in wanted.items()
        if there.get(name) != holds or parts.get(qualified(name)) != proved.get(qualified(name))
    )


def _question(tables: Iterable[TableName], connection: Connection) -> str:
    version = raw_connection(connection).server_version
    return _MAY.format(
        tables=literal(json.dumps(sorted(tables))),
        may_be_silent=_MAY_BE_SILENT if version >= 150000 else _IS_SUPERUSER,
    )
