"""Did anybody write since? The server's transaction ids tell; where nobody did, rows need not be read again.

Whatever changes rows or definitions, in any database of a server, is a transaction with an id, and a snapshot says
which of them it sees. When a later one sees none more than an earlier one did, both see the same. Two things change
without an id: where sequences stand (only one nextval in 32 takes one), and unlogged tables when the server crashes.
So these are read in any case, and definitions are, too.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tasks.engine.content.values import Content, Holds, TableName
from tasks.engine.mark import literal

# A counter that was lost with its server may come to the same ids again: the server must not have been started since.
SNAPSHOT = """
    CASE WHEN NOT pg_is_in_recovery()
        THEN pg_current_snapshot()::text || ' @' || extract(epoch FROM pg_postmaster_start_time()) END
"""
"""What Content.snapshot is; none of a standby server, whose snapshots do not list who is writing."""
_PARTS = re.compile(r"(?P<snapshot>\d{1,18}:\d{1,18}:[\d,]*) @(?P<started>\d+\.\d+)")
_MOST = 10_000  # ids that are looked at one by one; behind more there are many writers, or a long transaction
# Ids of an xid column have 32 bits only. What was undone, or never ended, changed nothing. The transaction's own writes
# are seen by its locks, which it has to its end.
_UNTOUCHED = """(
    WITH snapshot AS (SELECT {earlier}::pg_snapshot AS earlier, pg_current_snapshot() AS later),
    ids AS (
        SELECT pg_snapshot_xmin(earlier)::text::bigint AS first, pg_snapshot_xmax(earlier)::text::bigint AS reached,
            pg_snapshot_xmax(later)::text::bigint AS ended
        FROM snapshot
    ),
    newly AS (
        SELECT id FROM snapshot, ids, generate_series(first, least(ended, first + {most}) - 1) id
        WHERE pg_visible_in_snapshot(id::text::xid8, later) AND NOT pg_visible_in_snapshot(id::text::xid8, earlier)
    )
    SELECT coalesce(json_agg(json_build_array(n.nspname, c.relname)) FILTER (WHERE c.oid IS NOT NULL), '[]')
    FROM ids
    LEFT JOIN pg_locks own ON own.pid = pg_backend_pid() AND own.locktype = 'relation'
        AND own.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'AccessExclusiveLock')
    LEFT JOIN pg_class c ON c.oid = own.relation
    LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT pg_is_in_recovery() AND ended >= reached AND ended - first <= {most}
      AND extract(epoch FROM pg_postmaster_start_time()) = {started}
      AND NOT EXISTS (
        SELECT FROM newly
        WHERE pg_xact_status(id::text::xid8) IS DISTINCT FROM 'aborted'
          AND id IS DISTINCT FROM pg_current_xact_id_if_assigned()::text::bigint
          AND id & 4294967295 NOT IN (
            SELECT xmin::text::bigint FROM pg_shdescription
            WHERE classoid = 'pg_database'::regclass AND description = {mark}
              AND objoid = (SELECT oid FROM pg_database WHERE datname = current_database()))
      )
    HAVING count(*) > 0
)"""


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """What was read of the same database before. snapshot: of that reading, or before it; see Content.

    mark: the comment on the database that our own transaction set since, which wrote nothing else. unwritten: is
    called when nobody wrote since.
    """

    snapshot: str
    rows: Mapping[TableName, Holds]
    mark: str | None = None
    unwritten: Callable[[], None] = lambda: None


def earlier(content: Content, *, snapshot: str | None, mark: str | None = None) -> Earlier | None:
    """Of what a database held, or was proved to hold, when the snapshot was taken; None where that is not known."""
    if snapshot is None or _PARTS.fullmatch(snapshot) is None:
        return None
    rows = {(each.schema, each.name): (each.rows, each.fingerprint) for each in content.tables if each.logged}
    return Earlier(snapshot=snapshot, rows=rows, mark=mark)


def question(before: Earlier | None) -> str:
    """For `held`, as an SQL expression: which relations the current transaction wrote to; NULL when others wrote."""
    parts = _PARTS.fullmatch(before.snapshot) if before is not None else None
    if before is None or parts is None:
        return "NULL"
    words = {"earlier": literal(parts["snapshot"]), "started": parts["started"], "mark": literal(before.mark)}
    return _UNTOUCHED.format(most=_MOST, **words)


def held(before: Earlier | None, answer: Iterable[Sequence[str]] | None) -> Mapping[TableName, Holds]:
    """What need not be read again. answer: to `question`."""
    if before is None or answer is None:
        return {}
    before.unwritten()
    touched = {(schema, name) for schema, name in answer}
    return {name: holds for name, holds in before.rows.items() if name not in touched}
