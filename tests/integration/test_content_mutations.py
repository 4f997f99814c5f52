"""A proof is worth what it notices: silent changes of a perfect copy, one at a time, each named in a sentence."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from sqlalchemy.engine import Connection

from tasks.engine.content import Content, compare_content, content_digest, read_content
from tests.conftest import execute
from tests.integration.content_support import FOLDER, Database, mutations, session
from worker.demo.servers import PostgresServer


@dataclass(frozen=True, kw_only=True)
class Pair:
    """What is expected, with owners and rights, and a session in a perfect copy of it."""

    expected: Content
    connection: Connection

    def differences_after(self, statements: str) -> tuple[str, ...]:
        """What is said of the copy while these have been run in a transaction, which is then rolled back."""
        try:
            if statements:
                self.connection.exec_driver_sql(statements, execution_options={"no_parameters": True})
            return compare_content(self.expected, read_content(self.connection), self.connection)
        finally:
            self.connection.rollback()
            # What a sequence has given out it does not take back.
            self.connection.exec_driver_sql("SELECT setval('alike.counter', 1)")
            self.connection.commit()


@pytest.fixture(scope="module")
def pair(source_server: PostgresServer) -> Iterator[Pair]:
    source, copy = Database(source_server, "mutations_source"), Database(source_server, "mutations_copy")
    for database in (source, copy):
        execute(source_server.dsn(), f"CREATE DATABASE {database.name} TEMPLATE template0")
    source.execute((FOLDER / "content_schema.sql").read_text())
    copy.restore_from(source)
    with session(source.dsn) as opened:
        expected = read_content(opened.connection, privileges=True)
    with session(copy.dsn) as opened:
        yield Pair(expected=expected, connection=opened.connection)
    for database in (source, copy):
        execute(source_server.dsn(), f"DROP DATABASE {database.name} WITH (FORCE)")


def test_a_perfect_copy_has_no_differences_and_the_same_digest(pair: Pair) -> None:
    assert pair.differences_after("") == ()
    assert content_digest(read_content(pair.connection)) == content_digest(pair.expected)


@pytest.mark.parametrize(
    ("named", "statements"), mutations("content_mutations.sql") + mutations("content_mutations_privileges.sql")
)
def test_a_silent_change_is_noticed_and_named_in_one_short_line(pair: Pair, named: str, statements: str) -> None:
    differences = pair.differences_after(statements)
    assert any(named in difference for difference in differences), differences
    assert not any("\n" in difference or len(difference) > 400 for difference in differences)
