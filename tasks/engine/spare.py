"""Spare room: one file that is deleted when the disk is full, so that a run can be written down as ended.

A full disk must not keep a rollback from beginning, and the journal lies on the disk that is full.
"""

import os
from contextlib import suppress
from pathlib import Path

from tasks.engine.file_owner import give_to_owner_of
from tasks.engine.storage import told_when_full

NAME = ".spare"
SIZE_BYTES = 1 << 20  # some hundred times what the journal and a report need


def keep_spare(directory: Path) -> None:
    """Make the file where it is not there; StorageFull when even for this there is no room."""
    path = directory / NAME
    if path.exists():
        return
    with told_when_full(directory):
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
                give_to_owner_of(directory, file.fileno())
                file.write(os.urandom(SIZE_BYTES))  # zeros take no room on every file system
        except FileExistsError:
            return  # another run makes it just now
        except OSError:
            path.unlink(missing_ok=True)
            raise


def release_spare(directory: Path) -> bool:
    """Give the room back; False when that was done before."""
    with suppress(OSError):  # gone already, or something else of that name, which stays
        (directory / NAME).unlink()
        return True
    return False
