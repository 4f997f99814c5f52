"""The end of a run is told by whoever finds it untold, also by several at once."""

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from config.settings import Settings, load_settings
from tasks.engine.closing import forget_half_written, write_report
from tasks.engine.names import report_path

_STAMP = "20260102_030405"
_REPORT = {"stamp": _STAMP, "outcome": "succeeded", "error": "x" * 20_000}
_ROUNDS = 200


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    urls = {"DATABASE_URL": "postgresql://a:b@h/source", "RAILWAY_BACKUP_DB_URL": "postgresql://a:b@h/target"}
    (tmp_path / "reports").mkdir()
    return load_settings({**urls, "BACKUP_DIR": str(tmp_path)}, None)


def stands_alone(settings: Settings) -> bool:
    path = report_path(settings.backup_dir, _STAMP)
    return json.loads(path.read_text()) == _REPORT and [found.name for found in path.parent.iterdir()] == [path.name]


def test_several_that_tell_the_same_report_at_once_do_not_break_each_other(settings: Settings) -> None:
    """Threads here; processes share no more than they do, the folder."""
    together = threading.Barrier(4)

    def tell() -> None:
        for _ in range(_ROUNDS):
            together.wait(60)
            try:
                write_report(_REPORT, settings)
            except BaseException:
                together.abort()
                raise

    with ThreadPoolExecutor(4) as pool:
        told = [pool.submit(tell) for _ in range(4)]
    assert [each.exception() for each in told] == [None] * 4
    assert stands_alone(settings)


def test_the_reservation_and_what_a_crash_left_are_gone_once_the_report_stands(settings: Settings) -> None:
    path = report_path(settings.backup_dir, _STAMP)
    for left in ("part", "0a1b2c3d.part"):
        path.with_name(f"{path.name}.{left}").touch()
    write_report(_REPORT, settings)
    assert stands_alone(settings)


def test_what_a_killed_writer_left_of_page_and_metrics_goes_and_what_is_being_written_stays(settings: Settings) -> None:
    folder = settings.backup_dir
    left = ["status.html.0a1b2c3d.part", "metrics.prom.26312d86.part", "drills.json.00000000.part"]
    kept = ["source_db_backup_20260102_030405.sql.part", "metrics.prom", "somebodys.0a1b2c3d.part"]
    for name in (*left, *kept, "metrics.prom.ffffffff.part"):
        (folder / name).touch()
    for name in (*left, *kept):
        os.utime(folder / name, (1, 1))
    forget_half_written(settings, datetime.now(UTC), silent_s=60)
    assert {path.name for path in folder.iterdir() if path.is_file()} == {*kept, "metrics.prom.ffffffff.part"}
