"""Where the servers of tests have their files: in memory where there is room, which takes a quarter less time."""

import os
import tempfile
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of ours is made in it
_ROOM_BYTES = 8 << 30  # the servers of all workers together need a tenth


def server_folder(prefix: str) -> Path:
    """A new one, for the caller to remove. Its path is short, as socket paths are, and other users may reach it."""
    return Path(tempfile.mkdtemp(prefix=prefix, dir=_MEMORY if _serves(_MEMORY) else None))


def _serves(folder: Path) -> bool:
    """Programs must be run there, too: as root a server runs from a copy of its own."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize > _ROOM_BYTES and not found.f_flag & os.ST_NOEXEC
