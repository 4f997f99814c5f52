"""What the server's transaction ids tell: whether anybody wrote between two readings."""

from contextlib import closing
from dataclasses import replace

import psycopg2
import pytest

from tasks.engine.content import Earlier, earlier, read_content, read_rows
from tests.integration.content_support import Database, NewDatabase, session
from worker.demo.servers import PostgresServer

UNREAD = "unread"  # a fingerprint that no reading gives: where it stands, nothing was read


@pytest.fixture
def database(source_server: PostgresServer, new_database: NewDatabase) -> Database:
    made = Database(source_server, new_database(source_server, "unwritten"))
    made.execute(
        "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); CREATE SEQUENCE s; SELECT nextval('s');"
        "CREATE UNLOGGED TABLE u (id int); INSERT INTO u VALUES (1)"
    )
    return made


def before(database: Database, *, mark: str | None = None) -> Earlier:
    """A first reading, with another fingerprint than it found."""
    content = database.read()
    found = earlier(content, snapshot=content.snapshot, mark=mark)
    assert found is not None
    return replace(found, rows={name: (rows, UNREAD) for name, (rows, _) in found.rows.items()})


def is_read_again(database: Database, known: Earlier) -> bool:
    said = []
    with session(database.dsn) as opened:
        content = read_content(opened.connection, before=replace(known, unwritten=lambda: said.append("unwritten")))
    [table] = [each for each in content.tables if each.name == "t"]
    assert said == (["unwritten"] if table.fingerprint == UNREAD else [])
    return table.fingerprint != UNREAD


def test_rows_are_not_read_again_where_nobody_wrote(database: Database) -> None:
    known = before(database)
    database.read()
    database.execute("SELECT count(*) FROM t")
    assert not is_read_again(database, known)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO t VALUES (2)",
        "DELETE FROM t",
        "UPDATE t SET id = id",
        "TRUNCATE t",
        "CREATE TABLE other (id int)",
        "BEGIN; SAVEPOINT a; INSERT INTO t VALUES (2); RELEASE SAVEPOINT a; COMMIT",
        "COMMENT ON TABLE t IS 'x'",
        "CREATE ROLE unwritten_role; DROP ROLE unwritten_role",
        "SELECT pg_current_xact_id()",
    ],
)
def test_they_are_where_somebody_did(database: Database, statement: str) -> None:
    known = before(database)
    database.execute(statement)
    assert is_read_again(database, known)


def test_so_they_are_where_somebody_wrote_to_another_database(database: Database, new_database: NewDatabase) -> None:
    """The ids are the whole server's: that is more reading than is needed, never less."""
    other = Database(database.server, new_database(database.server, "elsewhere"))
    known = before(database)
    other.execute("CREATE TABLE t (id int)")
    assert is_read_again(database, known)


def test_what_was_undone_does_not_count(database: Database) -> None:
    known = before(database)
    database.execute("BEGIN; INSERT INTO t VALUES (2); ROLLBACK")
    assert not is_read_again(database, known)


def test_a_transaction_counts_when_it_commits(database: Database) -> None:
    with closing(psycopg2.connect(database.dsn)) as other, other.cursor() as cursor:
        cursor.execute("INSERT INTO t VALUES (2)")
        known = before(database)
        assert not is_read_again(database, known)
        other.commit()
        assert is_read_again(database, known)
        later = before(database)
        assert not is_read_again(database, later)


@pytest.mark.parametrize(
    ("statement", "again"),
    [
        ("INSERT INTO t VALUES (2)", True),
        ("UPDATE t SET id = id WHERE false", True),
        ("TRUNCATE t", True),
        ("SAVEPOINT a; INSERT INTO t VALUES (2); ROLLBACK TO a", False),
        ("LOCK TABLE t IN EXCLUSIVE MODE; INSERT INTO o VALUES (1)", False),
        ("ANALYZE t", False),
        ("CREATE TEMPORARY TABLE x AS TABLE t", False),
    ],
)
def test_what_the_session_wrote_itself_is_read(database: Database, statement: str, again: bool) -> None:
    """As a function does that a constraint of another table calls."""
    database.execute("CREATE TABLE o (id int)")
    known = before(database)
    with session(database.dsn) as opened:
        opened.connection.exec_driver_sql(statement)
        content = read_content(opened.connection, before=known)
        fingerprints = {each.name: each.fingerprint for each in content.tables}
        assert (fingerprints["t"] != UNREAD) is again


def test_the_session_s_own_writes_do_not_count(database: Database) -> None:
    known = before(database)
    with session(database.dsn) as opened:
        opened.connection.exec_driver_sql("INSERT INTO u VALUES (2)")
        content = read_content(opened.connection, before=known)
        assert {each.name: each.fingerprint == UNREAD for each in content.tables} == {"t": True, "u": False}
        rows, sequences = read_rows(opened.connection, [("public", "t"), ("public", "s")], before=known)
        assert (rows, [each.last_value for each in sequences]) == ((), [1])


@pytest.mark.parametrize(("mark", "again"), [("ours", False), ("other's", True), (None, True)])
def test_nor_does_the_transaction_that_set_our_mark(database: Database, mark: str | None, again: bool) -> None:
    known = before(database, mark=mark)
    database.execute(f"COMMENT ON DATABASE {database.name} IS 'ours'")
    assert is_read_again(database, known) is again


def test_another_one_beside_it_does(database: Database) -> None:
    known = before(database, mark="ours")
    database.execute(f"COMMENT ON DATABASE {database.name} IS 'ours'")
    database.execute("INSERT INTO t VALUES (2)")
    assert is_read_again(database, known)


def test_sequences_and_unlogged_tables_are_read_in_any_case(database: Database) -> None:
    database.execute("SELECT nextval('s')")  # from here on 31 more take no id
    known = before(database)
    database.execute("SELECT nextval('s')")
    with session(database.dsn) as opened:
        content = read_content(opened.connection, before=known)
    assert {each.name: each.fingerprint == UNREAD for each in content.tables} == {"t": True, "u": False}
    assert content.sequences[0].last_value == 3


def test_behind_very_many_ids_all_is_read(database: Database) -> None:
    known = before(database)
    database.execute("DO $$ BEGIN FOR n IN 1..10001 LOOP PERFORM pg_current_xact_id(); ROLLBACK; END LOOP; END $$")
    assert is_read_again(database, known)


@pytest.mark.parametrize("snapshot", [None, "", "x", "1:2:", "1:2: @x", "1:2:'; DROP TABLE t", "9" * 30 + ":1: @1.0"])
def test_a_snapshot_that_is_none_is_not_asked_about(database: Database, snapshot: str | None) -> None:
    assert earlier(database.read(), snapshot=snapshot) is None


@pytest.mark.parametrize("snapshot", ["900000000:900000000: @{}", "3:900000000: @{}", "3:3: @{}"])
def test_one_of_another_server_or_time_is_no_proof(database: Database, snapshot: str) -> None:
    known = before(database)
    started = known.snapshot.partition(" @")[2]
    assert is_read_again(database, replace(known, snapshot=snapshot.format(started)))


def test_nor_is_one_of_before_the_server_was_started(database: Database) -> None:
    known = before(database)
    assert not is_read_again(database, known)
    snapshot = known.snapshot.partition(" @")[0]
    assert is_read_again(database, replace(known, snapshot=f"{snapshot} @1732780800.123456"))
