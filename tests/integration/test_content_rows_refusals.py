"""What a role cannot read in full is refused, with the statement to type."""

import re
from collections.abc import Iterator

import pytest

from tasks.engine.errors import BackupError
from tests.conftest import execute
from tests.integration.content_support import Database, NewDatabase, read, rows_of
from worker.demo.servers import PostgresServer

READER = "rows_reader"


@pytest.fixture
def database(source_server: PostgresServer, new_database: NewDatabase) -> Database:
    return Database(source_server, new_database(source_server, "reading"))


@pytest.fixture
def reader(database: Database) -> Iterator[str]:
    """The DSN of a role without rights of its own; every test gives it some."""
    execute(database.dsn, f"CREATE ROLE {READER} LOGIN PASSWORD 'reader'")
    yield database.server.dsn(database.name, READER, "reader")
    execute(database.dsn, f"DROP OWNED BY {READER} CASCADE; DROP ROLE {READER}")


def advice_of(error: BackupError) -> str:
    """The statement that the message tells to type."""
    found = re.search(r"(?:GRANT|ALTER) .+?(?= \(or |$)", str(error))
    assert found, error
    return found[0]


def test_a_table_that_the_role_may_not_read_is_named_with_the_grant_to_type(database: Database, reader: str) -> None:
    database.execute(
        f'CREATE SCHEMA "My App"; CREATE TABLE "My App"."T" (); GRANT USAGE ON SCHEMA "My App" TO {READER}'
    )
    with pytest.raises(BackupError, match=r"may not read My App\.T;") as raised:
        read(reader)
    database.execute(advice_of(raised.value))
    assert rows_of(read(reader), "T", "My App").rows == 0


def test_a_schema_that_the_role_may_not_enter_is_named_with_the_grant_to_type(database: Database, reader: str) -> None:
    database.execute(f"CREATE SCHEMA app; CREATE TABLE app.t (); GRANT SELECT ON app.t TO {READER}")
    with pytest.raises(BackupError, match=r"may not read app\.t;") as raised:
        read(reader)
    database.execute(advice_of(raised.value))
    assert len(read(reader).tables) == 1


def test_a_sequence_that_the_role_may_not_read_is_named_with_the_grant_to_type(database: Database, reader: str) -> None:
    database.execute("CREATE SEQUENCE s")
    with pytest.raises(BackupError, match=r"may not read public\.s;") as raised:
        read(reader)
    database.execute(advice_of(raised.value))
    assert len(read(reader).sequences) == 1


def test_of_many_unreadable_tables_the_first_are_named_and_the_rest_counted(database: Database, reader: str) -> None:
    database.execute("".join(f"CREATE TABLE t{n} ();" for n in range(8)))
    with pytest.raises(BackupError, match=r"public\.t0, .*public\.t4 and 3 more"):
        read(reader)


def test_a_policy_that_would_hide_rows_is_an_error_that_names_the_table(database: Database, reader: str) -> None:
    database.execute(
        "CREATE TABLE t (id int); ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON t USING (id > 1);"
        f"INSERT INTO t VALUES (1), (2); GRANT SELECT ON t TO {READER}"
    )
    with pytest.raises(BackupError, match=r"would hide rows of public\.t from the role rows_reader") as raised:
        read(reader)
    database.execute(advice_of(raised.value))
    assert rows_of(read(reader), "t").rows == 2


def test_an_owner_is_told_when_row_security_is_forced_upon_him(database: Database, reader: str) -> None:
    database.execute(f"CREATE TABLE t (id int); ALTER TABLE t OWNER TO {READER}, ENABLE ROW LEVEL SECURITY")
    assert rows_of(read(reader), "t").rows == 0
    database.execute("ALTER TABLE t FORCE ROW LEVEL SECURITY")
    with pytest.raises(BackupError, match=r"would hide rows of public\.t"):
        read(reader)


def test_a_large_object_that_the_role_may_not_read_is_named(database: Database, reader: str) -> None:
    database.execute("SELECT lo_create(4711)")
    with pytest.raises(BackupError, match=r"large object.* 4711.*GRANT SELECT ON LARGE OBJECT"):
        read(reader)
