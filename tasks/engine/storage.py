"""The backup directory: files written, published and removed so that a crash leaves no half.

Nothing here logs; whoever calls says what happened to which file.
"""

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tasks.engine.errors import BackupError, SettingsError, StorageFull
from tasks.engine.file_owner import give_to_owner_of, make_folder
from tasks.engine.names import PART_SUFFIX, REPORT, REPORTS_DIR, parse_dump_name, part_path, rejected_stamp, stamp_of

# What "no room" is called by disks, by quotas, and by network file systems that notice late.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
# File systems without hard links say one of these.
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
# Runs do not start an hour's worth of seconds at once: beyond that something else is wrong with the folder.
_STAMPS_TO_TRY = 3600


@contextmanager
def told_when_full(path: Path) -> Iterator[None]:
    """Turn "no space left" and "quota exceeded" into StorageFull, which names disk, room and file."""
    try:
        yield
    except StorageFull:
        raise
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise StorageFull(
            f"no room to write {path.name}: the disk of {path.parent} has {_room(path.parent)} left;"
            " make room there, or set BACKUP_DIR to a larger disk"
        ) from error


def _room(directory: Path) -> str:
    try:
        return f"{free_bytes(directory) / 1024**2:.2f} MB"
    except OSError:
        return "an unknown room"


def free_bytes(path: Path) -> int:
    """Room that this user may still fill on the disk of an existing path, in bytes."""
    return shutil.disk_usage(path).free


def ensure_private_dir(path: Path) -> Path:
    """Make a directory that only this user can enter (0700), or make an existing one so; returns it absolute.

    SettingsError when it is a symlink or no directory, when another user owns it and others may write to it,
    or when this user may not: dumps hold everything that the database holds.
    """
    path = path.absolute()
    with told_when_full(path):
        _make_private(path)
    found = path.lstat()
    _refuse_strange_folder(path, found)
    if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) & 0o077:
        _refuse_shared_folder(path)
        path.chmod(0o700)
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise SettingsError(_why_not_writable(path, found))
    return path


def _why_not_writable(path: Path, found: os.stat_result) -> str:
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return f"{path} lies on a disk that can only be read: mount it for writing, or set BACKUP_DIR to another disk"
    mine = f"it belongs to uid {found.st_uid}, this is uid {os.geteuid()}"
    return f"{path} cannot be written by this user ({mine}): type it as that user (sudo -u), or give it to this one"


def _make_private(path: Path) -> None:
    try:
        for above in reversed(path.parents):
            if not above.exists():
                with suppress(FileExistsError):
                    make_folder(above, 0o777)
        with suppress(FileExistsError):
            make_folder(path, 0o700)
            sync_folder(path.parent)
    except OSError as error:
        if error.errno in _FULL:
            raise
        raise SettingsError(f"{path} cannot be made: {error.strerror}; set BACKUP_DIR to another folder") from error


def _refuse_shared_folder(path: Path) -> None:
    """A folder of other things is not closed to their readers: closing `/` would stop the whole machine."""
    ours = {REPORTS_DIR, "journal.sqlite3", ".journal"}
    others = [entry.name for entry in path.iterdir() if entry.name not in ours and parse_dump_name(entry.name) is None]
    if (path.is_mount() and path == Path(path.anchor)) or (others and not any((path / name).exists() for name in ours)):
        raise SettingsError(
            f"{path} holds other things ({', '.join(sorted(others)[:3])}) and others may read it: "
            "set BACKUP_DIR to a folder of its own"
        )


def _refuse_strange_folder(path: Path, found: os.stat_result) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise SettingsError(f"{path} is a symbolic link: name the directory itself, so that nobody can redirect it")
    if not stat.S_ISDIR(found.st_mode):
        raise SettingsError(f"{path} is not a directory")
    if found.st_uid != os.geteuid() and found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise SettingsError(
            f"{path} belongs to another user (uid {found.st_uid}) and others may write to it:"
            " name a directory of this user, for instance one below it"
        )


def is_regular(path: Path) -> bool:
    """A file itself: no symlink, folder or FIFO of the same name, which is never read, counted or removed."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def may_read(path: Path) -> bool:
    """Whether this user may read an ordinary file."""
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError as error:
        return error.errno not in {errno.EACCES, errno.EPERM}
    return True


def read_regular(path: Path) -> bytes:
    """A file's bytes; OSError for a symlink, and for a FIFO, which would make us wait for ever."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not an ordinary file", str(path))
        return file.read()


