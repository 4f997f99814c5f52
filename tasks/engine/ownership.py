"""Whose backup directory this is: two memories of one folder would let each other's files expire."""

import secrets
from pathlib import Path

import sqlalchemy

from tasks.engine.errors import BackupError
from tasks.engine.names import PART_SUFFIX
from tasks.engine.storage import atomic_write, publish_part, read_regular, remove_file

NAME = ".journal"


class WrongDirectory(BackupError):
    """Another installation keeps its files here."""


def agree_on_directory(directory: Path, journal_url: str) -> None:
    """WrongDirectory unless this journal is the one that has kept the folder so far; the first one is remembered.

    Its place is remembered and not its id: a journal that was lost begins anew in the same place.
    """
    if not demand_ours(directory, journal_url):
        _remember(directory / NAME, _place(directory, journal_url))
        demand_ours(directory, journal_url)


def demand_ours(directory: Path, journal_url: str) -> bool:
    """The same, only asked: False where nobody has kept the folder so far."""
    if theirs := other_keeper(directory, journal_url):
        raise WrongDirectory(
            f"the backup directory {directory} belongs to an installation with another journal (theirs {theirs}, ours "
            f"{_place(directory, journal_url)}); give this one a BACKUP_DIR of its own, or, when the other one is gone "
            "for good, type: railway-neon-sync take-over"
        )
    return _remembered(directory / NAME) is not None


def other_keeper(directory: Path, journal_url: str) -> str | None:
    """The place of the journal that has kept the folder so far, where that is not this one's."""
    theirs = _remembered(directory / NAME)
    return None if theirs in {None, _place(directory, journal_url)} else theirs


def forget_keeper(directory: Path) -> None:
    """The next installation that works there keeps it."""
    remove_file(directory / NAME)


def _place(directory: Path, url: str) -> str:
    """Where the journal is, whoever enters it; inside the folder by its name, since each host may see another path."""
    parsed = sqlalchemy.make_url(url)
    if parsed.host is not None or not parsed.database:
        return f"{parsed.host}:{parsed.port}/{parsed.database}"
    file = Path(parsed.database).absolute()
    return str(file.relative_to(directory)) if file.is_relative_to(directory) else str(file)


def _remembered(path: Path) -> str | None:
    try:
        return read_regular(path).decode(errors="backslashreplace").strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise WrongDirectory(f"{path} cannot be read ({error.strerror}); see what it is, and remove it") from error


def _remember(path: Path, place: str) -> None:
    """Of two that do so at once, the first stands."""
    new = path.with_name(f"{NAME}-{secrets.token_hex(4)}")
    part = new.with_name(new.name + PART_SUFFIX)
    atomic_write(part, f"{place}\n".encode())
    try:
        publish_part(part, path)
    except BackupError:
        part.unlink(missing_ok=True)
