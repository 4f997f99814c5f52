"""What changed from one run to the next: rows per table, objects of the schema."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tasks.engine.content import Content, SchemaObject
from tasks.engine.errors import DumpRefused
from tasks.engine.history import PastRun
from tasks.engine.manifest import Manifest, read_manifest
from tasks.engine.names import dump_path, manifest_path

Key = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class RowsChange:
    """One table whose rows are others now; None: the table is not there, or was not counted."""

    table: str
    before: int | None
    after: int | None

    @property
    def difference(self) -> int | None:
        """Rows more, or less; 0 where only their content is another. None where one side is not known."""
        return None if self.before is None or self.after is None else self.after - self.before


@dataclass(frozen=True, kw_only=True)
class SchemaChange:
    """One object of the schema that came, went, or is defined in another way."""

    what: Literal["added", "removed", "changed"]
    kind: str
    identity: str


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Since another run. schema: None where only the statistics of both runs are known."""

    since_run: str
    rows: tuple[RowsChange, ...]
    schema: tuple[SchemaChange, ...] | None


def since_run_before(run: PastRun, runs: Sequence[PastRun], directory: Path) -> Changes | None:
    """Since the newest run before it that counted the source; None when there is none, or when this one did not.

    From both manifests, or from the statistics of both reports where a manifest has expired.
    """
    before = next((each for each in runs if each.started_at < run.started_at and _counted(each)), None)
    if before is None or not _counted(run):
        return None
    old, new = _manifest(before, directory), _manifest(run, directory)
    if old is None or new is None:
        return changed_statistics(before.source_stats, run.source_stats, since_run=before.run_id)
    return changes(old.content, new.content, since_run=before.run_id)


def _counted(run: PastRun) -> bool:
    return run.dump_bytes is not None


def _manifest(run: PastRun, directory: Path) -> Manifest | None:
    try:
        return read_manifest(manifest_path(dump_path(directory, "source", run.stamp)))
    except DumpRefused:
        return None


def changes(before: Content, after: Content, *, since_run: str) -> Changes:
    """From the contents of two manifests; tables and objects that are the same are left out."""
    return Changes(since_run=since_run, rows=_rows(before, after), schema=_schema(before, after))


def changed_statistics(before: Mapping[str, int | None], after: Mapping[str, int | None], *, since_run: str) -> Changes:
    """From the statistics of two reports: all that is left when a manifest has expired."""
    names = list(dict.fromkeys([*after, *before]))
    rows = [RowsChange(table=name, before=before.get(name), after=after.get(name)) for name in names]
    return Changes(since_run=since_run, rows=tuple(row for row in rows if row.before != row.after), schema=None)


def _rows(before: Content, after: Content) -> tuple[RowsChange, ...]:
    old = {(table.schema, table.name): table for table in before.tables}
    new = {(table.schema, table.name): table for table in after.tables}
    found = []
    for key in sorted({*old, *new}):
        was, now = old.get(key), new.get(key)
        if was is None or now is None or (was.rows, was.fingerprint) != (now.rows, now.fingerprint):
            name = key[1] if key[0] == "public" else ".".join(key)
            found.append(
                RowsChange(
                    table=name, before=None if was is None else was.rows, after=None if now is None else now.rows
                )
            )
    return tuple(found)


def _schema(before: Content, after: Content) -> tuple[SchemaChange, ...]:
    # Another server version spells the same definition in another way: then only what is canonical is compared.
    spelt_alike = before.server_version == after.server_version
    old = {(entry.kind, entry.identity): entry for entry in before.objects}
    new = {(entry.kind, entry.identity): entry for entry in after.objects}
    found = []
    for kind, identity in sorted({*old, *new}):
        what = _what(old.get((kind, identity)), new.get((kind, identity)), spelt_alike=spelt_alike)
        if what is not None:
            found.append(SchemaChange(what=what, kind=kind, identity=identity))
    return tuple(found)


def _what(
    was: SchemaObject | None, now: SchemaObject | None, *, spelt_alike: bool
) -> Literal["added", "removed", "changed"] | None:
    if was is None:
        return "added"
    if now is None:
        return "removed"
    comparable = spelt_alike or (was.canonical and now.canonical)
    return "changed" if comparable and was.definition != now.definition else None
