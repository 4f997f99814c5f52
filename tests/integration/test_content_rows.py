"""Fingerprints: the same after a correct restore, another one after any change of a row."""

from collections.abc import Iterator

import pytest

from tasks.engine.content import Content, content_digest, read_content
from tests.conftest import execute
from tests.integration.content_support import Database, NewDatabase, rows_of, session
from worker.demo.servers import PostgresServer

# What a dump and restore changes below the surface, and what must not show.
BELOW_THE_SURFACE = """
CREATE TABLE parent (id int, name text);
CREATE TABLE child (own_first text, name text, id int);
ALTER TABLE child INHERIT parent;
INSERT INTO parent VALUES (1, 'a');
INSERT INTO child VALUES ('x', 'b', 2);
CREATE TABLE dropped (gone int, a int, gone_too text, b text);
INSERT INTO dropped VALUES (1, 2, 'x', 'y');
ALTER TABLE dropped DROP gone, DROP gone_too, ADD late numeric DEFAULT 1.50;
CREATE TABLE log (at date, what text) PARTITION BY RANGE (at);
CREATE TABLE attached (what text, gone int, at date);
ALTER TABLE attached DROP gone;
INSERT INTO attached VALUES ('w', '2026-01-05');
ALTER TABLE log ATTACH PARTITION attached FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TYPE pair AS (a int, gone int, b text);
CREATE TABLE pairs (p pair);
INSERT INTO pairs VALUES (ROW(1, 2, 'z'));
ALTER TYPE pair DROP ATTRIBUTE gone;
CREATE TABLE no_columns ();
INSERT INTO no_columns DEFAULT VALUES;
INSERT INTO no_columns DEFAULT VALUES;
CREATE TABLE "odd ""name"" %s" ("odd ""name"" %s" int, "count" text, "row" text, "SELECT" text, "é" text);
INSERT INTO "odd ""name"" %s" VALUES (1, 'c', 'r', 's', 'é');
CREATE TABLE computed (a int, doubled int GENERATED ALWAYS AS (a * 2) STORED);
INSERT INTO computed VALUES (21);
CREATE UNLOGGED TABLE cache (id serial, v text);
INSERT INTO cache (v) VALUES ('c');
CREATE TABLE shown (r regclass, t timestamptz, f float8, i interval, b bytea, m money, d date, x xml);
INSERT INTO shown VALUES ('parent', now(), 0.1::float8 + 0.2, '1 year -2 days', '\\x00ff', 12.34, 'now', '<a/>');
CREATE SEQUENCE never_called START 5;
SELECT lo_from_bytea(0, 'large');
"""

# One table with every type whose text, order or equality has a catch.
CELLS = """
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TABLE cells (id int, s text, c char(5), f float8, r real, n numeric, j json, jb jsonb, a int[], m money, e mood,
                    b bytea, t timestamptz, iv interval, o bool);
INSERT INTO cells
SELECT g, 'text' || g, 'ab', 0.1, 0.1, 1.0, '{"a": 1}', '{"a": 1}', '{1,2}', 1.00, 'ok', '\\x01', '2026-01-01 00:00Z',
       '1 day', true
FROM generate_series(1, 3) g;
CREATE TABLE twin (LIKE cells);
INSERT INTO twin SELECT id + 10, s, c, f, r, n, j, jb, a, m, e, b, t, iv, o FROM cells;
"""

