"""The backup directory keeps its promises: private, no half files, no name twice, nothing removed outside."""

import errno
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from tasks.engine import names, storage
from tasks.engine.doctor.place import demand_readable
from tasks.engine.errors import BackupError, SettingsError, StorageFull
from tasks.engine.journal import Journal, JournalUnavailable

NOON = datetime(2026, 11, 2, 12, 0, 0, 345678, tzinfo=UTC)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def names_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def fail_with(number: int) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


# --- the directory


@contextmanager
def as_another_user() -> Iterator[Path]:
    """This process is no root while inside; a folder that anybody may enter."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o755)
        os.seteuid(54321)
        try:
            yield folder
        finally:
            os.seteuid(0)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@needs_root
def test_files_that_this_user_may_not_read_are_found_and_named_with_the_remedy() -> None:
    with as_another_user() as folder:
        os.seteuid(0)
        (folder / "reports").mkdir()
        for name in ("open.sql", "closed.sql", "reports/closed.json"):
            (folder / name).write_text("x")
            (folder / name).chmod(0o644 if "open" in name else 0o600)
        os.seteuid(54321)
        with pytest.raises(SettingsError) as refused:
            demand_readable(folder)
    assert str(refused.value).startswith(f"2 file(s) of {folder} this user may not read (closed.json, closed.sql)")
    assert f"chown --recursive --reference={folder} {folder}" in str(refused.value)


@needs_root
def test_a_journal_that_may_not_be_opened_is_told_as_unavailable_and_a_closed_one_as_not_writable(
    tmp_path: Path,
) -> None:
    with as_another_user() as folder:
        os.seteuid(0)
        (folder / "closed").mkdir(mode=0o700)
        Journal(f"sqlite:///{folder}/closed/journal.sqlite3", pair="p")
        Journal(f"sqlite:///{folder}/roots.sqlite3", pair="p")
        (folder / "roots.sqlite3").chmod(0o644)
        os.seteuid(54321)
        with pytest.raises(JournalUnavailable, match=r"this user may not open .*: type it as"):
            Journal(f"sqlite:///{folder}/closed/journal.sqlite3", pair="p", create=False)
        roots = Journal(f"sqlite:///{folder}/roots.sqlite3", pair="p", create=False)
        with pytest.raises(JournalUnavailable, match="every file in it belong to this user"):
            roots.demand_writable()
    Journal(f"sqlite:///{tmp_path}/journal.sqlite3", pair="p").demand_writable()


def test_a_missing_directory_is_made_for_this_user_only(tmp_path: Path) -> None:
    made = storage.ensure_private_dir(tmp_path / "backups" / "unified")
    assert made.is_dir()
    assert mode_of(made) == 0o700


def test_an_open_directory_of_this_user_is_closed_to_others(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    storage.ensure_private_dir(folder)
    assert mode_of(folder) == 0o700


def test_a_relative_directory_is_returned_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert storage.ensure_private_dir(Path("backups")) == tmp_path / "backups"


def test_a_symlink_is_refused_as_directory(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o755)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(SettingsError, match="symbolic link"):
        storage.ensure_private_dir(tmp_path / "link")
    assert mode_of(tmp_path / "real") == 0o755


def test_a_dangling_symlink_is_refused_as_directory(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(SettingsError, match="symbolic link"):
        storage.ensure_private_dir(tmp_path / "link")
    assert not (tmp_path / "nowhere").exists()


def test_a_file_is_refused_as_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="not a directory"):
        storage.ensure_private_dir(tmp_path / "file")


@pytest.mark.parametrize("mode", [0o770, 0o777, 0o707])
def test_a_directory_of_another_user_in_which_others_write_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    folder.chmod(mode)
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(SettingsError, match="belongs to another user"):
        storage.ensure_private_dir(folder)
    assert mode_of(folder) == mode


def test_a_closed_directory_of_another_user_in_which_we_may_write_is_taken_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    folder.chmod(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    storage.ensure_private_dir(folder)
    assert mode_of(folder) == 0o755


def test_a_directory_in_which_we_may_not_write_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(SettingsError, match="cannot be written"):
        storage.ensure_private_dir(tmp_path / "x")


# --- writing


def test_a_written_file_is_private_whatever_the_umask_and_leaves_no_part(tmp_path: Path) -> None:
    before = os.umask(0o777)
    try:
        storage.atomic_write(tmp_path / "a.json", b"new")
    finally:
        os.umask(before)
    assert (tmp_path / "a.json").read_bytes() == b"new"
    assert mode_of(tmp_path / "a.json") == 0o600
    assert names_in(tmp_path) == ["a.json"]


def test_a_file_is_written_in_the_mode_that_was_asked_for(tmp_path: Path) -> None:
    storage.atomic_write(tmp_path / "a.json", b"new", 0o640)
    assert mode_of(tmp_path / "a.json") == 0o640


def test_a_write_replaces_a_symlink_and_not_what_it_names(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / "a.json").symlink_to(tmp_path / "victim")
    storage.atomic_write(tmp_path / "a.json", b"new")
    assert (tmp_path / "victim").read_bytes() == b"precious"
    assert not (tmp_path / "a.json").is_symlink()


@pytest.mark.parametrize("where", ["fsync", "fchmod"])
def test_a_write_that_fails_leaves_the_old_content_and_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    (tmp_path / "a.json").write_bytes(b"old")
    monkeypatch.setattr(os, where, fail_with(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        storage.atomic_write(tmp_path / "a.json", b"new")
    assert (tmp_path / "a.json").read_bytes() == b"old"
    assert names_in(tmp_path) == ["a.json"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_with_file_disk_and_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "fsync", fail_with(number))
    with pytest.raises(StorageFull, match=rf"no room to write a\.json: the disk of {tmp_path} has \d+\.\d\d MB"):
        storage.atomic_write(tmp_path / "a.json", b"new")
    assert names_in(tmp_path) == []


def test_a_real_full_device_is_told_as_storage_full() -> None:
    with (
        pytest.raises(StorageFull),
        storage.told_when_full(Path("/dev/full")),
        Path("/dev/full").open("wb") as full,
    ):
        full.write(b"x" * 100_000)


def test_the_room_is_that_of_the_disk(tmp_path: Path) -> None:
    figures = os.statvfs(tmp_path)
    room = figures.f_bavail * figures.f_frsize
    assert abs(storage.free_bytes(tmp_path) - room) < 1024**3


# --- publishing


def test_a_published_part_bears_its_final_name_only(tmp_path: Path) -> None:
    part = names.part_path(tmp_path / "d.sql")
    part.write_bytes(b"dump")
    storage.publish_part(part, tmp_path / "d.sql")
    assert names_in(tmp_path) == ["d.sql"]
    assert (tmp_path / "d.sql").read_bytes() == b"dump"


@pytest.mark.parametrize("links", [True, False])
def test_publishing_never_overwrites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    if not links:
        monkeypatch.setattr(os, "link", fail_with(errno.EPERM))
    part, final = tmp_path / "d.sql.part", tmp_path / "d.sql"
    part.write_bytes(b"new")
    final.write_bytes(b"old")
    with pytest.raises(BackupError, match="not overwritten"):
        storage.publish_part(part, final)
    assert (part.read_bytes(), final.read_bytes()) == (b"new", b"old")


@pytest.mark.parametrize("links", [True, False])
def test_publishing_does_not_write_through_a_symlink(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", fail_with(errno.EPERM))
    (tmp_path / "d.sql.part").write_bytes(b"new")
    (tmp_path / "d.sql").symlink_to(tmp_path / "nowhere")
    with pytest.raises(BackupError, match="not overwritten"):
        storage.publish_part(tmp_path / "d.sql.part", tmp_path / "d.sql")
    assert not (tmp_path / "nowhere").exists()


def test_a_part_that_is_a_symlink_is_not_published(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    (tmp_path / "d.sql.part").symlink_to(tmp_path / "secret")
    with pytest.raises(BackupError, match="symbolic link"):
        storage.publish_part(tmp_path / "d.sql.part", tmp_path / "d.sql")
    assert not (tmp_path / "d.sql").exists()


def test_a_file_system_without_hard_links_publishes_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", fail_with(errno.EPERM))
    (tmp_path / "d.sql.part").write_bytes(b"dump")
    storage.publish_part(tmp_path / "d.sql.part", tmp_path / "d.sql")
    assert names_in(tmp_path) == ["d.sql"]


def test_a_publishing_that_died_in_the_middle_is_finished_by_the_next(tmp_path: Path) -> None:
    part, final = tmp_path / "d.sql.part", tmp_path / "d.sql"
    part.write_bytes(b"dump")
    os.link(part, final)
    storage.publish_part(part, final)
    assert names_in(tmp_path) == ["d.sql"]


# --- stamps


def test_a_stamp_is_the_second_in_utc(tmp_path: Path) -> None:
    stamp, instant = storage.reserve_stamp(tmp_path, NOON.astimezone(timezone(timedelta(hours=5, minutes=30))))
    assert stamp == "20261102_120000"
    assert instant == NOON.replace(microsecond=0)
    assert instant.tzinfo is UTC
    assert (tmp_path / "20261102_120000.json.part").exists()


def test_runs_of_the_same_second_get_different_stamps(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        stamps = list(pool.map(lambda _: storage.reserve_stamp(tmp_path, NOON)[0], range(24)))
    assert sorted(stamps) == [names.stamp_of(NOON + timedelta(seconds=n)) for n in range(24)]


def test_a_stamp_whose_report_exists_is_not_given_again(tmp_path: Path) -> None:
    (tmp_path / "20261102_120000.json").touch()
    assert storage.reserve_stamp(tmp_path, NOON)[0] == "20261102_120001"
    assert not (tmp_path / "20261102_120000.json.part").exists()


def test_the_report_ends_the_reservation_of_its_stamp(tmp_path: Path) -> None:
    stamp, _ = storage.reserve_stamp(tmp_path, NOON)
    storage.atomic_write(tmp_path / f"{stamp}.json", b"{}")
    assert names_in(tmp_path) == [f"{stamp}.json"]


def test_a_folder_without_a_free_stamp_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "_STAMPS_TO_TRY", 2)
    for second in (0, 1):
        (tmp_path / f"20261102_12000{second}.json").touch()
    with pytest.raises(BackupError, match="no free stamp"):
        storage.reserve_stamp(tmp_path, NOON)


# --- removing


def test_a_removed_file_is_gone_and_a_missing_one_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "a.sql").touch()
    assert storage.remove_file(tmp_path / "a.sql") is True
    assert storage.remove_file(tmp_path / "a.sql") is False


def test_a_removed_symlink_leaves_what_it_names(tmp_path: Path) -> None:
    (tmp_path / "victim").touch()
    (tmp_path / "a.sql").symlink_to(tmp_path / "victim")
    assert storage.remove_file(tmp_path / "a.sql", inside=tmp_path) is True
    assert names_in(tmp_path) == ["victim"]


@pytest.mark.parametrize("name", ["../victim", "sub/../../victim", "..", "."])
def test_a_path_that_leaves_the_directory_is_not_removed(tmp_path: Path, name: str) -> None:
    inside = tmp_path / "backups"
    (inside / "sub").mkdir(parents=True)
    (tmp_path / "victim").touch()
    with pytest.raises(BackupError, match="not removed"):
        storage.remove_file(inside / name, inside=inside)
    assert (tmp_path / "victim").exists()


def test_a_file_of_another_directory_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir()
    (tmp_path / "victim").touch()
    with pytest.raises(BackupError, match="outside"):
        storage.remove_file(tmp_path / "victim", inside=tmp_path / "backups")
    assert (tmp_path / "victim").exists()


def test_a_file_behind_a_linked_folder_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "victim").touch()
    (tmp_path / "backups").mkdir()
    (tmp_path / "backups" / "reports").symlink_to(tmp_path / "other")
    with pytest.raises(BackupError, match="outside"):
        storage.remove_file(tmp_path / "backups" / "reports" / "victim", inside=tmp_path / "backups")
    assert (tmp_path / "other" / "victim").exists()


def test_a_folder_of_other_things_is_not_closed_to_their_readers(tmp_path: Path) -> None:
    """BACKUP_DIR=/ as root would stop the whole machine."""
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    (shared / "theirs").write_text("theirs")
    with pytest.raises(SettingsError, match="holds other things"):
        storage.ensure_private_dir(shared)
    assert stat.S_IMODE(shared.stat().st_mode) == 0o755


def test_the_root_of_the_machine_is_no_backup_directory() -> None:
    before = Path("/").stat().st_mode
    with pytest.raises(SettingsError):
        storage.ensure_private_dir(Path("/"))
    assert Path("/").stat().st_mode == before
