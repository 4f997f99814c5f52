"""Runs against a copy that holds everything already: nothing is loaded, and nothing that was written there is lost."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from tasks.engine import stewardship
from tests.support.installation import Installation, ask, installed, tell
from worker.demo.servers import PostgresServer, ValkeyServer

# What each of the cases below changes, and what no proof looks at.
SCHEMA = """
    CREATE UNLOGGED TABLE scratch (id int PRIMARY KEY, note text); INSERT INTO scratch VALUES (1, 'x'), (2, 'y');
    CREATE TABLE pairs (a int, b int); INSERT INTO pairs VALUES (1, 2);
    CREATE TABLE parts (kind text CHECK (kind IN ('a', 'b'))) PARTITION BY LIST (kind);
    CREATE TABLE parts_a PARTITION OF parts FOR VALUES IN ('a'); INSERT INTO parts VALUES ('a');
"""
LOADING = (
    "CREATE DATABASE",
    "CREATE TABLE",
    "DROP SCHEMA",
    "DROP DATABASE",
    "FROM stdin",
    "RENAME TO",
    "EXCLUSIVE MODE",
)
Method = str


@pytest.fixture
def installation(
    source_server: PostgresServer, target_server: PostgresServer, valkey_server: ValkeyServer, tmp_path: Path
) -> Iterator[Installation]:
    with installed(source_server, target_server, valkey_server, tmp_path, CHANGED_TABLES_ONLY="false") as made:
        made.on_source(SCHEMA)
        yield made


@pytest.fixture(scope="module")
def lasting(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    """With a copy, for tests that leave a right one behind."""
    with installed(
        source_server, target_server, valkey_server, tmp_path_factory.mktemp("unchanged"), CHANGED_TABLES_ONLY="false"
    ) as made:
        made.on_source(SCHEMA)
        made.on_source("CREATE VIEW ones AS SELECT 1 AS one")
        made.on_source("CREATE COLLATION theirs (provider = builtin, locale = 'C.UTF-8')")
        made.on_source("ALTER TABLE pairs ADD t text COLLATE theirs")
        made.copied()
        yield made


def way(report: dict[str, Any]) -> tuple[str, str]:
    return report["way"], report["way_reason"]


@contextmanager
def everything_logged(server: PostgresServer) -> Iterator[Callable[[], str]]:
    """The server writes each statement into its log; gives what it has written since."""
    tell(server.dsn(), "ALTER SYSTEM SET log_statement = 'all'")
    tell(server.dsn(), "SELECT pg_reload_conf()")
    began = server.log.stat().st_size
    try:
        yield lambda: server.log.read_bytes()[began:].decode(errors="replace")
    finally:
        tell(server.dsn(), "ALTER SYSTEM RESET log_statement")
        tell(server.dsn(), "SELECT pg_reload_conf()")


def test_nothing_is_loaded_when_nothing_changed_and_all_is_told_as_of_any_run(
    installation: Installation, method: Method, caplog: pytest.LogCaptureFixture
) -> None:
    first = installation.copied(RESTORE_METHOD=method)
    assert way(first) == (method, "no copy of ours stands there yet")
    before, found = installation.storage(), installation.fingerprint()
    caplog.clear()
    with everything_logged(installation.target_server) as logged, caplog.at_level("INFO"):
        second = installation.copied(RESTORE_METHOD=method)
        text = logged()
    assert way(second) == ("unchanged", f"nothing changed since the copy of {first['source_dump']['taken_at']}")
    assert "COMMENT ON DATABASE" in text
    assert [word for word in LOADING if word in text] == []
    assert (installation.storage(), installation.fingerprint()) == (before, found)
    assert installation.differences() == []
    assert second["backup_stats"] == second["source_stats"] == first["source_stats"]
    assert "✅ Railway backup database restored successfully: nothing changed, so nothing was loaded" in caplog.text
    mark = json.loads(installation.comment() or "")
    assert (mark["run_id"], mark["snapshot_at"]) == (second["run_id"], second["source_dump"]["taken_at"])
    files = {path.name for path in installation.backup_dir.glob("*.sql")}
    assert {f"source_db_backup_{second['stamp']}.sql", f"backup_safety_{second['stamp']}.sql"} <= files
    installation.on_source("UPDATE users SET display_name = 'changed' WHERE id = 3")
    assert way(installation.copied(RESTORE_METHOD=method))[0] == method
    assert installation.differences() == []


CHANGES = {
    "one row": ("UPDATE users SET display_name = 'x' WHERE id = 3", "table public.users: some of its 57 rows were"),
    "a row of a partition": ("INSERT INTO parts VALUES ('a')", "table public.parts_a had 1 rows and has 2"),
    "rows of an unlogged table": ("UPDATE scratch SET note = 'z' WHERE id = 2", "table public.scratch: rows differ"),
    "a sequence": ("SELECT nextval('users_id_seq')", "sequence public.users_id_seq moved from 57 to 58"),
    "an index": ("CREATE INDEX added ON users (country)", "index public.added is new"),
    "a default": ("ALTER TABLE scratch ALTER note SET DEFAULT 'x'", "since the last copy: definitions only"),
    "a view's text": ("CREATE OR REPLACE VIEW ones AS SELECT 2 AS one", "view query public.ones"),
    "a comment": ("COMMENT ON TABLE pairs IS 'new'", "definitions only"),
    "a large object": ("SELECT lo_from_bytea(4711, 'x')", "large objects: there were 0, there are 1"),
    "the order of columns": (
        "ALTER TABLE pairs RENAME a TO c; ALTER TABLE pairs RENAME b TO a; ALTER TABLE pairs RENAME c TO b; "
        "UPDATE pairs SET a = b, b = a",
        "the columns of a table come in another order",
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_whatever_changed_the_dump_is_loaded_and_it_is_said_why(lasting: Installation, what: str) -> None:
    statement, said = CHANGES[what]
    lasting.on_source(statement)
    report = lasting.copied()
    assert report["way"] == "swap"
    assert said in report["way_reason"]
    assert lasting.differences() == []
    order = "SELECT attname FROM pg_attribute WHERE attrelid = 'pairs'::regclass AND attnum > 0 ORDER BY attnum"
    assert ask(lasting.target, order) == ask(lasting.source, order)


UNDONE_BY_A_LOAD = {
    "rows that a crash has emptied": ("DELETE FROM scratch", "table public.scratch holds 0 rows, expected 2"),
    "another owner": ("ALTER TABLE pairs OWNER TO pg_monitor", "an object belongs to another role than ours"),
    "no statistics": (
        "UPDATE pg_class SET reltuples = -1 WHERE oid = 'public.pairs'::regclass",
        "the table pairs was never analysed",
    ),
    "another version of a collation": (
        "UPDATE pg_collation SET collversion = '0' WHERE collname = 'theirs'",
        "the server sorts by another version of the collation theirs than the copy's indexes",
    ),
}


@pytest.mark.parametrize("what", UNDONE_BY_A_LOAD)
def test_what_a_load_would_put_right_at_the_target_is_put_right(lasting: Installation, what: str) -> None:
    statement, said = UNDONE_BY_A_LOAD[what]
    lasting.on_target(statement)
    report = lasting.copied()
    assert report["way"] == "swap"
    assert said in report["way_reason"]
    assert lasting.differences() == []
    assert lasting.copied()["way"] == "unchanged"


def test_a_materialised_view_is_computed_again_by_each_run(lasting: Installation) -> None:
    lasting.on_source("CREATE MATERIALIZED VIEW counted AS SELECT count(*), now() AS at FROM users")
    lasting.copied()
    at = ask(lasting.target, "SELECT at FROM counted")
    report = lasting.copied()
    assert way(report) == ("swap", "the materialised view counted is computed again by each load")
    assert ask(lasting.target, "SELECT at FROM counted") > at
    lasting.on_source("DROP MATERIALIZED VIEW counted")
    assert lasting.copied()["way"] == "swap"


def test_an_adopted_database_and_one_that_the_operator_wants_loaded_are_loaded(lasting: Installation) -> None:
    stewardship.adopt(lasting.target_as_a_person(), now=datetime.now(UTC))
    assert "was adopted on" in way(lasting.copied())[1]
    assert way(lasting.copied(FULL_RUNS="true")) == ("swap", "FULL_RUNS asks for it")
    assert lasting.copied()["way"] == "unchanged"


def test_owners_and_privileges_count_where_they_are_kept(lasting: Installation) -> None:
    lasting.on_source("GRANT SELECT ON pairs TO pg_monitor; ALTER TABLE scratch OWNER TO pg_monitor")
    report = lasting.copied(KEEP_OWNERS="true")
    assert report["way"] == "swap"
    assert "privileges on table public.pairs" in report["way_reason"]
    assert lasting.copied(KEEP_OWNERS="true")["way"] == "unchanged"
    assert "an object belongs to another role than ours" in way(lasting.copied())[1]
    assert lasting.copied()["way"] == "unchanged"


def test_grants_of_the_copy_stay_and_do_not_count_where_they_are_not_the_sources(lasting: Installation) -> None:
    lasting.on_target("GRANT SELECT ON pairs TO pg_monitor")
    granted = "SELECT relacl::text FROM pg_class WHERE oid = 'pairs'::regclass"
    before = ask(lasting.target, granted)
    assert lasting.copied()["way"] == "unchanged"
    assert ask(lasting.target, granted) == before
    lasting.on_target("REVOKE SELECT ON pairs FROM pg_monitor")


def test_a_copy_of_another_encoding_is_made_anew_by_swap_and_left_by_in_place(
    source_server: PostgresServer, target_server: PostgresServer, valkey_server: ValkeyServer, tmp_path: Path
) -> None:
    with installed(source_server, target_server, valkey_server, tmp_path, application=False) as made:
        tell(source_server.dsn(), f"DROP DATABASE {made.source_name}")
        tell(
            source_server.dsn(),
            f"CREATE DATABASE {made.source_name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'",
        )
        made.on_source("CREATE TABLE t (a text); INSERT INTO t VALUES ('x')")
        made.copied(RESTORE_METHOD="in_place")
        assert made.copied(RESTORE_METHOD="in_place")["way"] == "unchanged"
        report = made.copied(RESTORE_METHOD="swap")
        assert way(report) == ("swap", "a load would make a database of another encoding, locale or tablespace")
        assert made.copied(RESTORE_METHOD="swap")["way"] == "unchanged"


def test_refusing_ordinary_writes_is_switched_on_and_off_although_nothing_is_loaded(
    lasting: Installation, method: Method
) -> None:
    for read_only in ("true", "true", "false"):
        report = lasting.copied(RESTORE_METHOD=method, COPY_READ_ONLY=read_only)
        assert report["way"] == "unchanged"
        with closing(psycopg2.connect(lasting.target)) as connection, connection.cursor() as cursor:
            cursor.execute("SHOW transaction_read_only")
            assert cursor.fetchone() == ("on" if read_only == "true" else "off",)
