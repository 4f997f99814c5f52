"""Copies of verified dumps off-site: what is missing there is sent, what has expired there is deleted.

What is there, the storage itself says: nothing about it is remembered here, so nothing can be remembered wrongly.
"""

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import obstore
from obstore.store import LocalStore, from_url
from pydantic import SecretStr

from config.settings import Settings
from tasks.engine import retention
from tasks.engine.errors import BackupError, DumpRefused, OffsiteFailed
from tasks.engine.manifest import Manifest, parse_manifest, read_manifest
from tasks.engine.names import REPORTS_DIR, instant_of, manifest_path, parse_dump_name, part_path, report_path
from tasks.engine.storage import atomic_write, ensure_private_dir, publish_part
from tasks.engine.watch import Watch

log = logging.getLogger(__name__)

_BLOCK_BYTES = 8 << 20  # each is one part of an upload
_REQUEST_S = 60


@dataclass(frozen=True, kw_only=True)
class StoredDump:
    """A dump that lies off-site whole: its manifest came last."""

    name: str
    stamp: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class Synced:
    """What one look at the storage led to."""

    sent: tuple[str, ...]
    deleted: tuple[str, ...]
    stored: tuple[StoredDump, ...]  # afterwards, the newest first

    def summary(self) -> str:
        return f"{len(self.sent)} file(s) sent, {len(self.deleted)} deleted, {len(self.stored)} dump(s) there"


class Offsite:
    """The storage, at the place of one pair of databases; whatever goes wrong there is told as OffsiteFailed."""

    def __init__(self, settings: Settings, watch: Watch) -> None:
        self._settings, self._watch = settings, watch
        self._store = _open_store(settings)

    def sizes(self) -> dict[str, int]:
        """What lies there, by name."""
        with self._translated("listed"):
            return {str(entry["path"]): int(entry["size"]) for chunk in obstore.list(self._store) for entry in chunk}

    def send(self, path: Path, name: str) -> None:
        """Seen there when it is whole; in pieces, so that the deadline holds within a file too."""
        with _opened(path) as file, self._translated(f"sent ({name})"):
            obstore.put(self._store, name, self._pieces(file))
        log.info("BACKUP_STORAGE sent %s off-site (%.2f MB)", name, path.stat().st_size / 2**20)

    def fetch(self, name: str) -> Iterator[bytes]:
        """The bytes of one file, in pieces."""
        with self._translated(f"fetched ({name})"):
            for piece in obstore.get(self._store, name).stream(_BLOCK_BYTES):
                self._watch.check()
                yield bytes(piece)

    def delete(self, name: str, reason: str) -> None:
        with self._translated(f"deleted ({name})"):
            obstore.delete(self._store, name)
        log.info("BACKUP_STORAGE removed %s off-site: %s", name, reason, extra={"event": "expired_offsite"})

    def demand_whole(self, dump: Path) -> None:
        """DumpRefused unless it is what its manifest says: what is damaged off-site, nobody sees until it is needed."""
        manifest, found = read_manifest(manifest_path(dump)), hashlib.sha256()
        with _opened(dump) as file:
            for piece in self._pieces(file):
                found.update(piece)
        _demand_fitting(dump.name, found.hexdigest(), manifest)

    def _pieces(self, file: BinaryIO) -> Iterator[bytes]:
        while piece := file.read(_BLOCK_BYTES):
            self._watch.check()
            yield piece

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        self._watch.check()
        try:
            yield
        except BackupError:
            raise
        except (obstore.exceptions.BaseError, OSError, ValueError) as error:
            raise OffsiteFailed(
                f"off-site, at {self._settings.offsite_place}, nothing could be {what}: {_reason(error)}; "
                "see that OFFSITE_URL and its key are right; it is tried again by itself"
            ) from error


def sync(
    settings: Settings, verdicts: Sequence[retention.Verdict], *, held: bool, now: datetime, watch: Watch
) -> Synced:
    """Send what is missing, then delete what has expired.

    verdicts: retention's about the dumps here; held: whether the newest run is, so that nothing expires.
    OffsiteFailed at the end when a dump here is not whole: nothing of it is sent, so it replaces no whole one there.
    """
    offsite = Offsite(settings, watch)
    there = offsite.sizes()
    sent, damaged = [], list[str]()
    for dump in verified_dumps(verdicts):
        files = files_to_send(settings.backup_dir, dump)
        missing = [(path, name) for path, name in files if there.get(name) != path.stat().st_size]
        try:
            if any(path.parent == dump.parent for path, _ in missing):
                offsite.demand_whole(dump)
        except DumpRefused as error:
            damaged.append(f"nothing of {dump.name} was sent, and what lies off-site of it stays: {error}")
            continue
        for path, name in missing:
            offsite.send(path, name)
            there[name] = path.stat().st_size
            sent.append(name)
    deleted = []
    for verdict in plan_offsite_expiry(stored_dumps(there), settings=settings, now=now, held=held):
        if not verdict.keep:
            for name in (*_companions(verdict.dump.path.name), verdict.dump.path.name):
                if there.pop(name, None) is not None:
                    offsite.delete(name, verdict.reason)
                    deleted.append(name)
    synced = Synced(sent=tuple(sent), deleted=tuple(deleted), stored=tuple(stored_dumps(there)))
    log.info("BACKUP_STORAGE off-site: %s", synced.summary(), extra={"event": "offsite"})
    if damaged:
        raise OffsiteFailed("; ".join(damaged))
    return synced


def verified_dumps(verdicts: Sequence[retention.Verdict]) -> list[Path]:
    """Those that are kept here, and belong off-site."""
    return [verdict.dump.path for verdict in verdicts if verdict.keep and verdict.dump.verified]


