"""The hash of a source's catalogs: another after each change of a definition, the same after anything else."""

import re
from collections.abc import Iterator

import pytest
from sqlalchemy.engine import Connection

from tasks.engine.content.session import run
from tasks.engine.kept_schema import CATALOGS, catalogs_digest
from tests.conftest import execute
from tests.integration.content_support import FOLDER, Database, mutations, session
from tests.support.installation import tell
from worker.demo.servers import PostgresServer

_ROWS_ONLY = re.compile(r"\s*(INSERT|UPDATE (?!pg_)|DELETE|TRUNCATE|WITH|SELECT (nextval|setval))\b")
UPKEEP = (
    "ANALYZE",
    "VACUUM",
    "VACUUM FULL alike.users",
    "REINDEX TABLE alike.orders",
    "CHECKPOINT",
    "TRUNCATE alike.watched",
    "UPDATE alike.orders SET total = total + 1",
    "SELECT nextval('alike.counter')",
)


@pytest.fixture(scope="module")
def catalogs(source_server: PostgresServer) -> Iterator[Connection]:
    """A session in a database that holds one of everything but large objects."""
    database = Database(source_server, "catalogs_digest")
    execute(source_server.dsn(), f"CREATE DATABASE {database.name} TEMPLATE template0")
    database.execute((FOLDER / "content_schema.sql").read_text())
    database.execute("SELECT lo_unlink(oid) FROM pg_largeobject_metadata")
    with session(database.dsn) as opened:
        yield opened.connection
    execute(source_server.dsn(), f"DROP DATABASE {database.name} WITH (FORCE)")


def digest_after(connection: Connection, statements: str) -> str | None:
    """While these have been run in a transaction, which is then rolled back."""
    try:
        if statements:
            run(connection, statements)
        return catalogs_digest(connection, run(connection, CATALOGS).scalar_one())
    finally:
        connection.rollback()


@pytest.fixture(scope="module")
def undisturbed(catalogs: Connection) -> str | None:
    """The digest after nothing."""
    return digest_after(catalogs, "")


@pytest.mark.parametrize(
    ("named", "statements"),
    [
        (named, statements)
        for named, statements in mutations("content_mutations.sql") + mutations("content_mutations_privileges.sql")
        if "lo_" not in statements
    ],
)
def test_the_catalogs_differ_after_every_change_of_a_definition_and_after_none_of_rows(
    catalogs: Connection, undisturbed: str | None, named: str, statements: str
) -> None:
    same = digest_after(catalogs, statements) == undisturbed
    assert same == bool(_ROWS_ONLY.match(statements) or statements.endswith("alike.kept;")), named


@pytest.mark.parametrize("statement", UPKEEP)
def test_upkeep_and_rows_leave_the_catalogs_as_they_were(
    catalogs: Connection, source_server: PostgresServer, statement: str
) -> None:
    before = digest_after(catalogs, "")
    tell(source_server.dsn("catalogs_digest"), statement)
    assert digest_after(catalogs, "") == before


@pytest.mark.usefixtures("catalogs")
def test_what_a_session_shows_is_pinned(source_server: PostgresServer) -> None:
    tell(source_server.dsn(), "ALTER DATABASE catalogs_digest SET extra_float_digits = -10")
    made = "CREATE FUNCTION costs() RETURNS int LANGUAGE sql COST 1.0000{} AS 'SELECT 1'"
    with session(source_server.dsn("catalogs_digest")) as opened:
        run(opened.connection, made.format(1))
        before = catalogs_digest(opened.connection, run(opened.connection, CATALOGS).scalar_one())
        run(opened.connection, made.replace("CREATE", "CREATE OR REPLACE").format(2))
        assert catalogs_digest(opened.connection, run(opened.connection, CATALOGS).scalar_one()) != before
        opened.connection.rollback()
    tell(source_server.dsn(), "ALTER DATABASE catalogs_digest RESET extra_float_digits")


def test_a_question_that_is_refused_leaves_the_transaction_as_it_was(catalogs: Connection) -> None:
    assert catalogs_digest(catalogs, "SELECT 'x', 1, 1 FROM nowhere") is None
    assert run(catalogs, "SELECT 1").scalar_one() == 1
    catalogs.rollback()


def test_a_role_that_comes_and_a_large_object_make_a_difference(catalogs: Connection) -> None:
    before = digest_after(catalogs, "")
    assert digest_after(catalogs, "CREATE ROLE digest_role") != before
    assert digest_after(catalogs, "SELECT lo_create(0)") is None
    assert before is not None
    assert digest_after(catalogs, "") == before
