"""Whose a file becomes that root makes in a folder of somebody else.

A command that is typed as root must not leave a dump, manifest or journal that the worker's own user cannot read.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path


def give_to_owner_of(folder: Path, descriptor: int) -> None:
    """What root has just made in a folder is given to the folder's owner; for another user than root: nothing.

    Where root may not do so (in a container without the right, on a network file system) it stays root's.
    """
    if os.geteuid() != 0:
        return
    owner, made = folder.stat(), os.fstat(descriptor)
    # A second name may be one that the folder's owner gave to a file of root's that lies elsewhere.
    if owner.st_uid == 0 or made.st_uid != 0 or not (stat.S_ISDIR(made.st_mode) or made.st_nlink == 1):
        return
    with suppress(OSError):
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def make_folder(path: Path, mode: int) -> None:
    """The last part of a path, which must not be there yet; it belongs to whom the folder around it belongs."""
    path.mkdir(mode=mode)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        give_to_owner_of(path.parent, descriptor)
    finally:
        os.close(descriptor)
