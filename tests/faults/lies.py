"""Lies: one thing each by which a prepared copy of tests/integration/content_schema.sql may silently be wrong."""

from dataclasses import dataclass
from pathlib import Path

SCHEMA = (Path(__file__).parents[1] / "integration" / "content_schema.sql").read_text()


@dataclass(frozen=True)
class Lie:
    """What is wrong, the statements that make it so, and words by which it must be named."""

    what: str
    statements: str
    named: str


LIES = (
    Lie("a row gone", "DELETE FROM alike.orders WHERE id = 7", "alike.orders holds 29 rows, expected 30"),
    Lie("a row doubled", "INSERT INTO alike.parted SELECT * FROM alike.parted WHERE a = 1", "alike.parted_1 holds 2"),
    Lie("two rows swapped between tables", "UPDATE alike.parted SET a = 3 - a", "alike.parted_1: rows differ"),
    Lie("one cell changed", "UPDATE alike.orders SET total = total + 0.01 WHERE id = 7", "alike.orders: rows differ"),
    Lie("NULL for an empty string", "UPDATE alike.orders SET note = NULL WHERE id = 7", "alike.orders: rows differ"),
    Lie("an empty string for NULL", "UPDATE alike.users SET name = '0' WHERE id = 2", "alike.users: rows differ"),
    Lie("a trailing space", "UPDATE alike.users SET name = name || ' ' WHERE id = 4", "alike.users: rows differ"),
    Lie("a float's last digit", "UPDATE alike.users SET score = 0.10000001 WHERE id = 7", "alike.users: rows differ"),
    Lie("an index missing", "DROP INDEX alike.orders_total", "index alike.orders_total is missing"),
    Lie(
        "an index invalid",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'alike.orders_total'::regclass",
        "index alike.orders_total",
    ),
    Lie(
        "a view's query",
        "CREATE OR REPLACE VIEW alike.rich AS SELECT buyer, max(total) AS total FROM alike.orders GROUP BY buyer",
        "view query alike.rich",
    ),
    Lie("a materialised view empty", "REFRESH MATERIALIZED VIEW alike.kept WITH NO DATA", "alike.kept"),
    Lie("a trigger missing", "DROP TRIGGER touched ON alike.orders", "trigger alike.orders.touched is missing"),
    Lie("a trigger switched off", "ALTER TABLE alike.orders DISABLE TRIGGER touched", "trigger alike.orders.touched"),
    Lie("a policy", "ALTER POLICY own ON alike.users USING (true)", "policy using alike.users.own"),
    Lie("row security switched off", "ALTER TABLE alike.users DISABLE ROW LEVEL SECURITY", "table alike.users"),
    Lie("a default", "ALTER TABLE alike.users ALTER name SET DEFAULT 'somebody'", "column default alike.users.name"),
    Lie("a check constraint missing", "ALTER TABLE alike.users DROP CONSTRAINT named", "alike.users.named is missing"),
    Lie(
        "a foreign key missing",
        "ALTER TABLE alike.orders DROP CONSTRAINT orders_buyer_fkey",
        "alike.orders.orders_buyer_fkey is missing",
    ),
    Lie("a sequence behind", "SELECT setval('alike.orders_id_seq', 29)", "sequence alike.orders_id_seq stands at 29"),
    Lie(
        "the order of an enum's labels",
        "UPDATE pg_enum SET enumsortorder = -enumsortorder WHERE enumtypid = 'deparse.mood'::regtype",
        "type deparse.mood",
    ),
    Lie(
        "a function's body",
        "CREATE OR REPLACE FUNCTION alike.add(a integer, b integer DEFAULT 1) RETURNS integer LANGUAGE sql IMMUTABLE "
        "AS 'SELECT a - b'",
        "function alike.add(integer, integer)",
    ),
    Lie("a rule missing", "DROP RULE quiet ON alike.orders", "rule alike.orders.quiet is missing"),
    Lie("a cast missing", "DROP CAST (alike.pair AS text)", "cast from alike.pair to text is missing"),
    Lie("an operator missing", "DROP OPERATOR alike.=== (integer, integer)", "operator alike.==="),
    Lie(
        "a text search configuration",
        "ALTER TEXT SEARCH CONFIGURATION alike.search DROP MAPPING FOR url",
        "text search configuration alike.search",
    ),
    Lie("extended statistics", "ALTER STATISTICS alike.stats SET STATISTICS 7", "statistics alike.stats"),
    Lie("a large object's byte", "SELECT lo_put(4711, 1, '\\x00')", "large objects: their content differs"),
    Lie("a large object gone", "SELECT lo_unlink(4711)", "the database holds 0 large objects, expected 1"),
    Lie("an owner", "ALTER TABLE alike.orders OWNER TO pg_monitor", "owner of table alike.orders"),
    Lie("a grant", "GRANT SELECT ON alike.users TO PUBLIC", "privileges on table alike.users"),
)
