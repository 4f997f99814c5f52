"""Rows of large tables that are as they were do not leave the source: the new dump has them of the last one."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tasks.engine import dumpfile
from tests.bench.wire import Wire
from tests.support import oracle
from tests.support.installation import Installation, installed
from worker.demo.servers import PostgresServer, ValkeyServer

SCHEMA = """
    CREATE TABLE aa (id int PRIMARY KEY, v text); INSERT INTO aa VALUES (1, 'first of all');
    CREATE TABLE computed (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED);
    INSERT INTO computed VALUES (1), (2);
    CREATE UNLOGGED TABLE scratch (id int PRIMARY KEY); INSERT INTO scratch VALUES (1);
    CREATE TABLE "Größe ""odd\\t" ("a b" text PRIMARY KEY, m money, t timestamptz);
    INSERT INTO "Größe ""odd\\t" VALUES (E'x\\t\\\\.\\n', 12.5, '2025-01-01');
    CREATE TABLE nothing (id int PRIMARY KEY); CREATE TABLE never (id int PRIMARY KEY);
    CREATE TABLE base (id int PRIMARY KEY); CREATE TABLE heir (v text) INHERITS (base);
    INSERT INTO base VALUES (1); INSERT INTO heir VALUES (2, 'x');
    CREATE TABLE parts (kind text, id int) PARTITION BY LIST (kind);
    CREATE TABLE parts_a PARTITION OF parts FOR VALUES IN ('a'); INSERT INTO parts VALUES ('a', 1);
    CREATE TABLE zz (id int PRIMARY KEY, v text); INSERT INTO zz VALUES (1, 'last of all');
