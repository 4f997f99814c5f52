"""What is said of differences: short, harmless to a terminal, and without a password."""

from collections.abc import Callable

import pytest

from tasks.engine.content import Content, compare_content, read_content
from tests.integration.content_support import Database, NewDatabase, session
from worker.demo.servers import PostgresServer

TABLES = """
CREATE TABLE paid (id integer, status varchar(10) CHECK (status IN ('new', 'paid')), note text);
CREATE VIEW unpaid AS SELECT id, note FROM paid WHERE status NOT IN ('paid', 'gone');
CREATE INDEX by_note ON paid (note) WHERE status IN ('new', 'paid');
"""


def compare(expected: Content, database: Database) -> tuple[str, ...]:
    with session(database.dsn) as opened:
        return compare_content(expected, read_content(opened.connection), opened.connection)


@pytest.fixture
def database(source_server: PostgresServer, new_database: NewDatabase) -> Callable[[], Database]:
    return lambda: Database(source_server, new_database(source_server, "sentences"))


@pytest.fixture
def original(database: Callable[[], Database]) -> Database:
    made = database()
    made.execute(TABLES)
    return made


def test_no_password_of_a_foreign_server_is_read_or_told(original: Database, database: Callable[[], Database]) -> None:
    original.execute(
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (password 'in the open');"
        "CREATE USER MAPPING FOR PUBLIC SERVER s OPTIONS (\"user\" 'somebody', passwd 'in the open')"
    )
    copy = database()
    copy.restore_from(original)
    copy.execute(
        "ALTER SERVER s OPTIONS (SET password 'another'); "
        "ALTER USER MAPPING FOR PUBLIC SERVER s OPTIONS (SET passwd 'another')"
    )
    expected = original.read()
    assert "in the open" not in repr(expected)
    assert "somebody" not in repr(expected)
    differences = compare(expected, copy)
    assert differences == (
        "server s: of w, options (password=(hidden)), expected of w, options (password=(hidden))",
        "user mapping of public on s: options (passwd=(hidden), user=(hidden)), "
        "expected options (passwd=(hidden), user=(hidden))",
    )


def test_what_goes_with_a_missing_table_is_not_told_beside_it(
    original: Database, database: Callable[[], Database]
) -> None:
    copy = database()
    copy.restore_from(original)
    expected = original.read()
    copy.execute("DROP TABLE paid CASCADE")
    assert compare(expected, copy) == (
        "table public.paid is missing",
        "view public.unpaid is missing",
        "index public.by_note is missing",
    )


def test_control_characters_of_names_and_texts_are_escaped(
    original: Database, database: Callable[[], Database]
) -> None:
    original.execute("CREATE TABLE \"new\nline \x1b[31m\" (); COMMENT ON TABLE paid IS 'one\x1b]0;title\x07'")
    differences = compare(original.read(), database())
    assert r'table public."new\nline \x1b[31m" is missing' in differences
    assert all(difference.isprintable() for difference in differences)
