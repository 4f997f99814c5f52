"""What the files of a run are called, and what a name tells. Nothing here looks at a disk."""

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

DumpKind = Literal["source", "safety"]

SOURCE_DUMP = "source_db_backup_{stamp}.sql"
SAFETY_DUMP = "backup_safety_{stamp}.sql"
REJECTED_DUMP = "backup_rejected_{stamp}.sql"
RUN_KEY = ".key-"
COMPRESSED = ".zst"
ENCRYPTED = ".age"
REPORT = "{stamp}.json"
REPORTS_DIR = "reports"
PART_SUFFIX = ".part"
MANIFEST_SUFFIX = ".manifest.json"

_STAMP_FORMAT = "%Y%m%d_%H%M%S"
_DUMP_NAMES: tuple[tuple[DumpKind, re.Pattern[str]], ...] = (
    ("source", re.compile(r"source_db_backup_([0-9]{8}_[0-9]{6})\.sql(?:\.zst)?(?:\.age)?")),
    ("safety", re.compile(r"backup_safety_([0-9]{8}_[0-9]{6})\.sql(?:\.zst)?")),
)
_REJECTED_NAME = re.compile(r"backup_rejected_([0-9]{8}_[0-9]{6})(?:_[0-9]+)?\.sql(?:\.zst)?")


@dataclass(frozen=True, kw_only=True)
class DumpForm:
    """How a dump lies on disk: plain SQL, or packed."""

    compressed: bool = False
    encrypted: bool = False

    @property
    def plain(self) -> bool:
        return not (self.compressed or self.encrypted)

    @property
    def suffix(self) -> str:
        """What stands behind `.sql`."""
        return COMPRESSED * self.compressed + ENCRYPTED * self.encrypted


PLAIN = DumpForm()


def form_of(name: str) -> DumpForm:
    """The form that a file's name tells, of a `.part` too."""
    name = name.removesuffix(PART_SUFFIX)
    encrypted = name.endswith(ENCRYPTED)
    return DumpForm(compressed=name.removesuffix(ENCRYPTED).endswith(COMPRESSED), encrypted=encrypted)


def stamp_of(instant: datetime) -> str:
    """YYYYMMDD_HHMMSS in UTC."""
    return instant.astimezone(UTC).strftime(_STAMP_FORMAT)


def instant_of(stamp: str) -> datetime:
    """The instant (aware, UTC) that a stamp names; ValueError when it is none."""
    return datetime.strptime(stamp, _STAMP_FORMAT).replace(tzinfo=UTC)


def dump_path(directory: Path, kind: DumpKind, stamp: str, form: DumpForm = PLAIN) -> Path:
    """Where a run's dump of this kind lies once it is finished."""
    name = (SOURCE_DUMP if kind == "source" else SAFETY_DUMP).format(stamp=stamp)
    return directory / (name + form.suffix)


def rejected_path(directory: Path, stamp: str, number: int, form: DumpForm = PLAIN) -> Path:
    """Where a run keeps what it found in the place of its copy; number: from 1, of the attempt."""
    more = "" if number == 1 else f"_{number}"
    return directory / (REJECTED_DUMP.format(stamp=f"{stamp}{more}") + form.suffix)


def rejected_stamp(name: str) -> datetime | None:
    """The instant at which the run began whose rejected dump bears this name; None for every other name."""
    if named := _REJECTED_NAME.fullmatch(name):
        with suppress(ValueError):
            return instant_of(named[1])
    return None


def manifest_path(dump: Path) -> Path:
    """The manifest beside a dump: the same name up to `.sql`, ending in `.manifest.json`."""
    return dump.with_name(dump.name.partition(".sql")[0] + MANIFEST_SUFFIX)


def part_path(final: Path) -> Path:
    """The name that a file bears until it is finished."""
    return final.with_name(final.name + PART_SUFFIX)


def report_path(directory: Path, stamp: str) -> Path:
    """Where a run's report lies, below the backup directory."""
    return directory / REPORTS_DIR / REPORT.format(stamp=stamp)


def run_key_path(directory: Path, stamp: str) -> Path:
    """Where a run keeps the key to its encrypted dump until it has ended."""
    return directory / f"{RUN_KEY}{stamp}"


def parse_dump_name(name: str) -> tuple[DumpKind, str] | None:
    """Kind and stamp of a finished dump's file name; None for every other name, a `.part` among them."""
    for kind, pattern in _DUMP_NAMES:
        match = pattern.fullmatch(name)
        if match:
            with suppress(ValueError):
                instant_of(match[1])
                return kind, match[1]
    return None
