"""Rows that the last proved dump has byte by byte are not read again for their fingerprint; others are."""

import json
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from tasks.engine import dumping
from tasks.engine.content import Content, read_content
from tasks.engine.dump_writing import Asked, Written, write_dump
from tasks.engine.errors import BackupError, DumpRefused
from tasks.engine.run import Run
from tests.support.installation import Installation, ask, installed
from tests.support.workers import wait_until
from worker.demo.servers import PostgresServer, ValkeyServer

SCHEMA = """
    CREATE TABLE computed (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED);
    INSERT INTO computed VALUES (1), (2);
    CREATE UNLOGGED TABLE scratch (id int PRIMARY KEY); INSERT INTO scratch VALUES (1);
    CREATE TABLE "Odd ""name" ("a b" text PRIMARY KEY); INSERT INTO "Odd ""name" VALUES ('x');
    CREATE TABLE nothing (id int PRIMARY KEY);
    CREATE TABLE base (id int PRIMARY KEY); CREATE TABLE heir (v text) INHERITS (base);
    INSERT INTO base VALUES (1); INSERT INTO heir VALUES (2, 'x');
    CREATE TABLE parts (kind text, id int) PARTITION BY LIST (kind);
    CREATE TABLE parts_a PARTITION OF parts FOR VALUES IN ('a'); INSERT INTO parts VALUES ('a', 1);
"""
ALWAYS = {"computed", "escrows", "scratch"}  # of which a dump does not say all: computed columns, unlogged rows


@pytest.fixture(scope="module")
def installation(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    """With a right copy, as each test leaves it."""
    with installed(source_server, target_server, valkey_server, tmp_path_factory.mktemp("rows")) as made:
        made.on_source(SCHEMA)
        made.copied()
        yield made


def scans(installation: Installation) -> dict[str, int]:
    """How often each table of the source was read from one end to the other: sessions tell it when they end."""
    others = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    wait_until(lambda: not ask(installation.source, f"{others} AND backend_type = 'client backend'"), "sessions to end")
    ordinary = "relid IN (SELECT oid FROM pg_class WHERE relkind = 'r')"
    return dict(ask(installation.source, f"SELECT relname, seq_scan FROM pg_stat_user_tables WHERE {ordinary}"))


def read_twice(installation: Installation, **others: str) -> set[str]:
    """The tables that a run reads for the dump and for the fingerprint; the others it reads for the dump."""
    before = scans(installation)
    installation.copied(**others)
    after = scans(installation)
    assert {after[name] - before[name] for name in before} <= {1, 2}
    return {name for name in before if after[name] - before[name] == 2}


def test_only_what_differs_is_read_twice(installation: Installation) -> None:
    assert read_twice(installation) == ALWAYS
    installation.on_source("UPDATE users SET display_name = 'x' WHERE id = 3; INSERT INTO heir VALUES (3, 'y')")
    assert read_twice(installation) == ALWAYS | {"users", "heir"}
    assert installation.differences() == []
    installation.on_source('INSERT INTO nothing VALUES (1); DELETE FROM parts; TRUNCATE "Odd ""name"')
    assert read_twice(installation) == ALWAYS | {"nothing", "parts_a", 'Odd "name'}
    assert installation.differences() == []


def test_everything_is_read_where_a_definition_changed_and_once_in_some_days(installation: Installation) -> None:
    every = set(scans(installation))
    installation.on_source("CREATE INDEX ON base (id)")
    assert read_twice(installation) == every
    assert read_twice(installation, FULL_RUNS="true") == every
    assert read_twice(installation) == ALWAYS


def test_the_report_tells_it(installation: Installation) -> None:
    installation.on_source("UPDATE users SET display_name = 'x' WHERE id = 3")
    report = installation.copied()
    way = report["dump_ways"][report["source_dump"]["file"]]
    first, second = way.split("; ")
    assert first.startswith("rows by COPY, the schema of source_db_backup_")
    number = len(scans(installation))
    assert second == f"of {number - 1} of {number} tables the rows are as there"


def test_a_fingerprint_that_somebody_has_edited_is_not_taken_over(installation: Installation) -> None:
    path = max(installation.backup_dir.glob("source_db_backup_*.manifest.json"))
    before = path.read_text()
    manifest = json.loads(before)
    table = next(each for each in manifest["content"]["tables"] if each["name"] == "users")
    true, table["fingerprint"] = table["fingerprint"], "4711"
    path.write_text(json.dumps(manifest))
    report = installation.copied()
    path.write_text(before)
    assert "the schema of" not in report["dump_ways"][report["source_dump"]["file"]]
    path = max(installation.backup_dir.glob("source_db_backup_*.manifest.json"))
    tables = json.loads(path.read_text())["content"]["tables"]
    assert [each["fingerprint"] for each in tables if each["name"] == "users"] == [true]


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("breaks", "error"),
    [
        ("write_dump", BackupError("the disk is gone")),
        ("write_dump", RuntimeError("nobody expected it")),
        ("examine", DumpRefused("the dump is no dump")),
        ("read_content", BackupError("the reading came to nothing")),
    ],
    ids=str,
)
def test_one_of_the_two_that_comes_to_nothing_is_not_waited_for(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, breaks: str, error: Exception
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as broken:
        broken.setattr(dumping, breaks, fails)
        report = installation.run_here()
    assert (report["outcome"], str(error) in report["error"]) == ("failed", True)
    assert installation.leftovers() == []
    installation.on_source(f"COMMENT ON TABLE base IS '{error}'")  # else the next one's schema would not be kept
    installation.copied()


def test_nobody_waits_for_a_look_at_definitions_while_the_dump_is_written(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A view's text takes a lock on what it selects from, which LOCK TABLE left alone."""
    for kind, name in (("VIEW", "seen"), ("MATERIALIZED VIEW", "stored")):
        of_it = f"CREATE VIEW of_{name} AS SELECT * FROM {name}"
        installation.on_source(f"CREATE {kind} {name} AS SELECT 1 AS one; {of_it}")
    installation.copied()

    looked = Event()

    class Known(Future[Any]):
        def result(self, timeout: float | None = None) -> Any:
            looked.set()
            return super().result(timeout)

    def read(*args: Any, known: Future[Any], **others: Any) -> Content:
        waits = Known()
        known.add_done_callback(lambda found: waits.set_result(found.result()))
        return read_content(*args, known=waits, **others)

    def write(run: Run, asked: Asked, part: Path) -> Written:
        if not asked.kept:  # the target's
            return write_dump(run, asked, part)
        assert looked.wait(20)
        views = "relation IN ('seen'::regclass, 'stored'::regclass)"
        locks = f"SELECT relation::regclass::text FROM pg_locks WHERE {views} AND pid <> pg_backend_pid()"
        assert ask(installation.source, locks) == []
        return write_dump(run, asked, part)

    monkeypatch.setattr(dumping, "write_dump", write)
    monkeypatch.setattr(dumping, "read_content", read)
    installation.copied()
    assert looked.is_set()
