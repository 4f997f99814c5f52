"""A full disk at one stage of a run, ours or the target server's: told as such, nothing lost, the next run works."""

import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from tasks.engine.journal import Journal
from tests.support.installation import Installation, installed
from worker.demo.servers import PostgresServer, ValkeyServer, find_postgres

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount the small disk that is to be full"),
]
SIZE = "24m"
TARGET_SIZE = "80m"
# With small files of its log the server holds little, and soon needs room for the next one. Without it, it ends.
_SMALL_LOG = {"min_wal_size": "'2MB'", "max_wal_size": "'4MB'", "restart_after_crash": "off"}
_KEEP_THE_LOG = "SELECT pg_create_physical_replication_slot('full', true, true)"
_USE_UP_THE_LOG = "SELECT pg_logical_emit_message(false, 'full', repeat('x', 300000))"


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """A disk of its own at this folder."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="module")
def installation(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    """An installation whose BACKUP_DIR is a small disk of its own, with one good backup in it."""
    home = tmp_path_factory.mktemp("small")
    with (
        small_disk(home / "backups", SIZE),
        installed(source_server, target_server, valkey_server, home, CHANGED_TABLES_ONLY="false") as made,
    ):
        assert made.run_here()["outcome"] == "succeeded"
        yield made


@pytest.fixture(scope="module")
def small_target(server_root: Path) -> Iterator[PostgresServer]:
    """A server on a small disk of its own."""
    root = server_root / "small"
    server = PostgresServer(root, find_postgres(), settings=_SMALL_LOG, initdb_options=["--wal-segsize=1"])
    with small_disk(root, TARGET_SIZE):
        yield server.create().start()
        server.remove()


@pytest.fixture(scope="module")
def beside_small_target(
    source_server: PostgresServer,
    small_target: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    """An installation whose target's server has a small disk, with one good copy there."""
    home = tmp_path_factory.mktemp("beside")
    with installed(source_server, small_target, valkey_server, home, CHANGED_TABLES_ONLY="false") as made:
        assert made.run_here()["outcome"] == "succeeded"
        yield made


def fill(disk: Path, _server: PostgresServer | None = None) -> Path:
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


_ROOM_AFTER_S = 60.0


def run_with_full_disk(
    installation: Installation,
    instant: str,
    monkeypatch: pytest.MonkeyPatch,
    *,
    disk: Path | None = None,
    use_up_log: bool = False,
    **settings: str,
) -> dict[str, Any]:
    """A run whose disk (BACKUP_DIR's by default) becomes full at this instant, and has room again after it; its report.

    use_up_log: the target's server can write its log no more, and ends itself. It is started again, with room, once the
    run has noticed.
    """
    gate, reports, server = installation.home / f"gate-{time.monotonic()}", [], installation.target_server
    journal = installation.means(lock=False).journal
    monkeypatch.setenv("RNS_FAULT", f"{instant}=wait:{gate}")
    run = threading.Thread(target=lambda: reports.append(installation.run_here(**settings)), daemon=True)
    run.start()
    give_up = time.monotonic() + _ROOM_AFTER_S
    while not Path(f"{gate}.reached").exists() and run.is_alive() and time.monotonic() < give_up:
        threading.Event().wait(0.02)
    ballast = (use_up_the_log if use_up_log else fill)(disk or installation.backup_dir, server)
    gate.touch()
    while run.is_alive() and time.monotonic() < give_up:
        run.join(0.05)
        if server.process is not None and server.process.poll() is not None and has_failed(journal):
            ballast.unlink()
            server.start()
    ballast.unlink(missing_ok=True)  # a verification that cannot connect waits for it
    if server.process is not None and server.process.poll() is not None:
        server.start()
    run.join(_ROOM_AFTER_S)
    monkeypatch.delenv("RNS_FAULT")
    return reports[0]


def use_up_the_log(disk: Path, server: PostgresServer) -> Path:
    """Take all room, and write until the server ends itself; it says why in a file that has no room for it either."""
    with closing(psycopg2.connect(server.dsn())) as writer, writer.cursor() as cursor:
        cursor.execute(_KEEP_THE_LOG)
        ballast = fill(disk)
        with suppress(psycopg2.Error):
            for _ in range(100):
                cursor.execute(_USE_UP_THE_LOG)
    assert server.process is not None
    assert server.process.wait(30) != 0
    return ballast


def has_failed(journal: Journal) -> bool:
    return "failure" in journal.runs(limit=1)[0].facts


