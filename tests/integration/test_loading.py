"""The loader against psql: the same file gives the same database."""

import tracemalloc
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from tasks.engine.dumpfile import inspect_dump
from tasks.engine.loading import load_dump
from tests.conftest import execute
from tests.integration.loading_support import (
    SETTINGS,
    NewDatabase,
    dump_text,
    dump_to,
    load,
    load_with_psql,
)
from tests.support import fidelity
from tests.unit.tasks.engine.dumpfile_texts import dump_text as made_dump
from worker.demo.servers import PostgresServer

_MODES = pytest.mark.parametrize("autocommit", [False, True], ids=["one transaction", "autocommit"])


@pytest.fixture(scope="module")
def nasty_dump(source_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dump of everything that pg_dump can carry."""
    execute(source_server.dsn(), "CREATE DATABASE loading_fidelity TEMPLATE template0")
    fidelity.fill(source_server.dsn("loading_fidelity"))
    path = dump_to(tmp_path_factory.mktemp("dump") / "all.sql", source_server, "loading_fidelity", "--no-owner", "-x")
    execute(source_server.dsn(), "DROP DATABASE loading_fidelity WITH (FORCE)")
    return path


@_MODES
def test_everything_that_pg_dump_carries_comes_out_as_psql_loads_it(
    source_server: PostgresServer, new_database: NewDatabase, nasty_dump: Path, *, autocommit: bool
) -> None:
    theirs, ours = new_database(source_server, "psql"), new_database(source_server, "ours")
    load_with_psql(source_server, theirs, nasty_dump)
    summary = load(source_server, ours, nasty_dump, autocommit=autocommit)
    assert dump_text(source_server, ours) == dump_text(source_server, theirs)
    assert summary.bytes == nasty_dump.stat().st_size
    assert summary.rows == sum(inspect_dump(nasty_dump).rows.values())
    assert summary.round_trips < 40  # so none of its small tables was refused as INSERT


@_MODES
@pytest.mark.parametrize(
    ("encoding", "target_encoding"), [("LATIN1", "LATIN1"), ("LATIN1", "UTF8"), ("SQL_ASCII", "SQL_ASCII")]
)
def test_text_in_another_encoding_comes_out_as_psql_loads_it(
    source_server: PostgresServer, tmp_path: Path, encoding: str, target_encoding: str, *, autocommit: bool
) -> None:
    names = [f"{role}_{encoding}_{target_encoding}_{autocommit}".lower() for role in ("source", "psql", "ours")]
    for name, its_encoding in zip(names, [encoding, target_encoding, target_encoding], strict=True):
        execute(
            source_server.dsn(),
            f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{its_encoding}' LOCALE 'C'",
        )
    try:
        execute(
            source_server.dsn(names[0]) + " client_encoding=UTF8",
            'CREATE TABLE "größe" ("ä;\'" text); COMMENT ON TABLE "größe" IS \'Straße; é\';'
            "INSERT INTO \"größe\" VALUES ('ß'), (E'\\\\.é\\t'); CREATE VIEW v AS SELECT 'ü'::text AS \"ö\"",
        )
        path = dump_to(tmp_path / "dump.sql", source_server, names[0])
        load_with_psql(source_server, names[1], path)
        load(source_server, names[2], path, autocommit=autocommit)
        assert dump_text(source_server, names[2]) == dump_text(source_server, names[1])
    finally:
        for name in names:
            execute(source_server.dsn(), f"DROP DATABASE {name} WITH (FORCE)")


def test_a_dump_without_standard_conforming_strings_comes_out_as_psql_loads_it(
    source_server: PostgresServer, new_database: NewDatabase, tmp_path: Path
) -> None:
    source, theirs, ours = (new_database(source_server, name) for name in ("old", "psql", "ours"))
    execute(source_server.dsn(), f'ALTER DATABASE "{source}" SET standard_conforming_strings = off')
    execute(
        source_server.dsn(source),
        r"""SET escape_string_warning = off; SET standard_conforming_strings = off;
        CREATE TABLE t (a text DEFAULT 'b\\\'; \\'); COMMENT ON TABLE t IS 'it\'s; \\';
        CREATE VIEW v AS SELECT '\\\';'::text AS x; CREATE SEQUENCE "s\x"; INSERT INTO t VALUES ('\\')""",
    )
    path = dump_to(tmp_path / "dump.sql", source_server, source)
    assert b"standard_conforming_strings = off" in path.read_bytes()
    load_with_psql(source_server, theirs, path)
    load(source_server, ours, path)
    assert dump_text(source_server, ours) == dump_text(source_server, theirs)


def test_names_that_psql_takes_for_the_begin_of_a_body_are_loaded(
    source_server: PostgresServer, new_database: NewDatabase, tmp_path: Path
) -> None:
    source, ours = new_database(source_server, "begin"), new_database(source_server, "ours")
    execute(
        source_server.dsn(source),
        "CREATE FUNCTION begin() RETURNS integer LANGUAGE sql AS 'SELECT 1';"
        "CREATE TABLE t (begin integer, atomic text);"
        'CREATE FUNCTION f(a integer) RETURNS integer BEGIN ATOMIC SELECT begin AS "case" FROM t;'
        'SELECT CASE a WHEN 1 THEN t.begin END AS "end" FROM t; END',
    )
    load(source_server, ours, dump_to(tmp_path / "dump.sql", source_server, source))
    assert dump_text(source_server, ours) == dump_text(source_server, source)


@_MODES
def test_large_objects_of_many_pieces_are_loaded(
    source_server: PostgresServer, new_database: NewDatabase, tmp_path: Path, *, autocommit: bool
) -> None:
    source, ours = new_database(source_server, "large"), new_database(source_server, "ours")
    execute(source_server.dsn(source), "SELECT lo_from_bytea(7, decode(repeat('00ff', 2000000), 'hex')), lo_create(8)")
    summary = load(source_server, ours, dump_to(tmp_path / "dump.sql", source_server, source), autocommit=autocommit)
    assert dump_text(source_server, ours) == dump_text(source_server, source)
    assert summary.round_trips > 8  # more than one string within BEGIN and COMMIT


def test_an_empty_dump_is_loaded_and_our_settings_hold_behind_its_preamble(
    source_server: PostgresServer, new_database: NewDatabase, tmp_path: Path
) -> None:
    path = dump_to(tmp_path / "dump.sql", source_server, new_database(source_server, "empty"))
    with closing(psycopg2.connect(source_server.dsn(new_database(source_server, "ours")))) as connection:
        summary = load_dump(connection, path, sha256=inspect_dump(path).sha256, session_settings=SETTINGS)
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('statement_timeout'), current_setting('lock_timeout')")
            assert cursor.fetchone() == ("1min", "10s")
    assert (summary.rows, summary.tables) == (0, 0)


def test_nothing_is_committed(source_server: PostgresServer, new_database: NewDatabase, nasty_dump: Path) -> None:
    ours = new_database(source_server, "ours")
    before = dump_text(source_server, ours)
    with closing(psycopg2.connect(source_server.dsn(ours))) as connection:
        load_dump(connection, nasty_dump, sha256=inspect_dump(nasty_dump).sha256, session_settings=SETTINGS)
        connection.rollback()
    assert dump_text(source_server, ours) == before


def test_the_connection_speaks_its_own_encoding_again(
    source_server: PostgresServer, new_database: NewDatabase, tmp_path: Path
) -> None:
    path = dump_to(tmp_path / "dump.sql", source_server, new_database(source_server, "s"), "--encoding=LATIN1")
    with closing(psycopg2.connect(source_server.dsn(new_database(source_server, "ours")))) as connection:
        load_dump(connection, path, sha256=inspect_dump(path).sha256, session_settings=SETTINGS)
        with connection.cursor() as cursor:
            cursor.execute("SELECT length('é€')")
            assert cursor.fetchone() == (2,)


def test_many_small_tables_need_few_round_trips_and_empty_ones_none(
    source_server: PostgresServer, new_database: NewDatabase, tmp_path: Path
) -> None:
    source = new_database(source_server, "many")
    execute(
        source_server.dsn(source),
        "".join(f"CREATE TABLE t{n} (id serial PRIMARY KEY, v text);" for n in range(200))
        + "".join(f"INSERT INTO t{n} (v) VALUES ('x');" for n in range(20)),
    )
    path = dump_to(tmp_path / "dump.sql", source_server, source)
    summary = load(source_server, new_database(source_server, "ours"), path)
    assert summary.statements > 1500
    assert (summary.tables, summary.rows) == (20, 20)
    assert summary.round_trips <= 7


def test_a_table_is_loaded_in_constant_memory(
    source_server: PostgresServer, new_database: NewDatabase, tmp_path: Path
) -> None:
    source = new_database(source_server, "wide")
    execute(
        source_server.dsn(source),
        "CREATE TABLE t AS SELECT repeat('x', 20000000) AS a "
        "UNION ALL SELECT repeat('y', 10) FROM generate_series(1, 200000)",
    )
    path = dump_to(tmp_path / "dump.sql", source_server, source)
    sha256 = inspect_dump(path).sha256
    with closing(psycopg2.connect(source_server.dsn(new_database(source_server, "ours")))) as connection:
        tracemalloc.start()
        summary = load_dump(connection, path, sha256=sha256, session_settings=SETTINGS)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert summary.rows == 200_001
    assert peak < 8 << 20


def test_many_small_tables_are_loaded_in_constant_memory(
    source_server: PostgresServer, new_database: NewDatabase, tmp_path: Path
) -> None:
    body = b"CREATE TABLE public.t (a text, b text);\n"
    body += (b"COPY public.t (a, b) FROM stdin;\n" + b"%s\t\\n\n" % (b"'" * 20) * 2400 + b"\\.\n") * 200
    path = tmp_path / "dump.sql"
    path.write_bytes(made_dump(body))
    sha256 = inspect_dump(path).sha256
    del body
    with closing(psycopg2.connect(source_server.dsn(new_database(source_server, "ours")))) as connection:
        tracemalloc.start()
        summary = load_dump(connection, path, sha256=sha256, session_settings=SETTINGS)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert summary.rows == 480_000
    assert summary.round_trips < 40
    assert peak < 8 << 20


def test_warnings_of_the_server_do_not_pile_up(
    source_server: PostgresServer, new_database: NewDatabase, tmp_path: Path
) -> None:
    source = new_database(source_server, "loud")
    execute(
        source_server.dsn(source),
        "CREATE FUNCTION loud(a integer) RETURNS integer IMMUTABLE LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE WARNING 'again'; RETURN a; END $$; SET client_min_messages = error;"
        "CREATE TABLE t AS SELECT n FROM generate_series(1, 3000) n; CREATE INDEX ON t (loud(n))",
    )
    path = dump_to(tmp_path / "dump.sql", source_server, source)
    with closing(psycopg2.connect(source_server.dsn(new_database(source_server, "ours")))) as connection:
        load_dump(connection, path, sha256=inspect_dump(path).sha256, session_settings=SETTINGS)
        assert connection.notices == []
