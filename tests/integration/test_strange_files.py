"""Surprises in the backup directory under the names of our files: none is followed, waited for, counted or removed."""

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasks.engine.errors import BackupError
from tasks.engine.finishing import plan_expiry
from tasks.engine.manifest import read_manifest
from tasks.engine.names import dump_path, manifest_path, part_path
from tasks.engine.storage import publish_part
from tests.support.command import command
from tests.support.installation import Installation, installed
from worker.demo.servers import PostgresServer, ValkeyServer

OLD = [f"202001{day:02d}_000000" for day in range(1, 8)]
PRECIOUS = "somebody else's"


@pytest.fixture
def installation(
    source_server: PostgresServer, target_server: PostgresServer, valkey_server: ValkeyServer, tmp_path: Path
) -> Iterator[Installation]:
    with installed(source_server, target_server, valkey_server, tmp_path) as made:
        assert made.run_here()["outcome"] == "succeeded"
        yield made


def surprise(folder: Path, outside: Path) -> list[Path]:
    """Names of old dumps, reports, manifests and parts under which something else lies. The last one is a hard link."""
    names = [dump_path(folder, "source", stamp) for stamp in OLD]
    for path, make in zip(
        (*names[:4], *(folder / "reports" / f"{stamp}.json" for stamp in OLD[:4])),
        (to_file, to_nowhere, fifo, directory) * 2,
        strict=True,
    ):
        make(path, outside)
    to_directory(names[4], outside)
    to_file(manifest_path(names[5]), outside)
    directory(folder / "reports" / f"{OLD[5]}.json.part", outside)
    os.utime(folder / "reports" / f"{OLD[5]}.json.part", (0, 0))
    to_directory(folder / ".service-00000000-x", outside)
    names[6].hardlink_to(outside / "hard")
    return [path for path in folder.rglob("*") if path != names[6] and not stat.S_ISREG(path.lstat().st_mode)]


def to_file(path: Path, outside: Path) -> None:
    path.symlink_to(outside / "file")


def to_nowhere(path: Path, outside: Path) -> None:
    path.symlink_to(outside / "nowhere")


def to_directory(path: Path, outside: Path) -> None:
    path.symlink_to(outside)


def fifo(path: Path, _: Path) -> None:
    os.mkfifo(path)


def directory(path: Path, _: Path) -> None:
    path.mkdir()
    (path / "file").write_text(PRECIOUS)


def test_a_run_expires_its_own_files_and_touches_nothing_that_only_bears_their_names(
    installation: Installation, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("file", "hard"):
        (outside / name).write_text(PRECIOUS)
    strange = surprise(installation.backup_dir, outside)
    for stamp in OLD[3:]:  # so many whole old dumps, so that there is something to expire
        path = dump_path(installation.backup_dir, "safety", stamp)
        path.write_text("old")
        path.chmod(0o600)
    report = installation.run_here()
    assert (report["outcome"], report["error"]) == ("succeeded", None)
    assert f"backup_safety_{OLD[3]}.sql" in report["expired"]
    assert f"source_db_backup_{OLD[6]}.sql" in report["expired"]
    assert [path for path in strange if not os.path.lexists(path)] == []
    assert sorted(path.name for path in outside.iterdir()) == ["file", "hard"]
    assert {path.read_text() for path in outside.iterdir()} == {PRECIOUS}


@pytest.mark.timeout(30)
def test_what_only_bears_the_name_of_a_dump_is_no_dump_to_retention_and_nobody_waits_for_a_fifo(
    installation: Installation,
) -> None:
    path = manifest_path(dump_path(installation.backup_dir, "source", OLD[0]))
    os.mkfifo(path)
    os.mkfifo(dump_path(installation.backup_dir, "source", OLD[0]))
    with pytest.raises(BackupError, match="cannot be read"):
        read_manifest(path)
    means = installation.means(lock=False)
    verdicts = plan_expiry(means.settings, means.journal, now=datetime.now(UTC))
    assert len(verdicts) == 2


def test_a_journal_that_is_a_symlink_is_refused_and_not_followed(installation: Installation, tmp_path: Path) -> None:
    folder, outside = tmp_path / "other", tmp_path / "outside.sqlite3"
    folder.mkdir(mode=0o700)
    (folder / "journal.sqlite3").symlink_to(outside)
    with pytest.raises(BackupError, match="is a symbolic link and is not followed"):
        installation.run_here(BACKUP_DIR=str(folder))
    assert not outside.exists()


def test_a_world_writable_folder_is_closed_and_what_is_put_there_is_private_whatever_the_umask(
    installation: Installation, tmp_path: Path
) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    before = os.umask(0)
    try:
        assert installation.run_here(BACKUP_DIR=str(folder), DUMP_COMPRESSION="zstd")["outcome"] == "succeeded"
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make what is another user's")
def test_what_root_leaves_in_the_folder_of_another_user_belongs_to_that_user(
    installation: Installation, tmp_path: Path
) -> None:
    home, outside = tmp_path / "home", tmp_path / "outside"
    home.mkdir()
    outside.write_text(PRECIOUS)
    os.chown(home, 12345, 12345)
    folder = home / "backups" / "ours"
    for zipped in ("none", "zstd"):
        assert installation.run_here(BACKUP_DIR=str(folder), DUMP_COMPRESSION=zipped)["outcome"] == "succeeded"
    assert command(installation, "drill", "last", BACKUP_DIR=str(folder)).exit_code == 0
    assert command(installation, "status", "--html", BACKUP_DIR=str(folder)).exit_code == 0
    made = [home / "backups", folder, *folder.rglob("*")]
    assert len(made) > 15
    assert [path for path in made if (path.stat().st_uid, path.stat().st_gid) != (12345, 12345)] == []
    planted = part_path(folder / "planted")
    planted.hardlink_to(outside)
    publish_part(planted, folder / "planted")
    assert outside.stat().st_uid == 0