def demand_true_ending(installation: Installation, report: dict[str, Any], before: str, outcomes: set[str]) -> None:
    """What it says of itself is so, nothing is left behind, and the next run works."""
    assert report["outcome"] in outcomes, report["error"]
    assert (installation.fingerprint() == before) == (report["outcome"] != "succeeded")
    assert installation.leftovers() == []
    if report["outcome"] != "succeeded":
        assert installation.run_here()["outcome"] == "succeeded"
    assert installation.differences() == []
    assert installation.leftovers() == []


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
    change(installation)
    before = installation.fingerprint()
    report = run_with_full_disk(installation, instant, monkeypatch)
    told = " ".join([str(report["error"]), *report["warnings"]])
    assert report["outcome"] == "succeeded" or "full" in told or "room" in told
    demand_true_ending(installation, report, before, outcomes)


@pytest.mark.parametrize(
    ("method", "instant", "outcomes"),
    [
        pytest.param("swap", "back_up_target.begin", {"failed", "rolled_back"}, marks=pytest.mark.long),
        ("swap", "swap.created", {"rolled_back"}),
        pytest.param("in_place", "in_place.cleared", {"rolled_back"}, marks=pytest.mark.long),
        pytest.param("swap", "publish.before", {"rolled_back", "succeeded"}, marks=pytest.mark.long),
        pytest.param("in_place", "publish.before", {"rolled_back", "succeeded"}, marks=pytest.mark.long),
    ],
)
def test_a_full_disk_of_the_targets_server_is_told_and_the_old_copy_stands(
    beside_small_target: Installation, monkeypatch: pytest.MonkeyPatch, method: str, instant: str, outcomes: set[str]
) -> None:
    installation = beside_small_target
    change(installation)
    before, disk = installation.fingerprint(), installation.target_server.root
    process = installation.target_server.process
    report = run_with_full_disk(installation, instant, monkeypatch, disk=disk, RESTORE_METHOD=method)
    if report["outcome"] != "succeeded":
        full = re.search(r"the disk of the target.* is full: .*No space left.*; make room there", report["error"])
        # A server that ends itself for want of room tells those that are connected, and not who comes afterwards.
        ended_itself = installation.target_server.process is not process
        assert full or (ended_itself and "cannot be reached" in report["error"]), report["error"]
    demand_true_ending(installation, report, before, outcomes)


@pytest.mark.parametrize(
    ("method", "instant"), [pytest.param("swap", "loaded", marks=pytest.mark.long), ("in_place", "publish.before")]
)
def test_a_targets_server_that_ends_itself_for_want_of_room_has_the_old_copy_when_it_is_back(
    beside_small_target: Installation, monkeypatch: pytest.MonkeyPatch, method: str, instant: str
) -> None:
    """PostgreSQL stops when it cannot write its log, and does not start before there is room."""
    installation = beside_small_target
    change(installation)
    before, disk = installation.fingerprint(), installation.target_server.root
    report = run_with_full_disk(installation, instant, monkeypatch, disk=disk, use_up_log=True, RESTORE_METHOD=method)
    demand_true_ending(installation, report, before, {"rolled_back"})


def change(installation: Installation) -> None:
    """Something for the next run to bring, each time."""
    installation.on_source("UPDATE users SET email = email || 'x' WHERE id = (SELECT min(id) FROM users)")


def test_a_run_that_cannot_have_enough_room_is_refused_before_anything_is_done(installation: Installation) -> None:
    before, ballast = installation.fingerprint(), fill(installation.backup_dir)
    os.truncate(ballast, ballast.stat().st_size - (3 << 20))  # the journal and the spare room have theirs
    report = installation.run_here()
    ballast.unlink()
    assert report["outcome"] == "failed"
    assert "BACKUP_STORAGE" in report["error"]
    assert "MB free" in report["error"]
    assert [step["name"] for step in report["steps"]] == ["verify_connections"]
    assert installation.fingerprint() == before


def test_a_target_whose_capacity_is_known_to_be_too_small_is_refused_before_anything_is_done(
    installation: Installation,
) -> None:
    before = installation.fingerprint()
    report = installation.run_here(TARGET_CAPACITY_BYTES=str(10 << 20))
    assert report["outcome"] == "failed"
    assert re.search(r"about \d+ MB, and TARGET_CAPACITY_BYTES allows 10 MB; enlarge its volume", report["error"])
    assert [step["name"] for step in report["steps"]] == ["verify_connections"]
    assert installation.fingerprint() == before
    assert installation.run_here(TARGET_CAPACITY_BYTES=str(1 << 40))["outcome"] == "succeeded"


def test_what_a_run_needs_on_the_targets_volume_is_told_when_its_size_is_not_known(
    installation: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        report = installation.run_here()
    assert re.search(r"the old and the new content at once, about [1-9]\d* MB", report["steps"][0]["summary"])
    assert "set TARGET_CAPACITY_BYTES to its size" in caplog.text
