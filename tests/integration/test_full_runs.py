"""One run in some days does everything anew, whatever shorter way there were."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.support.installation import Installation, installed
from worker.demo.servers import PostgresServer, ValkeyServer


@pytest.fixture
def installation(
    source_server: PostgresServer, target_server: PostgresServer, valkey_server: ValkeyServer, tmp_path: Path
) -> Iterator[Installation]:
    with installed(source_server, target_server, valkey_server, tmp_path, CHANGED_TABLES_ONLY="false") as made:
        yield made


def days_pass(installation: Installation, days: int) -> None:
    """All that the journal knows of began so much earlier."""
    with closing(sqlite3.connect(installation.backup_dir / "journal.sqlite3")) as journal, journal:
        for run_id, began in journal.execute("SELECT run_id, started_at FROM rns_runs").fetchall():
            earlier = datetime.fromisoformat(began) - timedelta(days=days)
            journal.execute(
                "UPDATE rns_runs SET started_at = ? WHERE run_id = ?",
                [earlier.isoformat(timespec="microseconds"), run_id],
            )


def test_one_run_in_seven_days_does_everything_anew(installation: Installation) -> None:
    installation.copied()
    days_pass(installation, 5)
    assert installation.copied()["way"] == "unchanged"
    installation.on_source("UPDATE users SET display_name = 'x' WHERE id = 3")
    days_pass(installation, 1)
    assert installation.copied()["way"] == "swap"  # all is loaded, but by a kept schema and with a linked safety backup
    days_pass(installation, 1)
    assert installation.copied(FULL_RUN_DAYS="0")["way"] == "unchanged"
    report = installation.copied()
    assert report["way"] == "swap"
    said = "one run in 7 days does everything anew (FULL_RUN_DAYS), and the last one that did was on "
    assert report["way_reason"].startswith(said)
    assert not any("schema of" in each or "same file" in each for each in report["dump_ways"].values())
    assert installation.copied()["way"] == "unchanged"
    days_pass(installation, -3650)  # a clock was wrong, and was put right
    assert installation.copied()["way_reason"].endswith("(FULL_RUN_DAYS), and none is known that did")
