"""The end of a run is told by whoever finds it untold, also by two at once."""

import json
import threading
from pathlib import Path

from config.settings import load_settings
from tasks.engine.closing import write_report
from tasks.engine.storage import report_path

_STAMP = "20260102_030405"


def test_two_processes_that_tell_the_same_report_at_once_do_not_break_each_other(tmp_path: Path) -> None:
    urls = {"DATABASE_URL": "postgresql://a:b@h/source", "RAILWAY_BACKUP_DB_URL": "postgresql://a:b@h/target"}
    settings = load_settings({**urls, "BACKUP_DIR": str(tmp_path)}, None)
    path = report_path(settings.backup_dir, _STAMP)
    path.parent.mkdir()
    report = {"stamp": _STAMP, "outcome": "succeeded"}
    errors: list[BaseException] = []

    def tell() -> None:
        try:
            for _ in range(20):
                write_report(report, settings)
        except OSError as error:
            errors.append(error)

    threads = [threading.Thread(target=tell) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert json.loads(path.read_text()) == report
    assert [found.name for found in path.parent.iterdir()] == [path.name]
