"""Two installations with one target, each with its own Redis, journal and folder: none overwrites the other's work."""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tasks.engine.ownership import WrongDirectory
from tasks.failures import BackupFailed
from tasks.means import worker_means
from tasks.pipeline import reconcile, run_backup
from tests.support.failing import change_source
from tests.support.installation import Installation, installed
from tests.support.workers import gate, wait_for_gate, wait_until
from worker.demo.servers import PostgresServer, ValkeyServer


@pytest.fixture(scope="module")
def installation(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    """With a first copy in the target."""
    with installed(
        source_server, target_server, valkey_server, tmp_path_factory.mktemp("two"), CHANGED_TABLES_ONLY="false"
    ) as made:
        assert made.run_here()["outcome"] == "succeeded"
        yield made


@contextmanager
def paused(installation: Installation, point: str, method: str, **others: str) -> Iterator["subprocess.Popen[str]"]:
    """A run of the one installation that waits at a fault point while inside; its report is on its standard output."""
    opened = gate(installation, "other")
    process = subprocess.Popen(
        [sys.executable, "-m", "worker", "run", "--here", "--json"],
        env={**installation.environment, "RESTORE_METHOD": method, "RNS_FAULT": f"{point}=wait:{opened}", **others},
        cwd=installation.home,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        wait_for_gate(opened)
        yield process
    finally:
        opened.touch()
        if process.poll() is None and sys.exc_info()[0] is not None:
            process.kill()


def report_of(process: "subprocess.Popen[str]") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(process.communicate(timeout=120)[0])
    return found


@pytest.mark.parametrize(
    ("point", "method", "others_method"),
    [
        ("publish.before", "swap", "swap"),
        pytest.param("publish.before", "swap", "in_place", marks=pytest.mark.long),
        ("restore_target.begin", "in_place", "swap"),
        pytest.param("publish.after", "swap", "swap", marks=pytest.mark.long),
    ],
)
def test_the_later_one_finds_another_mark_and_leaves_it(
    installation: Installation, tmp_path: Path, point: str, method: str, others_method: str
) -> None:
    change_source(installation)
    with paused(installation, point, method) as process:
        change_source(installation)
        elsewhere = {"BACKUP_DIR": str(tmp_path / "elsewhere"), "RESTORE_METHOD": others_method}
        other = installation.run_here(**elsewhere)
        assert (other["outcome"], other["error"]) == ("succeeded", None)
        published = installation.fingerprint(), installation.comment()
    report = report_of(process)
    assert report["success"] is False
    assert (installation.fingerprint(), installation.comment()) == published
    assert json.loads(installation.comment() or "")["run_id"] == other["run_id"]
    if point != "publish.after":
        assert report["outcome"] == "failed"
        assert "only one installation copies to it" in report["error"]


@pytest.mark.long
def test_one_that_waits_too_long_for_the_others_transaction_says_so_and_nothing_is_lost(
    installation: Installation, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    installation.copied()  # after a restore that failed everything would be loaded
    change_source(installation)
    before = installation.fingerprint(), installation.comment()
    elsewhere = {"BACKUP_DIR": str(tmp_path / "elsewhere"), "RESTORE_METHOD": "swap"}
    with ThreadPoolExecutor(1) as pool:
        with paused(installation, "publish.before", "swap", CHANGED_TABLES_ONLY="true") as process:
            change_source(installation)
            running = pool.submit(installation.run_here, **elsewhere)
            wait_until(lambda: "somebody else kept the backup database" in caplog.text, "the later one to give up")
        other, report = running.result(), report_of(process)
    # The one ended the other's sessions, whose transaction kept it waiting: neither has published.
    assert (other["outcome"], report["outcome"]) == ("rolled_back", "rolled_back")
    assert "only one installation copies to it" in other["error"]
    assert (installation.fingerprint(), installation.comment()) == before
    assert installation.leftovers() == []


def test_one_folder_with_two_journals_is_refused(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    journal = f"sqlite:///{tmp_path / 'another.sqlite3'}"
    before = sorted(installation.backup_dir.rglob("*"))
    with pytest.raises(WrongDirectory, match=r"theirs journal\.sqlite3, ours .*another\.sqlite3"):
        installation.run_here(JOURNAL_URL=journal)
    assert sorted(installation.backup_dir.rglob("*")) == before
    assert not (tmp_path / "another.sqlite3").exists()
    # A worker of it says so in a line each time, and whoever sends it a run is told.
    for name, text in {**installation.environment, "JOURNAL_URL": journal}.items():
        monkeypatch.setenv(name, text)
    worker_means.cache_clear()
    for task in (run_backup, reconcile):
        caplog.clear()
        failure = task.apply().result
        assert isinstance(failure, BackupFailed)
        assert "give this one a BACKUP_DIR of its own" in str(failure)
        assert [record.exc_info for record in caplog.records if record.levelname == "ERROR"] == [None]
        assert not any(record.exc_info for record in caplog.records)