CHANGES = {
    "a row gone": "DELETE FROM cells WHERE id = 2",
    "a row doubled": "INSERT INTO cells SELECT * FROM cells WHERE id = 2",
    "a row in place of another": "UPDATE cells SET id = 1, s = 'text1' WHERE id = 2",
    "two cells of a column exchanged": "UPDATE cells SET s = 'text' || 3 - id WHERE id < 3",
    "a value in the neighbouring column": "UPDATE cells SET s = c, c = s WHERE id = 2",
    "one letter": "UPDATE cells SET s = 'tExt2' WHERE id = 2",
    "NULL for a text": "UPDATE cells SET s = NULL WHERE id = 2",
    "a trailing space": "UPDATE cells SET s = 'text2 ' WHERE id = 2",
    "a quote": "UPDATE cells SET s = '\"text2\"' WHERE id = 2",
    "a float's last digit": "UPDATE cells SET f = 0.10000000000000002 WHERE id = 2",
    "a real's last digit": "UPDATE cells SET r = '0.10000001' WHERE id = 2",
    "minus zero for zero": "UPDATE cells SET f = '-0' WHERE id = 3",
    "not a number": "UPDATE cells SET f = 'NaN' WHERE id = 2",
    "a numeric's scale": "UPDATE cells SET n = 1.00 WHERE id = 2",
    "a space in json": "UPDATE cells SET j = '{\"a\":1}' WHERE id = 2",
    "a type in jsonb": 'UPDATE cells SET jb = \'{"a": "1"}\' WHERE id = 2',
    "an array's order": "UPDATE cells SET a = '{2,1}' WHERE id = 2",
    "an array's lower bound": "UPDATE cells SET a = '[0:1]={1,2}' WHERE id = 2",
    "a cent": "UPDATE cells SET m = '1.01' WHERE id = 2",
    "another label of the enum": "UPDATE cells SET e = 'sad' WHERE id = 2",
    "a byte": "UPDATE cells SET b = '\\x00' WHERE id = 2",
    "a microsecond": "UPDATE cells SET t = t + interval '1 microsecond' WHERE id = 2",
    "24 hours for a day": "UPDATE cells SET iv = '24:00' WHERE id = 2",
    "false for true": "UPDATE cells SET o = false WHERE id = 2",
}
SETTINGS = {
    "TimeZone": "Asia/Kathmandu",
    "DateStyle": "German, DMY",
    "IntervalStyle": "iso_8601",
    "extra_float_digits": "-5",
    "bytea_output": "escape",
    "xmlbinary": "hex",
    "search_path": "nowhere, public",
    "quote_all_identifiers": "on",
    "standard_conforming_strings": "off",
    "row_security": "on",
    "statement_timeout": "1s",
}


@pytest.fixture
def source(source_server: PostgresServer, new_database: NewDatabase) -> Database:
    return Database(source_server, new_database(source_server, "rows"))


@pytest.fixture
def target(target_server: PostgresServer, new_database: NewDatabase) -> Database:
    return Database(target_server, new_database(target_server, "rows"))


@pytest.fixture(scope="module")
def cells(source_server: PostgresServer) -> Iterator[Database]:
    """One database for all changes; each is rolled back."""
    database = Database(source_server, "rows_cells")
    execute(source_server.dsn(), f"CREATE DATABASE {database.name} TEMPLATE template0")
    database.execute(CELLS)
    yield database
    execute(source_server.dsn(), f"DROP DATABASE {database.name} WITH (FORCE)")


@pytest.fixture(scope="module")
def before(cells: Database) -> Content:
    return cells.read()


def after(cells: Database, change: str) -> Content:
    with session(cells.dsn) as opened:
        opened.connection.exec_driver_sql(change)
        return read_content(opened.connection)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_fingerprint_notices(change: str, cells: Database, before: Content) -> None:
    found = after(cells, change)
    assert rows_of(found, "cells").fingerprint != rows_of(before, "cells").fingerprint
    assert rows_of(found, "twin") == rows_of(before, "twin")
    assert content_digest(found) != content_digest(before)


def test_a_fingerprint_tells_null_from_an_empty_string(cells: Database) -> None:
    null, empty = (after(cells, f"UPDATE cells SET s = {value} WHERE id = 2") for value in ("NULL", "''"))
    assert rows_of(null, "cells").fingerprint != rows_of(empty, "cells").fingerprint


def test_two_rows_exchanged_between_two_tables_are_noticed_in_both(cells: Database, before: Content) -> None:
    found = after(
        cells,
        "INSERT INTO twin SELECT * FROM cells WHERE id = 1; INSERT INTO cells SELECT * FROM twin WHERE id = 12; "
        "DELETE FROM cells WHERE id = 1; DELETE FROM twin WHERE id = 12",
    )
    for name in ("cells", "twin"):
        assert rows_of(found, name).rows == rows_of(before, name).rows == 3
        assert rows_of(found, name).fingerprint != rows_of(before, name).fingerprint


def test_a_row_moved_between_a_parent_and_its_child_is_noticed_in_both(source: Database) -> None:
    source.execute(
        "CREATE TABLE parent (id int); CREATE TABLE child () INHERITS (parent); "
        "INSERT INTO parent VALUES (1); INSERT INTO child VALUES (2)"
    )
    expected = source.read()
    source.execute("UPDATE parent SET id = 3 - id")
    found = source.read()
    assert [table.rows for table in found.tables] == [table.rows for table in expected.tables] == [1, 1]
    for name in ("parent", "child"):
        assert rows_of(found, name).fingerprint != rows_of(expected, name).fingerprint


