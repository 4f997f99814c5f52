"""The rows of a dump by our own COPY: letter by letter what pg_dump writes, or left to it with a reason."""

from collections.abc import Callable
from contextlib import closing

import psycopg2
import pytest

from tests.conftest import execute
from tests.support import fidelity
from tests.support.both_ways import ODD, BothWays, dump_both_ways
from worker.demo.servers import PostgresServer, find_postgres

NewDatabase = Callable[[PostgresServer, str], str]


def both_ways(server: PostgresServer, database: str, *, encoding: str = "UTF8", owners: bool = False) -> BothWays:
    return dump_both_ways(server.url(database), find_postgres(), encoding=encoding, owners=owners)


def demand_equal(found: BothWays) -> None:
    assert found.reason == ""
    assert found.first_difference == ""


@pytest.fixture(scope="module")
def everything(source_server: PostgresServer) -> str:
    name = "rows_by_copy"
    execute(source_server.dsn(), f"CREATE DATABASE {name} TEMPLATE template0")
    fidelity.fill(source_server.dsn(name))
    return name


@pytest.mark.parametrize("owners", [False, True], ids=["without owners", "with owners"])
def test_everything_that_pg_dump_carries_is_written_as_pg_dump_writes_it(
    source_server: PostgresServer, everything: str, *, owners: bool
) -> None:
    demand_equal(both_ways(source_server, everything, owners=owners))


def test_odd_names_and_values_are_written_as_pg_dump_writes_them(
    source_server: PostgresServer, new_database: NewDatabase
) -> None:
    name = new_database(source_server, "odd")
    execute(source_server.dsn(name), ODD.read_text())
    found = both_ways(source_server, name)
    demand_equal(found)
    assert found.ours.count(b"; Type: MATERIALIZED VIEW DATA;") == 5


@pytest.mark.parametrize(("encoding", "name"), [("LATIN1", "größe"), ("EUC_JP", "漢字"), ("SQL_ASCII", "ascii")])
def test_another_encoding_is_written_as_pg_dump_writes_it(
    source_server: PostgresServer, encoding: str, name: str
) -> None:
    database = f"rows_by_copy_{encoding}".lower()
    execute(source_server.dsn(), f"CREATE DATABASE {database} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'")
    value = "ß" if encoding != "EUC_JP" else "字"
    try:
        execute(
            source_server.dsn(database) + " client_encoding=UTF8",
            f'CREATE TABLE "{name}" ("{name}\'" text); INSERT INTO "{name}" VALUES (\'{value}\'); '
            f'CREATE SEQUENCE "{name} s"; CREATE MATERIALIZED VIEW v AS SELECT 1',
        )
        demand_equal(both_ways(source_server, database, encoding=encoding))
    finally:
        execute(source_server.dsn(), f"DROP DATABASE {database} WITH (FORCE)")


CONFIGURATION = """
CREATE TABLE settings (id int PRIMARY KEY, name text); INSERT INTO settings VALUES (1, 'its own'), (2, 'somebody''s');
CREATE TABLE all_of_it (id int); INSERT INTO all_of_it VALUES (1);
CREATE TABLE not_theirs (id int); INSERT INTO not_theirs VALUES (1); CREATE SEQUENCE counted; SELECT nextval('counted');
CREATE EXTENSION citext;
ALTER EXTENSION citext ADD TABLE settings; ALTER EXTENSION citext ADD TABLE all_of_it;
ALTER EXTENSION citext ADD TABLE not_theirs; ALTER EXTENSION citext ADD SEQUENCE counted;
UPDATE pg_extension SET extconfig = ARRAY['settings'::regclass, 'all_of_it'::regclass, 'counted'::regclass]::oid[],
    extcondition = ARRAY['WHERE id > 1 AND name <> ''it''''s''::text', '', ''] WHERE extname = 'citext';
CREATE TABLE ordinary (id int); INSERT INTO ordinary VALUES (1)
"""


def test_of_an_extension_only_its_users_configuration_is_written(
    source_server: PostgresServer, new_database: NewDatabase
) -> None:
    name = new_database(source_server, "configuration")
    execute(source_server.dsn(name), CONFIGURATION)
    found = both_ways(source_server, name)
    demand_equal(found)
    assert b"COPY public.settings (id, name) FROM stdin;\n2\tsomebody's\n\\.\n" in found.ours
    assert b"not_theirs" not in found.ours


