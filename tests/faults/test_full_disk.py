"""The disk of BACKUP_DIR is full at one stage of a run: told as such, nothing lost, and the next run works."""

import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.installation import CHANGES, Installation, installed
from worker.demo.servers import PostgresServer, ValkeyServer

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount the small disk that is to be full"),
]
SIZE = "24m"


@pytest.fixture
def installation(
    source_server: PostgresServer, target_server: PostgresServer, valkey_server: ValkeyServer, tmp_path: Path
) -> Iterator[Installation]:
    """An installation whose BACKUP_DIR is a small disk of its own, with one good backup in it."""
    disk = tmp_path / "backups"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "tmpfs", str(disk)], check=True)
    try:
        with installed(source_server, target_server, valkey_server, tmp_path) as made:
            assert made.run_here()["outcome"] == "succeeded"
            yield made
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Take all room that is left; returns what takes it."""
    ballast = disk / "ballast"
    file = os.open(ballast, os.O_WRONLY | os.O_CREAT)
    for size in (65536, 512):
        try:
            while True:
                os.write(file, b"x" * size)
        except OSError:
            continue
    os.close(file)
    return ballast


def run_with_full_disk(
    installation: Installation, instant: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[dict[str, Any], Path]:
    """A run whose disk becomes full at this instant; its report, and what fills the disk."""
    gate, reports = installation.home / "gate", []
    monkeypatch.setenv("RNS_FAULT", f"{instant}=wait:{gate}")
    thread = threading.Thread(target=lambda: reports.append(installation.run_here()), daemon=True)
    thread.start()
    give_up = time.monotonic() + 60
    while not gate.with_name("gate.reached").exists() and time.monotonic() < give_up:
        threading.Event().wait(0.02)
    ballast = fill(installation.backup_dir)
    gate.touch()
    thread.join(120)
    monkeypatch.delenv("RNS_FAULT")
    return reports[0], ballast


@pytest.mark.parametrize(
    ("instant", "outcomes"),
    [
        ("dump_source.begin", {"failed"}),
        ("back_up_target.begin", {"failed"}),
        ("restore_target.begin", {"failed", "rolled_back"}),
        ("loaded", {"rolled_back", "succeeded"}),
        ("verify_target.begin", {"succeeded"}),
        ("finish.begin", {"succeeded"}),
    ],
)
def test_a_disk_that_becomes_full_is_told_and_the_run_ends_truly(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, instant: str, outcomes: set[str]
) -> None:
    before = installation.fingerprint()
    installation.on_source(CHANGES)
    report, ballast = run_with_full_disk(installation, instant, monkeypatch)
    assert report["outcome"] in outcomes, report["error"]
    unchanged = installation.fingerprint() == before
    assert unchanged == (report["outcome"] != "succeeded")
    told = " ".join([str(report["error"]), *report["warnings"]])
    assert report["outcome"] == "succeeded" or "full" in told or "room" in told
    assert installation.leftovers() == []
    ballast.unlink()
    assert installation.run_here()["outcome"] == "succeeded"
    assert installation.differences() == []
    assert installation.leftovers() == []


def test_a_run_that_cannot_have_enough_room_is_refused_before_anything_is_done(installation: Installation) -> None:
    before, ballast = installation.fingerprint(), fill(installation.backup_dir)
    os.truncate(ballast, ballast.stat().st_size - (1 << 20))
    report = installation.run_here()
    assert report["outcome"] == "failed"
    assert "BACKUP_STORAGE" in report["error"]
    assert "MB free" in report["error"]
    assert [step["name"] for step in report["steps"]] == ["verify_connections"]
    assert installation.fingerprint() == before


def test_a_target_whose_capacity_is_known_to_be_too_small_is_refused(installation: Installation) -> None:
    report = installation.run_here(TARGET_CAPACITY_BYTES=str(10 << 20))
    assert report["outcome"] == "failed"
    assert "TARGET_CAPACITY_BYTES" in report["error"]


def test_what_a_run_needs_on_the_targets_volume_is_told_when_its_size_is_not_known(
    installation: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        report = installation.run_here()
    assert re.search(r"the old and the new content at once, about [1-9]\d* MB", report["steps"][0]["summary"])
    assert "set TARGET_CAPACITY_BYTES to its size" in caplog.text
