"""The dump files that are kept in the backup directory, and what retention says of each."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from config.settings import Settings
from tasks.engine.errors import DumpRefused
from tasks.engine.finishing import plan_expiry
from tasks.engine.journal import Journal
from tasks.engine.manifest import read_manifest
from tasks.engine.names import manifest_path
from tasks.engine.retention import Verdict
from tasks.engine.storage import rejected_dumps

_WHY_REJECTED = (
    "what somebody wrote where a copy was undone; no retention deletes it: look at it in another database "
    "(railway-neon-sync restore FILE --to URL), and delete it and its manifest by hand when nobody needs it"
)


@dataclass(frozen=True, kw_only=True)
class DumpOnDisk:
    """A dump file, and what retention says of it."""

    file: str
    kind: str  # source, safety, rejected
    stamp: datetime
    size_bytes: int
    state: str  # verified, unverified, open, partial, rejected
    run_id: str | None
    has_manifest: bool
    keep: bool
    reason: str


def kept_dumps(settings: Settings, journal: Journal | None, *, now: datetime) -> list[DumpOnDisk]:
    """Oldest first. journal: None where it was lost: the reports tell which dumps are verified."""
    dumps = [_on_disk(verdict) for verdict in plan_expiry(settings, journal, now=now)]
    return sorted([*dumps, *_rejected(settings.backup_dir)], key=lambda dump: dump.stamp)


def _on_disk(verdict: Verdict) -> DumpOnDisk:
    dump = verdict.dump
    state = "partial" if dump.partial else "verified" if dump.verified else "open" if dump.state == "open" else None
    return DumpOnDisk(
        file=dump.path.name,
        kind=dump.kind,
        stamp=dump.stamp,
        size_bytes=_size(dump.path),
        state=state or "unverified",
        run_id=None if dump.run_id == "unknown" else dump.run_id,
        has_manifest=manifest_path(dump.path).is_file(),
        keep=verdict.keep,
        reason=verdict.reason,
    )


def _rejected(directory: Path) -> Iterator[DumpOnDisk]:
    """What people must look at and may delete: retention does not know these files."""
    for path, stamp in rejected_dumps(directory):
        manifest = None
        with suppress(DumpRefused):
            manifest = read_manifest(manifest_path(path))
        yield DumpOnDisk(
            file=path.name,
            kind="rejected",
            stamp=stamp,
            size_bytes=_size(path),
            state="rejected",
            run_id=manifest.run_id if manifest else None,
            has_manifest=manifest is not None,
            keep=True,
            reason=_WHY_REJECTED,
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # it expired just now
        return 0
