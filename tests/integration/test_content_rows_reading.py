"""Reading a database: what belongs to it, how many round trips and locks it takes, and what is refused."""

from contextlib import closing

import psycopg2
import pytest

from tasks.engine.content import (
    Content,
    content_from_json,
    fingerprints,
    from_json,
    is_empty,
    read_content,
    statistics,
    to_json,
)
from tasks.engine.content.session import PINNED_SESSION, catch_up
from tests.integration.content_support import Database, NewDatabase, rows_of, session
from worker.demo.servers import PostgresServer


@pytest.fixture
def database(source_server: PostgresServer, new_database: NewDatabase) -> Database:
    return Database(source_server, new_database(source_server, "reading"))


def test_a_fresh_database_is_empty(database: Database) -> None:
    assert is_empty(database.read())
    with session(database.dsn) as opened:
        assert is_empty(read_content(opened.connection, privileges=True))


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE t ()",
        "CREATE TABLE t (a int) PARTITION BY LIST (a)",
        "CREATE SEQUENCE s",
        "CREATE VIEW v AS SELECT 1 AS one",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE TYPE e AS ENUM ()",
        "CREATE SCHEMA mine",
        "SELECT lo_create(0)",
    ],
)
def test_a_database_in_which_somebody_made_something_is_not_empty(database: Database, statement: str) -> None:
    database.execute(statement)
    assert not is_empty(database.read())


def test_statistics_are_what_count_says(database: Database) -> None:
    database.execute(
        "CREATE SCHEMA other; CREATE TABLE users (id int); INSERT INTO users VALUES (1), (2);"
        "CREATE TABLE other.users (id int); CREATE TABLE other.wallets (id int); INSERT INTO other.wallets VALUES (1);"
        "CREATE TABLE log (a int, b int) PARTITION BY LIST (a);"
        "CREATE TABLE log_1 PARTITION OF log FOR VALUES IN (1) PARTITION BY LIST (b);"
        "CREATE TABLE log_1_1 PARTITION OF log_1 FOR VALUES IN (1);"
        "CREATE TABLE other.log_2 PARTITION OF log DEFAULT; INSERT INTO log VALUES (1, 1), (1, 1), (2, 2);"
        "CREATE TABLE root (id int); CREATE TABLE l () INHERITS (root); CREATE TABLE r () INHERITS (root);"
        "CREATE TABLE lr () INHERITS (l, r);"
        "INSERT INTO root VALUES (1); INSERT INTO l VALUES (2); INSERT INTO r VALUES (3); INSERT INTO lr VALUES (4)"
    )
    names = ["users", "other.users", "wallets", "log", "log_1", "root", "l", "lr"]
    content = database.read()
    with closing(psycopg2.connect(database.dsn)) as connection, connection.cursor() as cursor:
        cursor.execute("SET search_path = public, other")
        counted = {}
        for name in names:
            cursor.execute(f"SELECT count(*) FROM {name}")
            [counted[name]] = cursor.fetchone() or ()
    assert statistics(content, [*names, "absent"]) == {**counted, "absent": None}


def test_two_hundred_tables_are_read_in_a_handful_of_round_trips(database: Database) -> None:
    database.execute(
        "".join(f"CREATE TABLE t{n} (id serial PRIMARY KEY, a text, b int, c date);" for n in range(200))
        + "INSERT INTO t7 (b) VALUES (1)"
    )
    with session(database.dsn) as opened:
        content = read_content(opened.connection)
        assert len(content.tables) == len(content.sequences) == 200
        assert rows_of(content, "t7").rows == 1
        assert len(opened.statements) <= 6, opened.statements