def test_two_equal_rows_that_both_change_in_the_same_way_do_not_cancel_each_other_out(source: Database) -> None:
    source.execute("CREATE TABLE t (id int); INSERT INTO t VALUES (1), (1)")
    expected = source.read()
    source.execute("UPDATE t SET id = 2")
    assert rows_of(source.read(), "t").fingerprint != rows_of(expected, "t").fingerprint


def test_the_physical_order_of_rows_does_not_matter(cells: Database, before: Content) -> None:
    assert after(cells, "UPDATE cells SET id = id WHERE id = 1").tables == before.tables


def test_a_restored_copy_has_the_same_rows_sequences_and_digest(source: Database, target: Database) -> None:
    source.execute(BELOW_THE_SURFACE)
    target.restore_from(source)
    expected, found = source.read(), target.read()
    assert found.tables == expected.tables
    assert found.sequences == expected.sequences
    assert found.large_objects == expected.large_objects
    assert found.partitioned == expected.partitioned == (("public", "log"),)
    assert content_digest(found) == content_digest(expected)
    assert len(expected.tables) == 10
    assert all(table.rows for table in expected.tables)


def test_the_restored_inheritance_child_really_has_its_columns_in_another_order(
    source: Database, target: Database
) -> None:
    source.execute(BELOW_THE_SURFACE)
    target.restore_from(source)
    as_text = "CREATE TABLE as_text AS SELECT child::text AS t FROM child"
    source.execute(as_text)
    target.execute(as_text)
    assert rows_of(target.read(), "as_text").fingerprint != rows_of(source.read(), "as_text").fingerprint


def test_the_databases_own_settings_do_not_show_in_fingerprints(source: Database) -> None:
    source.execute(BELOW_THE_SURFACE)
    expected = source.read()
    for name, value in SETTINGS.items():
        source.execute(f"""ALTER DATABASE "{source.name}" SET {name} = {value if "," in value else f"'{value}'"}""")
    assert source.read().tables == expected.tables


def test_a_copy_in_another_encoding_has_the_same_fingerprints(source: Database, target: Database) -> None:
    latin = Database(source.server, f"{source.name}_latin")
    execute(source.server.dsn(), f"CREATE DATABASE {latin.name} TEMPLATE template0 ENCODING 'LATIN1'")
    try:
        latin.execute("CREATE TABLE \"où\" (\"é\" text, z text); INSERT INTO \"où\" VALUES ('äöü', 'ÿ'), ('plain', '')")
        target.restore_from(latin)
        expected = latin.read()
        assert expected.notes is not None
        assert expected.notes["encoding"] == "LATIN1"
        assert target.read().tables == expected.tables
    finally:
        execute(source.server.dsn(), f"DROP DATABASE {latin.name} WITH (FORCE)")


def test_rows_of_unlogged_tables_are_read_but_are_not_in_the_digest(source: Database) -> None:
    source.execute("CREATE UNLOGGED TABLE cache (id serial, v text); INSERT INTO cache (v) VALUES ('a')")
    expected = source.read()
    source.execute("TRUNCATE cache RESTART IDENTITY")
    found = source.read()
    assert (rows_of(expected, "cache").rows, rows_of(found, "cache").rows) == (1, 0)
    assert not rows_of(found, "cache").logged
    assert found.sequences != expected.sequences
    assert content_digest(found) == content_digest(expected)


def test_a_sequence_of_an_unlogged_table_counts_as_unlogged_even_where_it_is_not(source: Database) -> None:
    source.execute("CREATE UNLOGGED TABLE cache (id int); CREATE SEQUENCE ids OWNED BY cache.id")  # as in 14
    expected = source.read()
    source.execute("SELECT setval('ids', 9)")
    found = source.read()
    assert [sequence.logged for sequence in found.sequences] == [False]
    assert content_digest(found) == content_digest(expected)


def test_a_sequence_that_was_never_called_differs_from_one_that_stands_at_its_start(source: Database) -> None:
    source.execute("CREATE SEQUENCE s START 5")
    never = source.read()
    source.execute("SELECT nextval('s')")
    called = source.read()
    assert [(each.last_value, each.is_called) for each in (*never.sequences, *called.sequences)] == [
        (5, False),
        (5, True),
    ]
    assert content_digest(never) != content_digest(called)
