"""A kept dump against its manifest, and the target against its mark."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from config.settings import Settings
from tasks.engine.connections import Server
from tasks.engine.content import Content, compare_content, content_digest, read_content, with_sequences
from tasks.engine.dump_publishing import account_for_rows
from tasks.engine.dumpfile import DumpFacts, inspect_dump
from tasks.engine.errors import BackupError, DumpRefused
from tasks.engine.findings import Finding, Point, all_good, examine
from tasks.engine.kept import DumpOnDisk
from tasks.engine.manifest import Manifest, read_manifest
from tasks.engine.mark import Mark, read_state
from tasks.engine.names import form_of, manifest_path
from tasks.engine.progress import Progress

_SHOWN = 5
_CHUNK = 1 << 20


def find_dump(dumps: list[DumpOnDisk], wanted: str, directory: Path) -> Path:
    """A dump by its path, its file's name, its stamp (then the source's dump), a run's id or its beginning, or `last`.

    dumps: those on disk, oldest first. `last` is the newest verified one. BackupError when none or several fit.
    """
    if wanted == "last":
        verified = [dump for dump in dumps if dump.state == "verified"]
        if not verified:
            raise BackupError("there is no verified dump here; which ones there are: railway-neon-sync list --dumps")
        return directory / max(verified, key=lambda dump: dump.stamp).file
    if "/" in wanted or Path(wanted).is_file():
        if not Path(wanted).is_file():
            raise BackupError(f"there is no file {wanted}; the dumps that are kept: railway-neon-sync list --dumps")
        return Path(wanted).absolute()
    named = [dump for dump in dumps if dump.file == wanted]
    sources = [dump for dump in dumps if dump.kind == "source" and dump.state != "partial"]
    fitting = named or [dump for dump in sources if wanted and wanted in dump.file]
    fitting = fitting or [dump for dump in sources if wanted and (dump.run_id or "").startswith(wanted)]
    if len(fitting) != 1:
        many = f"{len(fitting)} dumps of {directory} are" if fitting else f"no dump of {directory} is"
        raise BackupError(f"{many} meant by {wanted!r}; type a file's name of: railway-neon-sync list --dumps")
    return directory / fitting[0].file


def examine_dump(
    path: Path, progress: Progress, *, keys: Sequence[str] = (), told: Callable[[Finding], None] = lambda _: None
) -> tuple[list[Finding], Manifest | None]:
    """Is the file the one that was made, complete, and does it hold what its manifest says?

    keys: for an encrypted dump; without them only the file itself is held against the manifest, and the manifest
    comes back all the same.
    """
    dump = _Dump(path, progress, keys)
    file = (
        Point(name="manifest", look=dump.read_manifest),
        Point(name="size", look=dump.compare_size, needs=("manifest",)),
        Point(name="sha256", look=dump.compare_sha256, needs=("manifest",)),
    )
    inside = (
        Point(name="complete", look=dump.read, needs=("manifest",)),
        Point(name="rows", look=dump.compare_rows, needs=("manifest", "complete")),
        Point(name="sequences", look=dump.compare_sequences, needs=("manifest", "complete")),
    )
    closed = form_of(path.name).encrypted and not keys
    findings = examine((*file, Point(name="complete", look=_tell_closed)) if closed else (*file, *inside), told)
    return findings, dump.manifest if all_good(findings) else None


def _tell_closed() -> Iterator[Finding]:
    yield Finding(
        name="complete", state="note", told="it is encrypted, and was not looked into: --identity FILE names its key"
    )


class _Dump:
    """One dump while it is examined: what earlier points found serves later ones."""

    def __init__(self, path: Path, progress: Progress, keys: Sequence[str]) -> None:
        self._path, self._progress, self._keys = path, progress, keys
        self.manifest: Manifest
        self._facts: DumpFacts

    def read_manifest(self) -> str:
        found = self.manifest = read_manifest(manifest_path(self._path))
        if content_digest(found.content) != found.content_digest:
            raise DumpRefused(
                f"{manifest_path(self._path).name} contradicts itself: its digest is not that of its content"
            )
        return f"{len(found.content.tables)} tables with {_rows(found.content)} rows, as of {found.taken_at}"

    def compare_size(self) -> str:
        there, wanted = self._path.stat().st_size, self.manifest.stored_bytes or self.manifest.size_bytes
        if there != wanted:
            raise DumpRefused(f"the file has {there} bytes, the manifest says {wanted}; take another dump")
        return f"{there} bytes"

    def compare_sha256(self) -> str:
        found, wanted = _sha256(self._path, self._progress), self.manifest.stored_sha256 or self.manifest.sha256
        if found != wanted:
            raise DumpRefused(f"its SHA-256 is {found} and not {wanted}: the file was changed; take another dump")
        return found

    def read(self) -> str:
        self._progress.begin("reading the dump", of_bytes=self.manifest.size_bytes)
        self._facts = inspect_dump(self._path, keys=self._keys, progress=self._progress.bytes_done)
        if self._facts.sha256 != self.manifest.sha256:
            raise DumpRefused(f"what it holds has the SHA-256 {self._facts.sha256} and not {self.manifest.sha256}")
        return f"{self._facts.statements} statements, and pg_dump's last line"

    def compare_rows(self) -> str:
        account_for_rows(self._facts, self.manifest.content)
        return f"each of {len(self.manifest.content.tables)} tables has the rows that were counted"

    def compare_sequences(self) -> str:
        content, found = self.manifest.content, self._facts.sequences
        values = {name: (value.last_value, value.is_called) for name, value in found.items()}
        if with_sequences(content, values) != content:
            raise DumpRefused("its sequences stand elsewhere than the manifest says; take another dump")
        return f"{len(values)} stand where the manifest says"


def demand_whole(path: Path, progress: Progress, keys: Sequence[str]) -> Manifest:
    """The manifest of a dump that may be loaded; DumpRefused with the first thing that is wrong with it."""
    if form_of(path.name).encrypted and not keys:
        raise DumpRefused(f"{path.name} is encrypted: --identity FILE names the file of its secret key")
    findings, manifest = examine_dump(path, progress, keys=keys)
    bad = [finding for finding in findings if finding.state == "bad"]
    if bad or manifest is None:
        raise DumpRefused(f"{path.name} is not restored: {bad[0].told if bad else 'it has no manifest'}")
    return manifest


@dataclass(frozen=True, kw_only=True)
class TargetExamined:
    """The target beside its mark. expected: of which dump, where its manifest is still on disk."""

    mark: Mark | None
    differences: tuple[str, ...]
    findings: tuple[Finding, ...]


def examine_target(
    server: Server, settings: Settings, progress: Progress, told: Callable[[Finding], None] = lambda _: None
) -> TargetExamined:
    """Does the target still hold what was published there? What differs is named where the manifest is on disk."""
    differences: list[str] = []
    with server.open(repeatable=True) as connection:
        state = read_state(connection, server.url.dbname)
        mark = state.mark if state else None

        def the_mark() -> Iterator[Finding]:
            if mark is None:
                raise BackupError(
                    f"the {server.shown} carries no mark of ours: no run has published there, or its comment was "
                    "changed; if it may be overwritten: railway-neon-sync adopt"
                )
            yield Finding(name="mark", state="good", told=f"run {mark.run_id}, as of {mark.snapshot_at}")
            if mark.promoted:
                yield Finding(name="mark", state="note", told=f"promoted on {mark.promoted}: it is production now")
            if mark.restored:
                told = f"restored by hand on {mark.restored}: runs are held until somebody types adopt or promote"
                yield Finding(name="mark", state="note", told=told)

        def the_content() -> str:
            progress.begin("reading the target")
            manifest = _manifest_of(mark, settings.backup_dir)
            privileges = manifest is not None and manifest.privileges and manifest.kind == "source"
            found = read_content(connection, progress=progress.tables_done, privileges=privileges)
            if mark is not None and content_digest(found) == mark.content_digest:
                return f"{len(found.tables)} tables with {_rows(found)} rows: what was published there"
            if manifest is not None:
                differences.extend(compare_content(manifest.content, found, connection, unlogged=False))
            named = "; ".join(differences[:_SHOWN]) + (" ..." if len(differences) > _SHOWN else "")
            raise BackupError(
                "it holds something else than was published there"
                + (f": {named}" if differences else "")
                + "; somebody writes to it: railway-neon-sync promote or adopt"
            )

        findings = examine(
            (Point(name="mark", look=the_mark), Point(name="content", look=the_content, needs=("mark",))), told
        )
    return TargetExamined(mark=mark, differences=tuple(differences), findings=tuple(findings))


def _manifest_of(mark: Mark | None, directory: Path) -> Manifest | None:
    """Of the dump that the mark speaks of, found by its digest."""
    for path in sorted(directory.glob("*.manifest.json"), reverse=True):
        try:
            manifest = read_manifest(path)
        except DumpRefused:
            continue
        if mark is not None and (manifest.run_id, manifest.content_digest) == (mark.run_id, mark.content_digest):
            return manifest
    return None


def _rows(content: Content) -> int:
    return sum(table.rows for table in content.tables)


def _sha256(path: Path, progress: Progress) -> str:
    progress.begin("hashing the dump", of_bytes=path.stat().st_size)
    digest, done = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            done += len(chunk)
            progress.bytes_done(done)
    return digest.hexdigest()