def files_to_send(directory: Path, dump: Path) -> Iterator[tuple[Path, str]]:
    """The dump, its report, and last its manifest, with their names there.

    The report of a run that has not ended is not written yet: the next look sends it.
    """
    yield dump, dump.name
    manifest, report = _companions(dump.name)
    for name in (report, manifest):
        if (directory / name).exists():
            yield directory / name, name


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise OffsiteFailed(f"{path} cannot be sent off-site: {error.strerror}; give it to this user") from error


def _demand_fitting(name: str, sha256: str, manifest: Manifest) -> None:
    if sha256 != (manifest.stored_sha256 or manifest.sha256):
        raise DumpRefused(f"{name} is damaged: its SHA-256 is not the one that its manifest says; use another one")


def stored_dumps(there: Mapping[str, int]) -> list[StoredDump]:
    """The whole dumps among what lies there, the newest first; what bears no name of ours is not looked at."""
    found = []
    for name, size in there.items():
        parsed = parse_dump_name(name)
        if parsed is not None and parsed[0] == "source" and manifest_path(Path(name)).name in there:
            found.append(StoredDump(name=name, stamp=parsed[1], size_bytes=size))
    return sorted(found, key=lambda dump: (dump.stamp, dump.name), reverse=True)


def plan_offsite_expiry(
    stored: Sequence[StoredDump], *, settings: Settings, now: datetime, held: bool
) -> list[retention.Verdict]:
    """The same rules as for the disk: only dumps of runs that succeeded are ever sent."""
    dumps = [
        retention.KeptDump(
            run_id=dump.stamp, stamp=instant_of(dump.stamp), path=Path(dump.name), kind="source", state="succeeded"
        )
        for dump in stored
    ]
    return retention.plan(
        dumps,
        keep_days=settings.retention_days,
        keep_last=settings.retention_keep_last,
        now=now,
        newest_run_held=held,
        newest_run_id=None,
    )


def choose(stored: Sequence[StoredDump], wanted: str) -> StoredDump:
    """By `latest`, a stamp or a file's name; OffsiteFailed when there is none."""
    for dump in stored:
        if wanted in {"latest", dump.stamp, dump.name}:
            return dump
    raise OffsiteFailed(f"no dump {wanted} lies off-site; `railway-neon-sync offsite` lists what does")


def fetch(settings: Settings, watch: Watch, dump: StoredDump) -> Path:
    """Bring a dump, its manifest and its report into the backup directory; returns the dump's path.

    DumpRefused when it is not what its manifest there says: then nothing is brought.
    """
    # Whoever fetches may have lost the disk, and the folder with it.
    offsite, final = Offsite(settings, watch), ensure_private_dir(settings.backup_dir) / dump.name
    there = offsite.sizes()
    part = part_path(final)
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    found = hashlib.sha256()
    with part.open("wb") as file:
        for piece in offsite.fetch(dump.name):
            found.update(piece)
            file.write(piece)
    companions = {name: b"".join(offsite.fetch(name)) for name in _companions(dump.name) if name in there}
    manifest = manifest_path(final).name
    try:
        _demand_fitting(
            f"off-site {dump.name}", found.hexdigest(), parse_manifest(companions[manifest], Path(manifest))
        )
    except DumpRefused:
        part.unlink()
        raise
    publish_part(part, final)
    for name, content in companions.items():
        path = settings.backup_dir / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        atomic_write(path, content)
    log.info("BACKUP_STORAGE fetched %s", dump.name, extra={"event": "file_made"})
    return final


def _companions(dump: str) -> tuple[str, str]:
    """The manifest first: without it what is left counts as no dump."""
    stamp = parse_dump_name(dump)[1]  # type: ignore[index]
    return manifest_path(Path(dump)).name, f"{REPORTS_DIR}/{report_path(Path(), stamp).name}"


def _open_store(settings: Settings) -> Any:
    place = settings.offsite_place
    if place is None:
        raise OffsiteFailed("OFFSITE_URL is not set: there is no off-site storage")
    parts = urlsplit(place)
    if parts.scheme == "file":
        try:
            return LocalStore(Path(parts.path), mkdir=True)
        except (obstore.exceptions.BaseError, OSError, ValueError) as error:
            raise OffsiteFailed(f"OFFSITE_URL: {parts.path} cannot be made or used: {_reason(error)}") from error
    limit_s = min(_REQUEST_S, settings.offsite_timeout_s)
    client: dict[str, Any] = {"connect_timeout": "10s", "timeout": f"{limit_s}s"}
    options: dict[str, Any] = {
        "client_options": client,
        "retry_config": {"max_retries": 3, "retry_timeout": timedelta(seconds=limit_s)},
    }
    if parts.scheme == "s3":
        endpoint = settings.offsite_endpoint
        config = {
            "region": settings.offsite_region,
            "endpoint": endpoint,
            "access_key_id": _revealed(settings.offsite_access_key_id),
            "secret_access_key": _revealed(settings.offsite_secret_access_key),
        }
        options["config"] = {name: value for name, value in config.items() if value}
        client["allow_http"] = (endpoint or "").startswith("http://")
    try:
        return from_url(place, **options)
    except obstore.exceptions.BaseError as error:
        raise OffsiteFailed(f"OFFSITE_URL cannot be used: {_reason(error)}") from error


def _revealed(key: SecretStr | None) -> str | None:
    return key.get_secret_value() if key else None


def _reason(error: BaseException) -> str:
    """What a person can use of the library's message, which goes on with the server's XML and its own insides."""
    return str(error).strip().splitlines()[0].partition(": <")[0][:300]