"""
_CHANCE = re.compile(rb"^(?:\\(?:un)?restrict .*|-- Dumped (?:from|by) .*)\n", re.MULTILINE)


@pytest.fixture(scope="module")
def shared(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    with installed(source_server, target_server, valkey_server, tmp_path_factory.mktemp("kept")) as made:
        made.on_source(SCHEMA)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(dumpfile, "LARGE_BLOCK_BYTES", 1)
            made.copied()
        assert made.differences() == []
        yield made


@pytest.fixture
def installation(shared: Installation, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """With a right copy and a plain dump, as each test leaves it. Every table that holds a row is a large one."""
    monkeypatch.setattr(dumpfile, "LARGE_BLOCK_BYTES", 1)
    return shared


def last(installation: Installation, suffix: str) -> Path:
    return max(installation.backup_dir.glob(f"source_db_backup_*{suffix}"))


def large(installation: Installation) -> int:
    """Of how many tables the last dump has a large block."""
    return len(json.loads(last(installation, ".manifest.json").read_text())["large_blocks"])


@contextmanager
def edited(path: Path, change: Callable[[bytes], bytes]) -> Iterator[None]:
    """While inside, a file is not what it was."""
    before = path.read_bytes()
    assert change(before) != before
    path.write_bytes(change(before))
    try:
        yield
    finally:
        path.write_bytes(before)


def edited_places(path: Path, change: Callable[[Any], object]) -> Any:
    """While inside, a manifest names other places of large blocks."""

    def changed(text: bytes) -> bytes:
        manifest = json.loads(text)
        return json.dumps({**manifest, "large_blocks": change(manifest["large_blocks"])}).encode()

    return edited(path, changed)


def of_run(installation: Installation, **others: str) -> tuple[bytes, str]:
    """The dump of a run, and how it was written."""
    report = installation.copied(**others)
    name = report["source_dump"]["file"]
    return _CHANCE.sub(b"", (installation.backup_dir / name).read_bytes()), report["dump_ways"][name]


def copied(installation: Installation) -> tuple[bytes, str]:
    """The same, and the copy is right."""
    found = of_run(installation)
    assert installation.differences() == []
    return found


def trust_again(installation: Installation) -> None:
    """After blocks that were no good pg_dump is asked for everything until a definition changes."""
    installation.on_source(f"COMMENT ON TABLE never IS '{last(installation, '.sql').name}'")
    installation.copied()


def by_pg_dump(installation: Installation) -> bytes:
    options = ["--no-tablespaces", "--no-owner", "--no-privileges"]
    text = oracle.dump(installation.source, installation.source_server.binaries, *options)
    return _CHANCE.sub(b"", text.encode())


def kept(way: str) -> int:
    found = re.search(r"the schema and the rows of (\d+) large tables of source_db_backup_", way)
    return int(found[1]) if found else 0


@pytest.mark.parametrize(
    ("change", "differ"),
    [
        ("SELECT 1", 0),
        ("UPDATE aa SET v = v || ', changed'", 1),
        ("UPDATE zz SET v = v || ', changed'", 1),
        ("INSERT INTO nothing VALUES (1)", 0),  # it was not in the last dump
        ("DELETE FROM parts; TRUNCATE scratch", 2),
        ('UPDATE "Größe ""odd\\t" SET m = 13; INSERT INTO computed VALUES (3)', 2),
        ("SELECT nextval('users_id_seq')", 0),
    ],
)
def test_the_dump_is_the_one_that_pg_dump_makes(installation: Installation, change: str, differ: int) -> None:
    every = large(installation)
    assert every > 8
    installation.on_source(change)
    ours, way = copied(installation)
    assert kept(way) == every - differ
    assert ours == by_pg_dump(installation)


def test_and_that_a_full_run_makes(installation: Installation) -> None:
    every = large(installation)
    installation.on_source("UPDATE users SET display_name = 'x' WHERE id = 3; UPDATE base SET id = 7 WHERE id = 1")
    ours, way = copied(installation)
    assert kept(way) == every - 2
    full, way = of_run(installation, FULL_RUNS="true")
    assert kept(way) == 0
    assert ours == full


def test_rows_that_only_moved_are_as_they_were(installation: Installation) -> None:
    before = _CHANCE.sub(b"", last(installation, ".sql").read_bytes())
    installation.on_source("UPDATE computed SET id = id WHERE id = 1")
    report = installation.copied()
    assert report["way"] == "unchanged", report["way_reason"]
    assert _CHANCE.sub(b"", (installation.backup_dir / report["source_dump"]["file"]).read_bytes()) == before
    installation.on_source("UPDATE computed SET id = id WHERE id > 1")  # in their order again


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
    path = last(installation, ".sql")
    with edited(path, lambda text: text.replace(place, place.upper())):
        ours, way = copied(installation)
    assert way == f"all by pg_dump: {path.name} was changed or damaged"
    assert place in ours
    trust_again(installation)


@pytest.mark.parametrize("shift", [-1, 10**9])
def test_nor_is_one_whose_manifest_says_another_place(installation: Installation, shift: int) -> None:
    path = last(installation, ".manifest.json")
    with edited_places(path, lambda places: {name: [begin, end + shift] for name, (begin, end) in places.items()}):
        _, way = copied(installation)
    assert way == f"all by pg_dump: {path.name.replace('.manifest.json', '.sql')} was changed or damaged"
    trust_again(installation)


def way_with(installation: Installation, places: object) -> str:
    with edited_places(last(installation, ".manifest.json"), lambda _: places):
        return of_run(installation)[1]


def test_nor_is_one_whose_manifest_names_no_places(installation: Installation) -> None:
    for places in ("nonsense", {'"public"."users"': [5, 1]}, {"x": "yz"}, {"x": [-1, 3]}, {'"public"."never"': [1, 3]}):
        assert large(installation) > 8
        way = way_with(installation, places)
        assert kept(way) == 0, places
    assert way.startswith("all by pg_dump: ")  # until then it was asked for nothing
    trust_again(installation)


def test_nor_are_rows_whose_text_a_setting_decides(installation: Installation) -> None:
    installation.on_source(f"ALTER DATABASE {installation.source_name} SET timezone = 'Asia/Tokyo'")
    ours, way = copied(installation)
    assert kept(way) == 0
    assert b"2025-01-01 " in ours
    assert kept(of_run(installation)[1]) > 8


def test_a_packed_dump_is_read_anew(installation: Installation) -> None:
    assert kept(of_run(installation, DUMP_COMPRESSION="zstd")[1]) > 8
    assert kept(of_run(installation)[1]) == 0
    assert kept(of_run(installation)[1]) > 8
