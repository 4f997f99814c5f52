"""Which dump is drilled, which one a word means, and what is remembered of a drill."""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.engine.drilling import choose_dump
from tasks.engine.drills import FILE, Drill, read_drills, remember_drill
from tasks.engine.errors import BackupError
from tasks.engine.examining import find_dump
from tasks.engine.kept import DumpOnDisk

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DRILL = Drill(
    at=NOW.isoformat(),
    dump="x.sql",
    run_id="r",
    snapshot_at="s",
    server="h:1",
    size_bytes=1,
    tables=1,
    rows=1,
    load_s=1.0,
    prove_s=0.5,
    rto_s=1.5,
    ok=True,
    error=None,
)


def on_disk(day: int, state: str = "verified", kind: str = "source", run_id: str | None = None) -> DumpOnDisk:
    prefix = "source_db_backup" if kind == "source" else "backup_safety"
    return DumpOnDisk(
        file=f"{prefix}_202611{day:02}_060000.sql",
        kind=kind,
        stamp=datetime(2026, 11, day, 6, tzinfo=UTC),
        size_bytes=1,
        state=state,
        run_id=run_id or f"run{day}",
        has_manifest=True,
        keep=True,
        reason="",
    )


DUMPS = [
    on_disk(20),
    on_disk(21),
    replace(on_disk(22), has_manifest=False),
    on_disk(23, "unverified"),
    on_disk(21, "unverified", "safety"),
]


def test_any_verified_dump_with_its_manifest_may_be_drilled_and_no_other() -> None:
    offered: list[str] = []

    def pick(dumps: list[DumpOnDisk]) -> DumpOnDisk:
        offered.extend(dump.file for dump in dumps)
        return dumps[-1]

    assert choose_dump(DUMPS, pick).file == DUMPS[1].file  # type: ignore[arg-type]
    assert offered == [DUMPS[0].file, DUMPS[1].file]
    with pytest.raises(BackupError, match="no verified dump"):
        choose_dump(DUMPS[2:])


def test_a_dump_is_meant_by_its_file_its_stamp_its_run_or_as_the_last_verified_one(tmp_path: Path) -> None:
    meant = {
        "last": DUMPS[2].file,
        "20261121_060000": DUMPS[1].file,
        "run20": DUMPS[0].file,
        DUMPS[4].file: DUMPS[4].file,
    }
    assert {word: find_dump(DUMPS, word, tmp_path).name for word in meant} == meant
    elsewhere = tmp_path / "mine.sql"
    elsewhere.touch()
    assert find_dump([], str(elsewhere), tmp_path) == elsewhere
    for word, complaint in (
        ("run", "4 dumps of"),
        ("nobody", "no dump of"),
        ("", "no dump of"),
        ("/no/such", "no file"),
    ):
        with pytest.raises(BackupError, match=complaint):
            find_dump(DUMPS, word, tmp_path)
    with pytest.raises(BackupError, match="no verified dump"):
        find_dump(DUMPS[3:], "last", tmp_path)


def test_drills_are_remembered_newest_first_as_long_as_reports_are(tmp_path: Path) -> None:
    assert read_drills(tmp_path) == []
    old = replace(DRILL, at=(NOW - timedelta(days=91)).isoformat())
    yesterday = replace(DRILL, at=(NOW - timedelta(days=1)).isoformat(), ok=False, error="no")
    for each in (old, yesterday, DRILL):
        remember_drill(tmp_path, each, keep_days=90)
    assert read_drills(tmp_path) == [DRILL, yesterday]
    (tmp_path / FILE).write_text('{"drills": 5}')
    assert read_drills(tmp_path) == []


def test_what_only_bears_the_name_of_the_memory_is_none_and_nobody_waits_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / FILE)
    assert read_drills(tmp_path) == []
