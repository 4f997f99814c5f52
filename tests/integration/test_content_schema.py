"""The schema's inventory and comparison: no false alarm after a correct restore, nothing left behind, nothing told."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy.exc import DBAPIError

from tasks.engine.content import Content, compare_content, content_digest, read_content
from tests.conftest import execute
from tests.integration.content_support import Database, NewDatabase, session
from tests.support import fidelity
from worker.demo.servers import PostgresServer

SCHEMA = Path(__file__).with_name("content_schema.sql").read_text()
# Its text is another one after the first dump and restore.
VARCHAR_IN = """
CREATE TABLE paid (id integer, status varchar(10) CHECK (status IN ('new', 'paid')), note text);
CREATE VIEW unpaid AS SELECT id, note FROM paid WHERE status NOT IN ('paid', 'gone');
CREATE INDEX by_note ON paid (note) WHERE status IN ('new', 'paid');
"""


def fill_schema(dsn: str) -> None:
    execute(dsn, SCHEMA)


def compare(
    expected: Content, database: Database, *, user: str = "postgres", autocommit: bool = False
) -> tuple[str, ...]:
    with session(database.server.dsn(database.name, user=user), autocommit=autocommit) as opened:
        return compare_content(expected, read_content(opened.connection), opened.connection)


@pytest.fixture
def database(source_server: PostgresServer, new_database: NewDatabase) -> Callable[[], Database]:
    return lambda: Database(source_server, new_database(source_server, "schema"))


@pytest.fixture
def original(database: Callable[[], Database]) -> Database:
    """A small one, whose text changes at the first copy."""
    made = database()
    made.execute(VARCHAR_IN)
    return made


@pytest.mark.parametrize("fill", [fill_schema, fidelity.fill], ids=["expressions", "everything"])
def test_three_generations_of_copies_are_equal_to_the_original_and_to_each_other(
    database: Callable[[], Database], fill: Callable[[str], None]
) -> None:
    generations = [database() for _ in range(4)]
    fill(generations[0].dsn)
    for older, younger in itertools.pairwise(generations):
        younger.restore_from(older)
    contents = [generation.read() for generation in generations]
    assert len({content_digest(content) for content in contents}) == 1
    assert len({content.objects for content in contents[:2]}) == 2, "the text did not change: nothing is tested"
    for content in contents:
        for generation in generations:
            assert compare(content, generation) == ()


def test_what_an_owner_may_do_is_enough_to_compare(
    owner: str, database: Callable[[], Database], source_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, copy = database(), database()
    for each in (source, copy):
        execute(source_server.dsn(), f"ALTER DATABASE {each.name} OWNER TO {owner}")
    fidelity.fill_plain(source_server.dsn(source.name, user=owner, password=owner))
    source.execute(f"SET ROLE {owner};" + VARCHAR_IN)
    monkeypatch.setenv("PGOPTIONS", f"-c role={owner}")
    copy.restore_from(source, "--no-owner", "--no-privileges")
    monkeypatch.delenv("PGOPTIONS")
    with closing(psycopg2.connect(copy.dsn)) as superuser, superuser.cursor() as cursor:
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = %s", (owner,))
        assert cursor.fetchone() == (False,)
    expected = source.read()
    with session(source_server.dsn(copy.name, user=owner, password=owner)) as opened:
        assert compare_content(expected, read_content(opened.connection), opened.connection) == ()


@pytest.fixture
def owner(source_server: PostgresServer) -> Iterator[str]:
    """A role that owns databases and may do nothing else; its password is its name."""
    execute(source_server.dsn(), "CREATE ROLE content_owner LOGIN PASSWORD 'content_owner'")
    yield "content_owner"
    execute(source_server.dsn(), "DROP ROLE content_owner")


def test_a_comparison_leaves_the_transaction_and_the_database_as_they_were(
    original: Database, database: Callable[[], Database]
) -> None:
    copy = database()
    copy.restore_from(original)
    expected = original.read()
    with session(copy.dsn) as opened:
        connection = opened.connection
        connection.exec_driver_sql("INSERT INTO paid VALUES (1, 'new')")
        objects = connection.exec_driver_sql("SELECT count(*) FROM pg_class").scalar_one()
        differences = compare_content(expected, read_content(connection), connection)
        assert differences == ("table public.paid holds 1 rows, expected 0",)
        assert any("CREATE VIEW" in statement for statement in opened.statements), "no text was put through the parser"
        assert connection.exec_driver_sql("SELECT count(*) FROM pg_class").scalar_one() == objects
        assert connection.exec_driver_sql("SELECT count(*) FROM public.paid").scalar_one() == 1
        connection.commit()
    assert copy.read().tables[0].rows == 1


def test_a_comparison_works_without_a_transaction_too(original: Database, database: Callable[[], Database]) -> None:
    copy = database()
    copy.restore_from(original)
    assert compare(original.read(), copy, autocommit=True) == ()
    assert original.read().objects != copy.read().objects


def test_a_comparison_neither_waits_for_a_writer_nor_keeps_a_reader_waiting(
    original: Database, database: Callable[[], Database]
) -> None:
    copy = database()
    copy.restore_from(original)
    expected = original.read()
    with session(copy.dsn) as writer, session(copy.dsn) as opened:
        writer.connection.exec_driver_sql("LOCK TABLE paid IN ROW EXCLUSIVE MODE")
        opened.connection.exec_driver_sql("SET LOCAL lock_timeout = '1s'")
        assert compare_content(expected, read_content(opened.connection), opened.connection) == ()
        held = opened.connection.exec_driver_sql(
            "SELECT DISTINCT mode FROM pg_locks WHERE relation = 'public.paid'::regclass AND pid = pg_backend_pid()"
        )
        assert set(held.scalars()) <= {"AccessShareLock"}


def test_event_triggers_of_the_copy_do_not_stand_in_the_way(
    original: Database, database: Callable[[], Database]
) -> None:
    original.execute(
        "CREATE FUNCTION no_more() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no more of that'; END $$;"
        "CREATE EVENT TRIGGER no_more ON ddl_command_start EXECUTE FUNCTION no_more()"
    )
    copy = database()
    copy.restore_from(original)
    with pytest.raises(psycopg2.errors.RaiseException):
        copy.execute("CREATE VIEW v AS SELECT 1")
    assert compare(original.read(), copy) == ()


def test_text_that_would_end_its_statement_is_never_sent(original: Database, database: Callable[[], Database]) -> None:
    copy = database()
    copy.restore_from(original)
    hostile = [
        "true) IS NULL; COMMIT; DROP TABLE paid; SELECT (1",
        "true) IS NULL;\nDROP TABLE public.paid; --",
        "'",
        '"',
        "$$",
        "/*",
        "\\! touch /tmp/never",
        "E'\\'; DROP TABLE public.paid; --'",
    ]
    expected = original.read()
    for text in hostile:
        changed = with_texts(expected, text)
        differences = compare(changed, copy)
        assert [difference.split(":")[0] for difference in differences] == [
            "constraint expression public.paid.paid_status_check",
            "index predicate public.by_note",
            "view query public.unpaid",
        ]
    assert compare(expected, copy) == ()


@pytest.mark.parametrize("text", ["no_such_function(status)", "status = ", "(SELECT 1", "no_such_column > 1"])
def test_a_text_that_the_parser_refuses_differs_and_the_others_are_judged_all_the_same(
    original: Database, database: Callable[[], Database], text: str
) -> None:
    copy = database()
    copy.restore_from(original)
    differences = compare(with_texts(original.read(), text, kind="index predicate"), copy)
    assert [difference.split(":")[0] for difference in differences] == ["index predicate public.by_note"]


def with_texts(content: Content, text: str, kind: str = "") -> Content:
    """The same with this for every deparsed text, or that of one kind."""
    objects = tuple(
        replace(entry, definition=text) if entry.recreate and entry.kind.startswith(kind) else entry
        for entry in content.objects
    )
    return replace(content, objects=objects)


def test_a_session_that_may_not_write_says_so_instead_of_finding_differences(
    original: Database, database: Callable[[], Database]
) -> None:
    copy = database()
    copy.restore_from(original)
    with session(copy.dsn) as opened:
        opened.connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        found = read_content(opened.connection)
        with pytest.raises(DBAPIError, match="read-only transaction"):
            compare_content(original.read(), found, opened.connection)


def test_names_do_not_depend_on_search_path_or_keywords(original: Database) -> None:
    original.execute('CREATE TABLE "select" ("Order" integer, "table" text); CREATE TYPE "user" AS ENUM (); ')
    original.execute('CREATE FUNCTION "end"("user"[], integer) RETURNS "user" LANGUAGE sql AS \'SELECT $1[$2]\'')
    original.execute(f"ALTER DATABASE {original.name} SET search_path = public")
    names = {(entry.kind, entry.identity) for entry in original.read().objects}
    assert {
        ("table", "public.select"),
        ("column", 'public.select."Order"'),
        ("column", "public.select.table"),
        ("type", "public.user"),
        ("function", "public.end(public.user[], integer)"),
    } <= names


def test_owners_and_rights_are_alike_after_a_restore_that_keeps_them(database: Callable[[], Database]) -> None:
    original, copy = database(), database()
    fidelity.fill(original.dsn)
    copy.restore_from(original)
    with session(original.dsn) as opened:
        expected = read_content(opened.connection, privileges=True)
    assert {"owner", "privileges"} <= {entry.kind for entry in expected.objects}
    assert compare(expected, copy) == ()


def test_what_a_dump_cannot_say_raises_no_alarm(database: Callable[[], Database]) -> None:
    original, copy = database(), database()
    original.execute("""
        CREATE TABLE parent (a integer, b integer);
        CREATE TABLE child () INHERITS (parent);
        CREATE TABLE grandchild () INHERITS (child);
        ALTER TABLE parent ADD CONSTRAINT not_yet CHECK (b > 0) NOT VALID;
        ALTER TABLE child VALIDATE CONSTRAINT not_yet;
        CREATE TABLE no_index_left (a integer NOT NULL);
        CREATE UNIQUE INDEX dropped ON no_index_left (a);
        ALTER TABLE no_index_left REPLICA IDENTITY USING INDEX dropped;
        DROP INDEX dropped;
    """)
    if original.server.binaries.major < 18:  # later ones keep children as strict as their parents
        original.execute("ALTER TABLE ONLY parent ALTER a SET NOT NULL")
    copy.restore_from(original)
    assert compare(original.read(), copy) == ()
    assert content_digest(original.read()) == content_digest(copy.read())


def test_an_index_that_is_not_valid_is_no_part_of_the_content(original: Database) -> None:
    before = original.read()
    original.execute("INSERT INTO paid VALUES (1), (1)")
    with pytest.raises(psycopg2.errors.UniqueViolation):
        original.execute("CREATE UNIQUE INDEX CONCURRENTLY invalid ON paid (id)")
    assert original.read().objects == before.objects
