"""A load that fails says what, where in the file, and leaves nothing that could be committed."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import TRANSACTION_STATUS_INERROR
from psycopg2.extensions import connection as Connection  # noqa: N812 - psycopg2 names its class in lower case

from tasks.engine.dumpfile import inspect_dump
from tasks.engine.dumpfile_reader import Statement, open_dump
from tasks.engine.dumpfile_rules import Kind
from tasks.engine.errors import BackupError, DumpRefused, LoadFailed, ServerUnreachable
from tasks.engine.loading import load_dump
from tasks.engine.loading_session import LoadSession
from tests.conftest import execute
from tests.integration.loading_support import SETTINGS, NewDatabase, dump_text
from tests.unit.tasks.engine.dumpfile_texts import BODY_LINE
from tests.unit.tasks.engine.dumpfile_texts import dump_text as made_dump
from worker.demo.servers import PostgresServer

_MODES = pytest.mark.parametrize("autocommit", [False, True], ids=["one transaction", "autocommit"])
_TABLE = b"CREATE TABLE public.t (a integer PRIMARY KEY);\n"
_BLOCK = b"COPY public.t (a) FROM stdin;\n1\n2\n%s\n4\n\\.\n"


@contextmanager
def _connected(server: PostgresServer, new_database: NewDatabase, *, autocommit: bool = False) -> Iterator[Connection]:
    with closing(psycopg2.connect(server.dsn(new_database(server, "ours")))) as connection:
        connection.autocommit = autocommit
        yield connection


def _write(tmp_path: Path, body: bytes) -> Path:
    path = tmp_path / "dump.sql"
    path.write_bytes(made_dump(body))
    return path


def _failure(connection: Connection, path: Path, kind: type[BackupError] = LoadFailed) -> str:
    with pytest.raises(kind) as failed:
        load_dump(connection, path, sha256=inspect_dump(path).sha256, session_settings=SETTINGS)
    assert str(failed.value).isprintable()
    return str(failed.value)


@_MODES
@pytest.mark.parametrize("failing", [0, 1, 77, 150, 299])
def test_the_failing_statement_is_named_with_its_line_wherever_it_stands(
    source_server: PostgresServer, new_database: NewDatabase, tmp_path: Path, failing: int, *, autocommit: bool
) -> None:
    statements = [b"CREATE TABLE public.t%d (\n    a integer\n);\n" % n for n in range(300)]
    statements[failing] = b"CREATE TABLE public.wrong (\n    a public.no_such_type\n);\n"
    path = _write(tmp_path, b"".join(statements))
    with _connected(source_server, new_database, autocommit=autocommit) as connection:
        message = _failure(connection, path)
    assert f"line {BODY_LINE + 3 * failing} of the dump (CREATE TABLE public.wrong ()" in message
    assert 'type "public.no_such_type" does not exist' in message


@_MODES
def test_an_error_that_shows_only_when_the_statement_runs_is_named_too(
    source_server: PostgresServer, new_database: NewDatabase, tmp_path: Path, *, autocommit: bool
) -> None:
    path = _write(
        tmp_path,
        _TABLE + _BLOCK % b"3" + b"CREATE VIEW public.v AS SELECT 1 AS a;\nALTER TABLE public.t ADD CHECK ((a < 4));\n",
    )
    with _connected(source_server, new_database, autocommit=autocommit) as connection:
        message = _failure(connection, path)
    assert f"line {BODY_LINE + 8} of the dump (ALTER TABLE public.t ADD CHECK ((a < 4));)" in message


@_MODES
@pytest.mark.parametrize("bad", [b"x\\x1b[31m", b"2"])
def test_a_row_that_the_server_refuses_is_named_with_its_line(
    source_server: PostgresServer, new_database: NewDatabase, tmp_path: Path, bad: bytes, *, autocommit: bool
) -> None:
    path = _write(tmp_path, _TABLE + _BLOCK % bad)
    with _connected(source_server, new_database, autocommit=autocommit) as connection:
        message = _failure(connection, path)
    assert f"line {BODY_LINE + 4} of the dump (COPY public.t (a) FROM stdin;)" in message
    assert "\x1b" not in message
    assert "Key (a)=" not in message  # what a row holds is nobody's business in a log


@_MODES
@pytest.mark.parametrize("failing", [0, 77, 149])
def test_a_row_is_named_among_many_small_tables_too(
    source_server: PostgresServer, new_database: NewDatabase, tmp_path: Path, failing: int, *, autocommit: bool
) -> None:
    tables = [b"CREATE TABLE public.t%d (a integer, b jsonpath);\n" % n for n in range(150)]
    blocks = [b"COPY public.t%d (a, b) FROM stdin;\n1\t$.a\n2\t$.b\n\\.\n" % n for n in range(150)]
    blocks[failing] = blocks[failing].replace(b"$.b", b"$$.b")  # a syntax error, as one of the whole string would be
    path = _write(tmp_path, b"".join([*tables, *blocks, b"CREATE VIEW public.v AS SELECT 1 AS a;\n"]))
    with _connected(source_server, new_database, autocommit=autocommit) as connection:
        message = _failure(connection, path)
    line = BODY_LINE + 150 + 4 * failing + 2
    assert f"refused line {line} of the dump (COPY public.t{failing} (a, b) FROM stdin;): " in message
    assert "syntax error" in message


@_MODES
def test_what_the_server_takes_by_copy_alone_is_loaded_by_it(
    source_server: PostgresServer, new_database: NewDatabase, tmp_path: Path, *, autocommit: bool
) -> None:
    """A check that looks at its own table sees the row before it when rows are inserted, not when they are copied."""
    body = (
        b"CREATE SCHEMA before;\n"
        b"CREATE FUNCTION public.alone() RETURNS boolean LANGUAGE plpgsql\n"
        b"    AS 'BEGIN RETURN NOT EXISTS (SELECT FROM public.t1); END';\n"
        + b"".join(b"CREATE TABLE public.t%d (a integer);\n" % n for n in range(3))
        + b"ALTER TABLE public.t1 ADD CHECK (public.alone());\n"
        + b"".join(b"COPY public.t%d (a) FROM stdin;\n1\n2\n\\.\n" % n for n in range(3))
        + b"CREATE SCHEMA behind;\n"
    )
    path = _write(tmp_path, body)
    with _connected(source_server, new_database, autocommit=autocommit) as connection, connection.cursor() as cursor:
        summary = load_dump(connection, path, sha256=inspect_dump(path).sha256, session_settings=SETTINGS)
        cursor.execute(
            "SELECT (SELECT sum(a) FROM public.t0), (SELECT sum(a) FROM public.t1), (SELECT sum(a) FROM public.t2),"
            " to_regnamespace('before') IS NOT NULL, to_regnamespace('behind') IS NOT NULL"
        )
        assert cursor.fetchone() == (3, 3, 3, True, True)
    assert (summary.tables, summary.rows) == (3, 6)


@pytest.mark.parametrize("body", [_TABLE + _TABLE, _TABLE + _BLOCK % b"x", _TABLE + _BLOCK % b"3\t3"])
def test_a_commit_by_mistake_after_a_failure_commits_nothing(
    source_server: PostgresServer, new_database: NewDatabase, tmp_path: Path, body: bytes
) -> None:
    path = _write(tmp_path, b"CREATE TABLE public.before (a integer);\n" + body)
    with _connected(source_server, new_database) as connection:
        database = connection.info.dbname
        empty = dump_text(source_server, database)
        with pytest.raises((LoadFailed, DumpRefused)):
            load_dump(connection, path, sha256="", session_settings=SETTINGS)
        assert connection.info.transaction_status == TRANSACTION_STATUS_INERROR
        connection.commit()
    assert dump_text(source_server, database) == empty


def test_another_file_than_the_one_that_was_examined_is_refused(
    source_server: PostgresServer, new_database: NewDatabase, tmp_path: Path
) -> None:
    path = _write(tmp_path, _TABLE + _BLOCK % b"3")
    sha256 = inspect_dump(path).sha256
    _write(tmp_path, _TABLE + _BLOCK % b"5")
    with _connected(source_server, new_database) as connection:
        with pytest.raises(DumpRefused, match="is not the file that was examined"):
            load_dump(connection, path, sha256=sha256, session_settings=SETTINGS)
        assert connection.info.transaction_status == TRANSACTION_STATUS_INERROR


@_MODES
@pytest.mark.parametrize(
    "damage", [_BLOCK % b"3\t3", _BLOCK.removesuffix(b"\\.\n"), b"COMMIT;\n", b"\\! true\n", _BLOCK % b"\xff"]
)
def test_damage_that_appears_after_the_inspection_is_refused_while_loading(
    source_server: PostgresServer, new_database: NewDatabase, tmp_path: Path, damage: bytes, *, autocommit: bool
) -> None:
    path = _write(tmp_path, _TABLE + damage.replace(b"%s", b"3"))
    with (
        _connected(source_server, new_database, autocommit=autocommit) as connection,
        pytest.raises(DumpRefused, match=r"line [0-9]+ of the dump dump.sql"),
    ):
        load_dump(connection, path, sha256="", session_settings=SETTINGS)


def test_a_lost_connection_is_unreachable_and_no_failure_of_the_dump(
    source_server: PostgresServer, new_database: NewDatabase, tmp_path: Path
) -> None:
    path = _write(tmp_path, _TABLE)
    with _connected(source_server, new_database) as connection:
        execute(source_server.dsn(), f"SELECT pg_terminate_backend({connection.info.backend_pid}, 5000)")
        _failure(connection, path, ServerUnreachable)


def test_a_connection_that_is_lost_under_a_single_statement_is_unreachable_too(
    source_server: PostgresServer, new_database: NewDatabase, tmp_path: Path
) -> None:
    path = _write(
        tmp_path,
        b"CREATE FUNCTION public.f(a integer) RETURNS integer IMMUTABLE LANGUAGE sql\n"
        b"    AS 'SELECT pg_terminate_backend(pg_backend_pid()); SELECT 1';\n"
        + _TABLE
        + _BLOCK % b"3"
        + b"CREATE INDEX i ON public.t (public.f(a));\n",
    )
    with _connected(source_server, new_database) as connection:
        _failure(connection, path, ServerUnreachable)


def test_a_connection_that_is_lost_within_data_is_unreachable_too(
    source_server: PostgresServer, new_database: NewDatabase, tmp_path: Path
) -> None:
    path = _write(
        tmp_path, b"CREATE TABLE public.t (a text);\nCOPY public.t (a) FROM stdin;\n" + b"x\n" * 9_000_000 + b"\\.\n"
    )
    sha256 = inspect_dump(path).sha256
    with _connected(source_server, new_database) as connection:

        def end_session(bytes_read: int) -> None:
            if bytes_read == 5 << 20:
                execute(source_server.dsn(), f"SELECT pg_terminate_backend({connection.info.backend_pid}, 5000)")

        with pytest.raises(ServerUnreachable, match="connection to the target was lost"):
            load_dump(connection, path, sha256=sha256, session_settings=SETTINGS, progress=end_session)


def test_a_time_limit_is_told_with_the_lines_that_were_under_way(
    source_server: PostgresServer, new_database: NewDatabase, tmp_path: Path
) -> None:
    path = _write(
        tmp_path,
        b"CREATE FUNCTION public.f(a integer) RETURNS integer IMMUTABLE LANGUAGE sql\n"
        b"    AS 'SELECT pg_sleep(20); SELECT 1';\n"
        b"CREATE TABLE public.t (a integer);\nCOPY public.t (a) FROM stdin;\n1\n\\.\n"
        b"CREATE SCHEMA s;\nCREATE INDEX i ON public.t (public.f(a));\nCREATE SCHEMA u;\n",
    )
    with _connected(source_server, new_database) as connection, pytest.raises(LoadFailed) as failed:
        load_dump(
            connection, path, sha256=inspect_dump(path).sha256, session_settings="SET statement_timeout = '300ms'"
        )
    assert f" to {BODY_LINE + 8} of the dump" in str(failed.value)  # the settings go in one string with what follows
    assert "statement timeout" in str(failed.value)


@_MODES
def test_a_dump_that_changes_how_its_strings_are_read_is_stopped(
    source_server: PostgresServer, new_database: NewDatabase, tmp_path: Path, *, autocommit: bool
) -> None:
    path = _write(
        tmp_path,
        b"CREATE FUNCTION public.f() RETURNS text LANGUAGE sql AS "
        b"$$ SELECT set_config('standard_conforming_strings', 'off', false) $$;\n"
        b"CREATE TABLE public.t (a integer, b text DEFAULT public.f());\n"
        b"COPY public.t (a) FROM stdin;\n1\n\\.\n"
        b"COMMENT ON TABLE public.t IS 'a\\''; COMMIT; --';\n",
    )
    with _connected(source_server, new_database, autocommit=autocommit) as connection:
        assert "standard_conforming_strings" in _failure(connection, path)


@pytest.mark.parametrize(("autocommit", "hidden"), [(False, b"COMMIT;"), (False, b"COMMIT; BEGIN;"), (True, b"BEGIN;")])
def test_a_transaction_that_the_reader_overlooked_is_noticed(
    source_server: PostgresServer, new_database: NewDatabase, tmp_path: Path, hidden: bytes, *, autocommit: bool
) -> None:
    path = _write(tmp_path, _TABLE)
    statement = Statement(text=b"CREATE SCHEMA s; " + hidden + b" CREATE SCHEMA u;", line=1, kind=Kind.DEFINITION)
    with (
        _connected(source_server, new_database, autocommit=autocommit) as connection,
        open_dump(path) as dump,
    ):
        session = LoadSession(connection, dump)
        session.add(statement)
        with pytest.raises(LoadFailed):
            session.flush()


def test_session_settings_that_change_the_encoding_are_refused(
    source_server: PostgresServer, new_database: NewDatabase, tmp_path: Path
) -> None:
    path = _write(tmp_path, _TABLE)
    with _connected(source_server, new_database) as connection, pytest.raises(LoadFailed, match="client_encoding"):
        load_dump(connection, path, sha256=inspect_dump(path).sha256, session_settings="SET client_encoding = 'LATIN1'")


def test_a_password_in_a_failing_statement_is_not_told(
    source_server: PostgresServer, new_database: NewDatabase, tmp_path: Path
) -> None:
    path = _write(
        tmp_path, b"CREATE SUBSCRIPTION s CONNECTION 'host=x password=secret' PUBLICATION p WITH (slot_name = 1);\n"
    )
    with _connected(source_server, new_database) as connection:
        assert "secret" not in _failure(connection, path)
