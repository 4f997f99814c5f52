"""Of a large table only the rows that differ are sent, where the dump that the copy was made of is still there."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tasks.engine import dumpfile, loading_tables
from tasks.engine.errors import DeadlineExceeded
from tasks.engine.row_changes import RowChanges, row_changes
from tests.bench.wire import Wire
from tests.integration.test_changed_tables import CHANGES, SCHEMA, only_what_differs_is_written
from tests.support.installation import Installation, installed
from worker.demo.servers import PostgresServer, ValkeyServer

KEYS = """
    CREATE DOMAIN small AS int CHECK (value < 1000);
    CREATE TABLE by_domain (id small PRIMARY KEY, v text); INSERT INTO by_domain VALUES (1, 'x'), (2, 'y');
    CREATE TABLE "bÿ" ("größe" text, two int, v text, PRIMARY KEY ("größe", two) INCLUDE (v));
    INSERT INTO "bÿ" VALUES ('a', 1, 'x'), ('a', 2, E'\\\\N'), ('b', 1, NULL);
    CREATE TABLE by_two (one uuid, two timestamptz, v numeric, PRIMARY KEY (two, one), UNIQUE (v));
    INSERT INTO by_two VALUES ('00000000-0000-0000-0000-000000000001', '2025-01-01', 1.0),
        ('00000000-0000-0000-0000-000000000001', '2025-01-02', 2.0);
    CREATE TABLE by_computed (id int, key int GENERATED ALWAYS AS (id + 1) STORED PRIMARY KEY, v text);
    INSERT INTO by_computed VALUES (1, DEFAULT, 'x'), (2, DEFAULT, 'y');
"""
CHANGED_KEYS = """
    UPDATE by_domain SET v = 'z' WHERE id = 2; UPDATE "bÿ" SET v = 'w' WHERE two = 2; DELETE FROM "bÿ" WHERE two = 1;
    UPDATE by_two SET v = v + 10; UPDATE by_computed SET v = 'z' WHERE id = 1; INSERT INTO by_computed VALUES (7)
"""


class Seen:
    """What was found to differ, for each block that was read beside its older self."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.found: list[RowChanges | None] = []
        self.compare: Callable[..., AbstractContextManager[RowChanges | None]] = row_changes
        monkeypatch.setattr(loading_tables, "row_changes", self._changes)

    @contextmanager
    def _changes(self, old: Iterator[bytes], new: Iterator[bytes], *, directory: Path) -> Iterator[RowChanges | None]:
        with self.compare(old, new, directory=directory) as changes:
            self.found.append(changes)
            yield changes


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    return Seen(monkeypatch)