def test_more_tables_than_one_string_holds_are_written_as_pg_dump_writes_them(
    source_server: PostgresServer, new_database: NewDatabase
) -> None:
    name = new_database(source_server, "many")
    execute(
        source_server.dsn(name),
        "DO $$ BEGIN FOR i IN 1..510 LOOP EXECUTE format('CREATE TABLE t%s AS SELECT %s AS a', i, i); END LOOP; "
        "FOR i IN 1..110 LOOP EXECUTE format('CREATE SEQUENCE s%s START %s', i, i); END LOOP; END $$",
    )
    demand_equal(both_ways(source_server, name))


def test_a_database_of_nothing_is_written_as_pg_dump_writes_it(
    source_server: PostgresServer, new_database: NewDatabase
) -> None:
    demand_equal(both_ways(source_server, new_database(source_server, "nothing")))


SETTINGS = (
    "datestyle = 'German'", "intervalstyle = 'iso_8601'", "extra_float_digits = -3", "bytea_output = 'escape'",
    "search_path = nowhere", "quote_all_identifiers = on", "statement_timeout = '30s'", "client_encoding = 'LATIN1'",
    "timezone = 'Asia/Tokyo'", "default_transaction_read_only = on",
)  # fmt: skip


def test_what_the_database_sets_for_its_sessions_changes_nothing(
    source_server: PostgresServer, new_database: NewDatabase
) -> None:
    name = new_database(source_server, "settings")
    execute(
        source_server.dsn(name),
        "".join(f"ALTER DATABASE {name} SET {setting};" for setting in SETTINGS),
    )
    with closing(psycopg2.connect(source_server.dsn(name) + " client_encoding=UTF8")) as connection:
        connection.set_session(readonly=False, autocommit=True)
        connection.cursor().execute(
            """CREATE TABLE public.t AS SELECT now() AS a, interval '1 day 2:03' AS b, 1.1::float8 / 3 AS c,
            '\\x00ff'::bytea AS d, 'ü'::text AS e, 'public.t'::text AS f, ARRAY[1.5::float4] AS g"""
        )
    demand_equal(both_ways(source_server, name))


LEFT = {
    "strings with escapes": (
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET standard_conforming_strings = off', current_database()); "
        "END $$; CREATE TABLE t (a int)",
        "standard_conforming_strings off",
    ),
    "an enum's hash": (
        "CREATE TYPE e AS ENUM ('a'); CREATE TABLE t (a e) PARTITION BY HASH (a);"
        "CREATE TABLE t0 PARTITION OF t FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
        "loaded through its root",
    ),
    "one name for a view and a table": (
        "CREATE SCHEMA a; CREATE TABLE a.v (a int); CREATE MATERIALIZED VIEW v AS SELECT 1",
        "the same name",
    ),
    "a carriage return": (r"""DO $$ BEGIN EXECUTE E'CREATE TABLE "a\rb" (a int)'; END $$""", "carriage return"),
    "a name that is a comment": (
        'CREATE TABLE "x; Type: INDEX; Schema: y" (a int)',
        "or a name in it, is not understood",
    ),
    "a backslash in a sequence's name": (r'CREATE SEQUENCE "a\b"', "a character that COPY escapes"),
    "configuration that refers to other": (
        CONFIGURATION + "; ALTER TABLE all_of_it ADD FOREIGN KEY (id) REFERENCES settings",
        "refer to each other",
    ),
    "a condition with a backslash": (
        CONFIGURATION + r"; UPDATE pg_extension SET extcondition[1] = 'WHERE name <> ''\'''",
        "psql would read",
    ),
}


@pytest.mark.parametrize("what", LEFT)
def test_what_is_not_understood_is_left_to_pg_dump_with_the_reason(
    source_server: PostgresServer, new_database: NewDatabase, what: str
) -> None:
    statements, reason = LEFT[what]
    name = new_database(source_server, "left")
    execute(source_server.dsn(name), statements)
    assert reason in both_ways(source_server, name).reason