@pytest.fixture
def small_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the server had no more room for locks than one of eight connections."""
    monkeypatch.setattr(fingerprints, "_SHARE_OF_LOCKS", 10**6)


@pytest.mark.usefixtures("small_server")
def test_reading_many_tables_does_not_gather_their_locks(database: Database) -> None:
    database.execute(
        "".join(f"CREATE TABLE t{n} (id serial PRIMARY KEY); CREATE VIEW v{n} AS TABLE t{n};" for n in range(300))
    )
    held: list[int] = []
    with closing(psycopg2.connect(database.dsn)) as beside, session(database.dsn) as opened, beside.cursor() as cursor:

        def count_locks(*_: int) -> None:
            cursor.execute(
                "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation "
                "WHERE l.pid <> pg_backend_pid() AND c.relnamespace = 'public'::regnamespace"
            )
            held.extend(cursor.fetchone() or ())

        read_content(opened.connection, progress=count_locks)
        catch_up(opened.connection)
        count_locks()
    assert held[-1] == 0
    assert 0 < max(held) < 300


def test_locks_and_changes_of_the_callers_transaction_stay(database: Database) -> None:
    database.execute("CREATE TABLE t (id int)")
    with session(database.dsn) as opened:
        opened.connection.exec_driver_sql("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        opened.connection.exec_driver_sql("INSERT INTO t VALUES (1)")
        assert rows_of(read_content(opened.connection), "t").rows == 1
        modes = opened.connection.exec_driver_sql(
            "SELECT mode FROM pg_locks WHERE relation = 'public.t'::regclass AND pid = pg_backend_pid()"
        )
        assert "AccessExclusiveLock" in modes.scalars().all()
        opened.connection.commit()
    assert rows_of(database.read(), "t").rows == 1


def test_reading_sees_the_callers_snapshot_and_nothing_newer(database: Database) -> None:
    database.execute("CREATE TABLE t (id int); INSERT INTO t VALUES (1)")
    with session(database.dsn) as opened:
        opened.connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        expected = read_content(opened.connection)
        database.execute("INSERT INTO t VALUES (2); SELECT lo_create(0)")
        assert read_content(opened.connection) == expected


def test_the_pinned_settings_end_with_the_transaction(database: Database) -> None:
    database.execute(f"""ALTER DATABASE "{database.name}" SET TimeZone = 'Asia/Kathmandu'""")
    with session(database.dsn) as opened:
        read_content(opened.connection)
        assert opened.connection.exec_driver_sql("SHOW TimeZone").scalar_one() == "UTC"
        opened.connection.commit()
        assert opened.connection.exec_driver_sql("SHOW TimeZone").scalar_one() == "Asia/Kathmandu"


def test_every_pinned_setting_holds_while_reading(database: Database) -> None:
    for autocommit in (False, True):
        with session(database.dsn, autocommit=autocommit) as opened:
            read_content(opened.connection)
            for name, value in PINNED_SESSION.items():
                found = opened.connection.exec_driver_sql(f"SELECT current_setting('{name}', true)").scalar_one()
                assert found in (value, None, '""' if value == "" else value), name


def test_a_session_in_autocommit_reads_the_same(database: Database) -> None:
    database.execute("CREATE TABLE t (id serial, s text); INSERT INTO t (s) VALUES ('a'); SELECT lo_create(7)")
    with session(database.dsn, autocommit=True) as opened:
        assert read_content(opened.connection) == database.read()


@pytest.mark.usefixtures("small_server")
def test_progress_grows_from_nothing_to_all_tables(database: Database) -> None:
    database.execute("".join(f"CREATE TABLE t{n} (id int);" for n in range(300)))
    told: list[tuple[int, int]] = []
    with session(database.dsn) as opened:
        read_content(opened.connection, progress=lambda done, of: told.append((done, of)))
    assert told[0] == (0, 300)
    assert told[-1] == (300, 300)
    assert told == sorted(told)
    assert len(told) >= 3


def test_a_large_table_is_read_by_itself_so_that_progress_moves(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprints, "_BATCH_BYTES", 64 * 2**20)
    database.execute("CREATE TABLE a (s text); CREATE UNLOGGED TABLE b (s text); CREATE TABLE c (s text)")
    database.execute("ALTER TABLE b ALTER s SET STORAGE EXTERNAL; INSERT INTO b VALUES (repeat('x', 70 * 1024 * 1024))")
    told: list[int] = []
    with session(database.dsn) as opened:
        read_content(opened.connection, progress=lambda done, _: told.append(done))
    assert told == [0, 1, 2, 3]


def test_a_table_of_1600_columns_and_a_column_that_is_called_like_its_table_are_read(database: Database) -> None:
    columns = ", ".join(f"c{n} int" for n in range(1600))
    database.execute(f"CREATE TABLE wide ({columns}); INSERT INTO wide (c0, c1599) VALUES (1, 2)")
    database.execute("CREATE TABLE t (t int, oid_ int, ctid_ int); INSERT INTO t VALUES (1, 2, 3)")
    expected = database.read()
    database.execute("UPDATE wide SET c1599 = 3; UPDATE t SET t = 4")
    found = database.read()
    for name in ("wide", "t"):
        assert rows_of(found, name).fingerprint != rows_of(expected, name).fingerprint


def test_views_foreign_tables_temporary_tables_and_stale_materialized_views_have_no_rows_of_their_own(
    database: Database,
) -> None:
    database.execute(
        "CREATE TABLE t (id int); CREATE VIEW v AS SELECT * FROM t; CREATE MATERIALIZED VIEW m AS SELECT * FROM t;"
        "INSERT INTO t VALUES (1)"
    )
    with session(database.dsn) as opened:
        opened.connection.exec_driver_sql("CREATE TEMPORARY TABLE mine (id int)")
        content = read_content(opened.connection)
    assert [table.name for table in content.tables] == ["t"]


def test_of_an_extensions_tables_only_the_users_own_configuration_counts(database: Database) -> None:
    database.execute(
        "CREATE TABLE inner_table (id serial); CREATE TABLE config (id int, own bool); CREATE SEQUENCE config_ids;"
        "INSERT INTO config VALUES (1, false), (2, true), (3, true);"
        "ALTER EXTENSION plpgsql ADD TABLE inner_table; ALTER EXTENSION plpgsql ADD SEQUENCE inner_table_id_seq;"
        "ALTER EXTENSION plpgsql ADD TABLE config; ALTER EXTENSION plpgsql ADD SEQUENCE config_ids;"
        "UPDATE pg_extension SET extconfig = ARRAY['config'::regclass, 'config_ids'::regclass], "
        "extcondition = ARRAY['WHERE config.own', ''] WHERE extname = 'plpgsql'"
    )
    content = database.read()
    assert [(table.name, table.rows) for table in content.tables] == [("config", 2)]
    assert [sequence.name for sequence in content.sequences] == ["config_ids"]


def test_the_notes_tell_versions_and_locale(database: Database) -> None:
    notes = database.read().notes
    assert notes is not None
    assert notes["encoding"] == "UTF8"
    assert notes["collate"] == notes["ctype"] == "C"
    assert notes["extension plpgsql"] == "1.0"


def test_a_content_that_was_read_survives_the_trip_through_json(database: Database) -> None:
    database.execute("CREATE TABLE t (a int) PARTITION BY LIST (a); CREATE TABLE t1 PARTITION OF t DEFAULT")
    content: Content = database.read()
    assert content_from_json(from_json("".join(to_json(content)).encode())) == content