@pytest.fixture(scope="module")
def lasting(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    """With a copy of tables that count as large, for tests that leave a right one behind."""
    home = tmp_path_factory.mktemp("changed")
    with pytest.MonkeyPatch.context() as patch, installed(source_server, target_server, valkey_server, home) as made:
        patch.setattr(dumpfile, "LARGE_BLOCK_BYTES", 1)
        made.on_source(SCHEMA + ";" + KEYS)
        made.copied()
        yield made


def test_only_rows_that_differ_are_sent(lasting: Installation, seen: Seen) -> None:
    for _ in only_what_differs_is_written(lasting, CHANGES):
        assert None not in seen.found


def test_they_are_just_those(lasting: Installation, seen: Seen) -> None:
    lasting.on_source("UPDATE files SET size = -7 WHERE id = (SELECT max(id) FROM files)")
    lasting.on_source("DELETE FROM files WHERE id = (SELECT min(id) FROM files)")
    report = lasting.copied()
    assert lasting.differences() == []
    assert report["way"] == "changed_tables", report["way_reason"]
    [changes] = seen.found
    assert changes is not None
    assert (changes.gone.count, changes.come.count) == (2, 1)


def test_the_verification_reads_them_no_second_time(lasting: Installation) -> None:
    """Unless the server itself writes just then, as autovacuum does: not three times in a row."""
    for number in range(3):
        lasting.on_source(f"UPDATE users SET display_name = 'again {number}' WHERE id = 5")
        report = lasting.copied()
        assert report["way"] == "changed_tables", report["way_reason"]
        if "no transaction has written since" in json.dumps(report["steps"]):
            return
    pytest.fail("it read them each time")


def test_whatever_the_key_is(lasting: Installation, seen: Seen) -> None:
    lasting.on_source(CHANGED_KEYS)
    report = lasting.copied()
    assert (report["way"], len(seen.found)) == ("changed_tables", 4), report["way_reason"]
    assert lasting.differences() == []


def test_too_many_are_found_out_by_the_server(lasting: Installation, seen: Seen) -> None:
    seen.compare = partial(row_changes, most_bytes=100)
    lasting.on_source("UPDATE files SET size = size + 1; DELETE FROM files WHERE id % 7 = 0")
    assert lasting.copied()["way"] == "changed_tables"
    assert lasting.differences() == []
    assert seen.found == [None]


def test_so_are_those_for_which_there_is_no_room_here(lasting: Installation, seen: Seen, tmp_path: Path) -> None:
    seen.compare = lambda old, new, **_: row_changes(old, new, directory=tmp_path / "absent")
    lasting.on_source("UPDATE files SET size = size + 2 WHERE id % 5 = 0")
    assert lasting.copied()["way"] == "changed_tables"
    assert lasting.differences() == []
    assert seen.found == []


def test_a_step_that_has_no_time_left_ends_while_it_compares(lasting: Installation, seen: Seen) -> None:
    def compare(*_: object, **__: object) -> AbstractContextManager[RowChanges | None]:
        raise DeadlineExceeded("restore_target took longer than its limit")

    seen.compare = compare
    lasting.on_source("UPDATE files SET size = size + 3 WHERE id % 5 = 0")
    report = lasting.run_here()
    assert "took longer than its limit" in report["error"]
    seen.compare = row_changes
    lasting.copied()


def test_what_a_damaged_dump_says_is_not_believed(lasting: Installation, seen: Seen) -> None:
    path = max(lasting.backup_dir.glob("source_db_backup_*.sql"))
    path.write_bytes(path.read_bytes().replace(b"\troot\n", b"\tRoot\n"))
    lasting.on_source("UPDATE folders SET name = 'another' WHERE id = 4")
    assert lasting.copied()["way"] == "changed_tables"
    assert lasting.differences() == []
    assert seen.found == []


def test_nor_where_the_new_one_differs_from_its_manifest(lasting: Installation, seen: Seen) -> None:
    """The block is read a second time when too much differs: then, too, it must be what was examined."""
    seen.compare = partial(row_changes, most_bytes=-1)
    lasting.on_source("UPDATE users SET display_name = 'y' WHERE id = 3")
    assert lasting.copied()["way"] == "changed_tables"
    assert lasting.differences() == []
    assert seen.found == [None]


def test_what_is_equal_does_not_pass_the_targets_wire(
    source_server: PostgresServer, target_server: PostgresServer, valkey_server: ValkeyServer, tmp_path: Path
) -> None:
    with Wire(target_server.port) as wire:
        over_wire = replace(target_server, port=wire.port)
        with installed(source_server, over_wire, valkey_server, tmp_path) as made:
            made.on_source("CREATE TABLE large (n int PRIMARY KEY, v text)")
            made.on_source("INSERT INTO large SELECT n, repeat(md5(n::text), 8) FROM generate_series(1, 20000) n")
            made.copied()
            made.on_source("UPDATE large SET n = -n WHERE n % 100 = 0")
            wire.take()
            report, sent = made.copied(), wire.take().bytes
            assert (report["way"], made.differences()) == ("changed_tables", [])
            assert sent < 20000 * 263 / 5