def rejected_dumps(directory: Path) -> list[tuple[Path, datetime]]:
    """Those in a folder, each with the instant at which its run began."""
    found = [(path, rejected_stamp(path.name)) for path in sorted(directory.glob("backup_rejected_*.sql*"))]
    return [(path, began) for path, began in found if began and is_regular(path)]


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot sync a folder, and say so in this way.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def atomic_write(path: Path, data: bytes | bytearray, mode: int = 0o600) -> None:
    """Write a whole file: under its name stands the old content or the new one, never a part of it.

    StorageFull when there is no room. A reservation of the name (`reserve_stamp`) ends with it.
    """
    # A random name: one that a crash left lying must not stop the next write.
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}{PART_SUFFIX}")
    with told_when_full(path):
        try:
            _write_new(part, data, mode)
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        # After the rename, so that the name is never free in between.
        part_path(path).unlink(missing_ok=True)
        sync_folder(path.parent)


def _write_new(path: Path, data: bytes | bytearray, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)  # whatever the umask
        give_to_owner_of(path.parent, descriptor)
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def publish_part(part: Path, final: Path) -> None:
    """Give a finished `.part` its final name, durably; doing it again after a crash in the middle is right.

    BackupError when another file has that name: it is never overwritten.
    """
    with told_when_full(final):
        sync_file(part)
        _move_without_overwriting(part, final)
        sync_folder(final.parent)


def sync_file(path: Path) -> None:
    """Make its bytes survive a power cut; BackupError for a symbolic link."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise BackupError(f"{path} is a symbolic link, which was not put there by a backup: remove it") from error
        raise
    try:
        give_to_owner_of(path.parent, descriptor)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _move_without_overwriting(part: Path, final: Path) -> None:
    """link and unlink: rename would overwrite, and looking first leaves a gap."""
    try:
        os.link(part, final, follow_symlinks=False)
    except FileExistsError as error:
        if final.is_symlink() or not part.samefile(final):
            raise BackupError(f"{final} exists already and is not overwritten: move it away") from error
    except OSError as error:
        if not has_no_links(error):
            raise
        if os.path.lexists(final):
            raise BackupError(f"{final} exists already and is not overwritten: move it away") from error
        part.rename(final)
        return
    part.unlink()


def has_no_links(error: OSError) -> bool:
    """Whether a hard link failed because there are none, or none more: then a copy does it."""
    return error.errno in _NO_LINKS


def reserve_stamp(reports_dir: Path, now: datetime) -> tuple[str, datetime]:
    """A stamp that no other run has, and its instant (UTC, whole seconds): now's, or the next free second's.

    Taken by creating `<stamp>.json.part` exclusively; `atomic_write` of `<stamp>.json` ends the reservation.
    """
    instant = now.astimezone(UTC).replace(microsecond=0)
    for _ in range(_STAMPS_TO_TRY):
        stamp = stamp_of(instant)
        if _reserve(reports_dir / REPORT.format(stamp=stamp)):
            return stamp, instant
        instant += timedelta(seconds=1)
    raise BackupError(f"no free stamp in {reports_dir} from {stamp_of(now)} on: is the clock of this machine right?")


def _reserve(report: Path) -> bool:
    part = part_path(report)
    try:
        with told_when_full(part):
            _write_new(part, b"", 0o600)
    except FileExistsError:
        return False
    if os.path.lexists(report):
        part.unlink()
        return False
    sync_folder(report.parent)
    return True


def remove_file(path: Path, *, inside: Path | None = None) -> bool:
    """Remove a file, durably; False when it was gone already. Of a symlink only the link itself is removed.

    BackupError for a path that leaves `inside` (by default: for one that holds `..`) and for a directory.
    """
    if path.name in ("", "..") or ".." in path.parts:
        raise BackupError(f"{path} is not removed: a path with .. could leave the backup directory")
    if inside is not None and not path.parent.resolve().is_relative_to(inside.resolve()):
        raise BackupError(f"{path} is not removed: it lies outside {inside}")
    if path.is_dir() and not path.is_symlink():
        raise BackupError(f"{path} is not removed: it is a directory")
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    sync_folder(path.parent)
    return True
