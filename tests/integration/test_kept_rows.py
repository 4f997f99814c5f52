"""Rows of large tables that are as they were do not leave the source: the new dump has them of the last one."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tasks.engine import dumpfile
from tests.bench.wire import Wire
from tests.support.installation import Installation, installed
from worker.demo.servers import PostgresServer, ValkeyServer

SCHEMA = """
    CREATE TABLE aa (id int PRIMARY KEY, v text); INSERT INTO aa VALUES (1, 'first of all');
    CREATE TABLE computed (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED);
    INSERT INTO computed VALUES (1), (2);
    CREATE UNLOGGED TABLE scratch (id int PRIMARY KEY); INSERT INTO scratch VALUES (1);
    CREATE TABLE "Größe ""odd\\t" ("a b" text PRIMARY KEY, m money, t timestamptz);
    INSERT INTO "Größe ""odd\\t" VALUES (E'x\\t\\\\.\\n', 12.5, '2025-01-01');
    CREATE TABLE nothing (id int PRIMARY KEY);
    CREATE TABLE base (id int PRIMARY KEY); CREATE TABLE heir (v text) INHERITS (base);
    INSERT INTO base VALUES (1); INSERT INTO heir VALUES (2, 'x');
    CREATE TABLE parts (kind text, id int) PARTITION BY LIST (kind);
    CREATE TABLE parts_a PARTITION OF parts FOR VALUES IN ('a'); INSERT INTO parts VALUES ('a', 1);
    CREATE TABLE zz (id int PRIMARY KEY, v text); INSERT INTO zz VALUES (1, 'last of all');
"""
_CHANCE = re.compile(rb"^(?:\\(?:un)?restrict .*|-- Dumped (?:from|by) .*)\n", re.MULTILINE)


@pytest.fixture
def installation(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Installation]:
    """With a first copy. Every table that holds a row is a large one."""
    monkeypatch.setattr(dumpfile, "LARGE_BLOCK_BYTES", 1)
    with installed(source_server, target_server, valkey_server, tmp_path) as made:
        made.on_source(SCHEMA)
        made.copied()
        yield made


def copied(installation: Installation, **others: str) -> tuple[bytes, str]:
    """The dump of a run, and how it was written."""
    report = installation.copied(**others)
    assert installation.differences() == []
    name = report["source_dump"]["file"]
    return _CHANCE.sub(b"", (installation.backup_dir / name).read_bytes()), report["dump_ways"][name]


def kept(way: str) -> int:
    found = re.search(r"the schema and the rows of (\d+) large tables of source_db_backup_", way)
    return int(found[1]) if found else 0


@pytest.mark.parametrize(
    ("change", "differ"),
    [
        ("SELECT 1", 0),
        ("UPDATE aa SET v = 'changed'", 1),
        ("UPDATE zz SET v = 'changed'", 1),
        ("UPDATE users SET display_name = 'x' WHERE id = 3; UPDATE base SET id = 7 WHERE id = 1", 2),
        ("INSERT INTO nothing VALUES (1)", 0),  # it was not in the last dump
        ("DELETE FROM parts; TRUNCATE scratch", 2),
        ('UPDATE "Größe ""odd\\t" SET m = 13; INSERT INTO computed VALUES (3)', 2),
        ("SELECT nextval('users_id_seq')", 0),
    ],
)
def test_the_dump_is_the_one_that_a_full_run_makes(installation: Installation, change: str, differ: int) -> None:
    _, way = copied(installation)
    every = kept(way)
    assert every > 8
    installation.on_source(change)
    ours, way = copied(installation)
    assert kept(way) == every - differ
    full, way = copied(installation, FULL_RUNS="true")
    assert kept(way) == 0
    assert ours == full


def test_rows_that_only_moved_are_as_they_were(installation: Installation) -> None:
    before, _ = copied(installation)
    installation.on_source("UPDATE computed SET id = id WHERE id = 1")
    report = installation.copied()
    assert report["way"] == "unchanged", report["way_reason"]
    assert _CHANCE.sub(b"", (installation.backup_dir / report["source_dump"]["file"]).read_bytes()) == before


def test_what_is_equal_does_not_pass_the_wire(
    source_server: PostgresServer, target_server: PostgresServer, valkey_server: ValkeyServer, tmp_path: Any
) -> None:
    with Wire(source_server.port) as wire:
        over_wire = replace(source_server, port=wire.port)
        with installed(over_wire, target_server, valkey_server, tmp_path) as made:
            made.on_source(
                "CREATE TABLE large AS SELECT n, repeat(md5(n::text), 8) FROM generate_series(1, 20000) n;"
                "CREATE TABLE other AS SELECT * FROM large"
            )
            sizes = {}
            for name, change in (("first", ""), ("same", ""), ("changed", "UPDATE other SET n = -n WHERE n = 5")):
                if change:
                    made.on_source(change)
                wire.take()
                made.copied()
                sizes[name] = wire.take().bytes
    table = 20000 * 263
    assert sizes["first"] > 2 * table
    assert sizes["same"] < table / 5
    assert table < sizes["changed"] < 1.3 * table


@pytest.mark.parametrize("place", [b"first of all", b"last of all"])
def test_a_last_dump_that_was_damaged_is_not_taken_from(installation: Installation, place: bytes) -> None:
    path = max(installation.backup_dir.glob("source_db_backup_*.sql"))
    path.write_bytes(path.read_bytes().replace(place, place.upper()))
    ours, way = copied(installation)
    assert way == f"all by pg_dump: {path.name} was changed or damaged"
    assert place in ours


@pytest.mark.parametrize("shift", [-1, 10**9])
def test_nor_is_one_whose_manifest_says_another_place(installation: Installation, shift: int) -> None:
    path = max(installation.backup_dir.glob("source_db_backup_*.manifest.json"))
    manifest = json.loads(path.read_text())
    manifest["large_blocks"] = {name: [begin, end + shift] for name, (begin, end) in manifest["large_blocks"].items()}
    path.write_text(json.dumps(manifest))
    _, way = copied(installation)
    assert way == f"all by pg_dump: {path.name.replace('.manifest.json', '.sql')} was changed or damaged"


@pytest.mark.parametrize(
    "places",
    ["nonsense", {'"public"."users"': [5, 1]}, {"x": "yz"}, {"x": [-1, 3]}, {'"public"."nothing"': [1, 3]}],
    ids=str,
)
def test_nor_is_one_whose_manifest_names_no_places(installation: Installation, places: object) -> None:
    path = max(installation.backup_dir.glob("source_db_backup_*.manifest.json"))
    path.write_text(json.dumps({**json.loads(path.read_text()), "large_blocks": places}))
    assert kept(copied_way(installation)) == 0


def test_nor_are_rows_whose_text_a_setting_decides(installation: Installation) -> None:
    installation.on_source(f"ALTER DATABASE {installation.source_name} SET timezone = 'Asia/Tokyo'")
    ours, way = copied(installation)
    assert kept(way) == 0
    assert b"2025-01-01 " in ours
    assert kept(copied(installation)[1]) > 8


def test_a_packed_dump_is_read_anew(installation: Installation) -> None:
    installation.copied(DUMP_COMPRESSION="zstd")
    assert kept(copied_way(installation)) == 0
    assert kept(copied_way(installation)) > 8
    assert kept(copied_way(installation, DUMP_COMPRESSION="zstd")) > 8


def copied_way(installation: Installation, **others: str) -> str:
    report = installation.copied(**others)
    return str(report["dump_ways"][report["source_dump"]["file"]])
