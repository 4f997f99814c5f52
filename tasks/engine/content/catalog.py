"""Which tables and sequences of a database belong to its content, and whether the role may read them.

That is what pg_dump dumps: nothing of system schemas, nothing of an extension, except the rows of the tables that
an extension has declared to hold its user's configuration (the rows under the condition that it gave).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from sys import intern
from typing import Any

from sqlalchemy.engine import Connection

from tasks.engine.content.session import run
from tasks.engine.content.values import TableName
from tasks.engine.errors import BackupError
from tasks.engine.mark import identifier

_SHOWN = 5
RELATIONS = """
    WITH configured AS (
        SELECT entry.relation, e.extcondition[entry.position] AS condition
        FROM pg_extension e, unnest(e.extconfig) WITH ORDINALITY entry (relation, position)
    ), owned AS (
        SELECT d.objid AS sequence, bool_and(c.relpersistence = 'p') AS logged
        FROM pg_depend d JOIN pg_class c ON c.oid = d.refobjid
        WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
          AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
        GROUP BY 1
    )
    SELECT coalesce(json_agg(to_json(relation)), '[]')::text FROM (
        SELECT n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind,
               c.relpersistence = 'p' AND coalesce(owned.logged, true) AS logged,
               coalesce(configured.condition, '') AS condition,
               CASE c.relkind WHEN 'r' THEN CASE
                   WHEN c.relpages > 0 THEN (c.relpages + coalesce(toast.relpages, 0))::bigint
                                            * current_setting('block_size')::bigint
                   ELSE coalesce(pg_table_size(c.oid), 0)
               END ELSE 0 END AS size_bytes,
               (SELECT count(*) FROM pg_index i WHERE i.indrelid = c.oid) AS indexes,
               CASE c.relkind WHEN 'r' THEN ARRAY (
                   SELECT a.attname::text FROM pg_attribute a
                   WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated <> 'v'
               ) ELSE '{}' END AS columns,
               has_schema_privilege(n.oid, 'USAGE') AS may_enter,
               c.relkind = 'p' OR has_table_privilege(c.oid, 'SELECT') AS may_read,
               c.relkind = 'r' AND row_security_active(c.oid) AS rows_hidden,
               EXISTS (
                   SELECT FROM pg_attribute a
                   WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated <> ''
               ) AS computed,
               CASE WHEN c.relkind <> 'S' THEN ARRAY (
                   SELECT ARRAY[pn.nspname::text, p.relname::text]
                   FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent
                   JOIN pg_namespace pn ON pn.oid = p.relnamespace
                   WHERE i.inhrelid = c.oid ORDER BY i.inhseqno
               ) ELSE '{}' END AS parents
        FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_class toast ON toast.oid = c.reltoastrelid
        LEFT JOIN configured ON configured.relation = c.oid
        LEFT JOIN owned ON owned.sequence = c.oid AND c.relkind = 'S'
        WHERE c.relkind IN ('r', 'p', 'S') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
          AND (configured.relation IS NOT NULL OR NOT EXISTS (
              SELECT FROM pg_depend d
              WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0 AND d.deptype = 'e'
          ))
        ORDER BY 1, 2
    ) relation
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Relation:
    """A table or sequence as the catalogs describe it."""

    schema: str
    name: str
    kind: str  # r: ordinary table, p: partitioned, S: sequence
    logged: bool
    condition: str  # of an extension's configuration table, `WHERE ...` or nothing
    size_bytes: int  # an estimate, only for grouping
    indexes: int
    columns: tuple[str, ...]  # in alphabetical order; without those that are computed when read
    may_enter: bool
    may_read: bool
    rows_hidden: bool  # by row-level security, from this role
    computed: bool  # some of its columns, from others
    parents: tuple[TableName, ...]

    @property
    def key(self) -> TableName:
        return (self.schema, self.name)

    @property
    def dumped_whole(self) -> bool:
        """Whether its rows stand in a dump with all that they hold, and would be there after a crash."""
        return self.kind == "r" and self.logged and not self.condition and not self.computed


def read_relations(connection: Connection) -> list[Relation]:
    """All of them, in the order of their names; BackupError when the role cannot read one in full."""
    return relations_of(run(connection, RELATIONS).scalar_one(), connection)


def relations_of(found: str, connection: Connection) -> list[Relation]:
    """The same of what RELATIONS has found; the connection is asked when it is to be refused."""
    # each is made as it is met: the objects of JSON take ten times as much, and there may be twenty thousand
    relations: list[Relation] = json.loads(found, object_hook=_relation)
    _demand_readable(connection, relations)
    return relations


def _relation(found: dict[str, Any]) -> Relation:
    return Relation(
        **{
            **found,
            "schema": intern(found["schema"]),
            "kind": intern(found["kind"]),
            "columns": tuple(map(intern, sorted(found["columns"]))),
            "parents": tuple((schema, name) for schema, name in found["parents"]),
        }
    )


def _demand_readable(connection: Connection, relations: Sequence[Relation]) -> None:
    closed = [relation for relation in relations if not (relation.may_enter and relation.may_read)]
    hidden = [relation for relation in relations if relation.rows_hidden]
    if not closed and not hidden:
        return
    role = run(connection, "SELECT quote_ident(current_user)").scalar_one()
    if closed:
        raise BackupError(
            f"the role {role} may not read {_listed(closed)}; as their owner: {_grants(closed[0], role)} "
            f"(or GRANT pg_read_all_data TO {role}, for all there are and will be)"
        )
    raise BackupError(
        f"row-level security would hide rows of {_listed(hidden)} from the role {role}; "
        f"as a superuser: ALTER ROLE {role} BYPASSRLS"
    )


def _listed(relations: Sequence[Relation]) -> str:
    names = ", ".join(".".join(relation.key) for relation in relations[:_SHOWN])
    more = len(relations) - _SHOWN
    return f"{names} and {more} more" if more > 0 else names


def _grants(relation: Relation, role: str) -> str:
    schema = identifier(relation.schema)
    if not relation.may_enter:
        return f"GRANT USAGE ON SCHEMA {schema} TO {role}"
    what = "ALL SEQUENCES" if relation.kind == "S" else "ALL TABLES"
    return f"GRANT SELECT ON {what} IN SCHEMA {schema} TO {role}"
