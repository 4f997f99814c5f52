"""A proof is worth what it notices: lies are brought into the prepared copy of a real run, between load and proof."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import psycopg2
import pytest

from tests.faults.figures import RecordFigure
from tests.faults.lies import LIES, SCHEMA, Lie
from tests.integration.content_support import Database
from tests.support.installation import Installation, installed, tell
from worker.demo.servers import PostgresServer, ValkeyServer

pytestmark = pytest.mark.faults
METHODS = ("swap", "in_place")
BY_NAME = {lie.what: lie for lie in LIES}
CHOICE = (
    ("swap", "two rows swapped between tables"),
    ("in_place", "a sequence behind"),
    ("swap", "a grant"),
)
# A database with what each load makes anew, or with large objects, is always loaded.
LOADED = ("a materialised view empty", "a large object's byte", "a large object gone")
WRITTEN = [lie for lie in LIES if lie.what not in LOADED]
_TABLES = (
    "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
)


Made = Callable[[str], Installation]


@pytest.fixture(scope="module")
def made(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Made]:
    """Installations of a source that is made by these statements, with owners and grants kept, and one good copy."""
    with ExitStack() as ends:

        def make(statements: str) -> Installation:
            home = tmp_path_factory.mktemp("lies")
            servers = (source_server, target_server, valkey_server)
            found = ends.enter_context(installed(*servers, home, application=False, KEEP_OWNERS="true"))
            found.on_source(statements)
            found.copied()
            return found

        yield make


@pytest.fixture(scope="module")
def installation(made: Made) -> Installation:
    return made(SCHEMA)


@pytest.fixture(scope="module")
def written(made: Made) -> Installation:
    """Of which only what differs is written."""
    return made(f"{SCHEMA}; DROP MATERIALIZED VIEW deparse.kept, alike.kept; SELECT lo_unlink(4711)")


def state(installation: Installation) -> tuple[str, str | None]:
    return installation.fingerprint(), installation.comment()


def what_became_of(
    lie: Lie,
    method: str,
    installation: Installation,
    monkeypatch: pytest.MonkeyPatch,
    *,
    before: tuple[str, str | None],
) -> list[str]:
    """Why a run that was lied to did not notice it as it should; empty: it did, and nothing was published.

    before: the target, as the good copy left it.
    """
    script = installation.home / "lie.sql"
    script.write_text(lie.statements)
    with monkeypatch.context() as patch:
        patch.setenv("RNS_FAULT", f"filled=sql:{script}")
        report = installation.run_here(RESTORE_METHOD=method)
    wrong = {
        f"the run ended as {report['outcome']}: {report['error']}": report["outcome"] != "rolled_back",
        f"it was not noticed in the prepared copy: {report['error']}": "the prepared copy differs" not in str(report),
        f"it was not named: {report['error']}": lie.named not in str(report["error"]),
        "the target is not what it was": state(installation) != before,
        f"left: {(left := installation.leftovers())}": left != [],
    }
    return [f"{method}, {lie.what}: {how}" for how, true in wrong.items() if true]


def what_became_of_what_is_written(lie: Lie, installation: Installation, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """As above, where only what differs is written: then everything is loaded, with the same lie, which is noticed too.

    Such a lie about what is not written is somebody's who wrote to the copy meanwhile: the run is held.
    """
    installation.copied()
    installation.on_source(
        "UPDATE alike.users SET score = score + 1 WHERE id > 10; "
        "UPDATE alike.orders SET total = total + 1 WHERE id > 10; SELECT nextval('alike.orders_id_seq')"
    )
    before = state(installation)
    script = installation.home / "lie.sql"
    script.write_text(lie.statements)
    with monkeypatch.context() as patch:
        patch.setenv("RNS_FAULT", f"filled=sql:{script}")
        report = installation.run_here()
    held = report["outcome"] == "held" and report["way"] == "changed_tables" and "its safety backup" in report["error"]
    refused = (
        report["outcome"] == "rolled_back" and lie.named in report["way_reason"].partition("could not be written")[2]
    )
    wrong = {
        f"the run ended as {report['outcome']}, {report['way_reason']}: {report['error']}": not (held or refused),
        "the target is not what it was": state(installation) != before,
        f"left: {(left := installation.leftovers())}": left != [],
    }
    return [f"{lie.what}: {how}" for how, true in wrong.items() if true]


@pytest.mark.parametrize(
    "what", ["one cell changed", "a sequence behind", "an owner", "a row doubled", "a view's query"]
)
def test_a_lie_where_only_what_differs_is_written_is_noticed_before_its_commit(
    written: Installation, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    assert what_became_of_what_is_written(BY_NAME[what], written, monkeypatch) == []


@pytest.mark.figures
@pytest.mark.long
@pytest.mark.timeout(1200)
def test_every_lie_where_only_what_differs_is_written_is_noticed(
    written: Installation, monkeypatch: pytest.MonkeyPatch, record_figure: RecordFigure
) -> None:
    failures = {lie.what: what_became_of_what_is_written(lie, written, monkeypatch) for lie in WRITTEN}
    record_figure(
        section="Lies",
        what="silent mutations noticed before the COMMIT where only what differs is written",
        held=sum(not found for found in failures.values()),
        of=len(failures),
    )
    assert [sentence for found in failures.values() for sentence in found] == []
    written.copied()


@pytest.mark.parametrize(("method", "what"), CHOICE)
def test_a_lie_in_the_prepared_copy_is_noticed_named_and_not_published(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, method: str, what: str
) -> None:
    before = state(installation)
    assert what_became_of(BY_NAME[what], method, installation, monkeypatch, before=before) == []


@pytest.mark.figures
@pytest.mark.long
@pytest.mark.timeout(2400)
def test_every_lie_is_noticed_by_both_methods_and_few_of_them_by_counting_rows(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, record_figure: RecordFigure
) -> None:
    before = state(installation)
    failures = {
        (method, lie.what): what_became_of(lie, method, installation, monkeypatch, before=before)
        for method in METHODS
        for lie in LIES
    }
    counted = noticed_by_counting(installation.source_server)
    rows = [
        (
            lie.what,
            *("no" if failures[method, lie.what] else "yes" for method in METHODS),
            "yes" if lie.what in counted else "no",
        )
        for lie in LIES
    ]
    record_figure(
        section="Lies",
        what="silent mutations of the prepared copy noticed before publishing",
        held=sum(not found for found in failures.values()),
        of=len(failures),
        columns=("what was wrong with the copy", *METHODS, "by counting the rows of every table"),
        rows=rows,
    )
    record_figure(section="Lies", what="of them noticed by counting rows", held=len(counted), of=len(LIES))
    assert [sentence for found in failures.values() for sentence in found] == []
    assert counted == {"a row gone", "a row doubled"}
    assert installation.run_here()["outcome"] == "succeeded"


def noticed_by_counting(server: PostgresServer) -> set[str]:
    """The lies after which some table has another number of rows."""
    original, copy = Database(server, "lies_original"), Database(server, "lies_copy")
    try:
        for database in (original, copy):
            tell(server.dsn(), f"CREATE DATABASE {database.name} TEMPLATE template0")
        original.execute(SCHEMA)
        copy.restore_from(original)
        expected = counts(copy, "")
        return {lie.what for lie in LIES if counts(copy, lie.statements) != expected}
    finally:
        for database in (original, copy):
            tell(server.dsn(), f"DROP DATABASE IF EXISTS {database.name} WITH (FORCE)")


def counts(database: Database, statements: str) -> dict[str, int]:
    """The rows of each table while these statements have been run, in a transaction that is then rolled back."""
    with closing(psycopg2.connect(database.dsn)) as connection, connection.cursor() as cursor:
        if statements:
            cursor.execute(statements)
        cursor.execute(_TABLES)
        tables = [name for (name,) in cursor.fetchall()]
        found: dict[str, int] = {}
        for table in tables:
            cursor.execute(f"SELECT count(*) FROM {table}")
            found[table] = (cursor.fetchone() or (0,))[0]
        return found
