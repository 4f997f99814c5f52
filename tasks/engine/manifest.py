"""The manifest: what a dump holds, as a JSON file beside it. Made under the dump's own snapshot."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tasks.engine.content import Content, content_from_json, from_json, to_json
from tasks.engine.errors import DumpRefused
from tasks.engine.names import manifest_path
from tasks.engine.storage import atomic_write, read_regular

FORMAT = 1
_WITHOUT = (
    "without it the dump can only be restored with psql (docs/recovery-without-the-tool.md); the other dumps: "
    "railway-neon-sync list --dumps"
)


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """One dump, described: enough to prove a database equal to it, and to put it back."""

    kind: Literal["source", "safety"]
    run_id: str
    stamp: str
    taken_at: str  # ISO 8601, the server's clock at the snapshot
    database: str
    identity: str  # what server and database this is, without secrets
    server_version: str
    client_version: str
    wal_position: str | None  # just before the snapshot; null where the role may not read it
    file: str
    size_bytes: int  # of the SQL; sha256 too
    sha256: str
    content_digest: str
    content: Content
    privileges: bool  # owners and grants are part of dump and content
    properties: Mapping[str, Any]  # encoding, locale, settings of the database
    grants: str | None  # of the target's objects, as grants.py writes them; null for the source
    stored_bytes: int | None = None  # of the file, where that is packed; its sha256 too
    stored_sha256: str | None = None
    load_sha256: str | None = None  # of all that a load sends; null in manifests of before
    load_parts: Mapping[str, str] | None = None  # the same in parts: see DumpFacts
    large_blocks: Mapping[str, tuple[int, int]] | None = None  # see DumpFacts; null in manifests of before
    rows_at: tuple[int, int] | None = (
        None  # where they begin and end in the SQL, in bytes; null where pg_dump wrote all
    )
    catalogs: str | None = None  # of the source: a hash of all that its schema is made of; null where unknown
    same_as: str | None = None  # of a safety backup: the dump of the last copy, whose second name this file is


def write_manifest(manifest: Manifest, path: Path) -> None:
    """Beside its dump, mode 0600, atomically."""
    document = {"format": FORMAT, **{name: getattr(manifest, name) for name in Manifest.__dataclass_fields__}}
    text = bytearray()
    for piece in to_json(document):
        text += piece.encode()
    atomic_write(path, text)


def read_manifest(path: Path) -> Manifest:
    """Read it back; DumpRefused when it is missing or no manifest of ours."""
    try:
        text = str(read_regular(path), "utf-8")  # its bytes are gone when it is parsed
    except OSError as error:
        raise DumpRefused(f"the manifest {path} cannot be read ({error.strerror}); {_WITHOUT}") from error
    except UnicodeDecodeError as error:
        raise _damaged(path) from error
    return parse_manifest(text, path)


def parse_manifest(text: str | bytes, path: Path) -> Manifest:
    """The same of what stands in the file; path: to tell of it."""
    try:
        document = from_json(text)
        if document.pop("format") != FORMAT:
            raise DumpRefused(f"the manifest {path.name} has a format that this program does not know")
        rows_at, blocks = (document.pop(name, None) for name in ("rows_at", "large_blocks"))
        return Manifest(
            **{**document, "content": content_from_json(document["content"])},
            rows_at=_place(rows_at) if rows_at is not None else None,
            large_blocks={name: _place(at) for name, at in blocks.items()} if blocks is not None else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> DumpRefused:
    return DumpRefused(f"the manifest {path} is damaged; {_WITHOUT}")


def _place(found: Any) -> tuple[int, int]:
    """Where something begins and ends in the SQL."""
    begin, end = found
    if not (type(begin) is type(end) is int and 0 <= begin <= end):
        raise ValueError("this is no place in a file")
    return begin, end


def read_own(dump: Path, *, run_id: str, known: Mapping[str, Any]) -> Manifest:
    """The manifest beside a dump of a run; DumpRefused unless it is the one that the run wrote.

    known: its summary, as the journal remembers it. A file and a manifest that were exchanged together fit each other.
    """
    manifest = read_manifest(manifest_path(dump))
    if manifest.run_id != run_id or summary(manifest) != known:
        raise DumpRefused(
            f"the manifest of {dump.name} is not the one that this run wrote: dump or manifest were exchanged; they "
            "must not be loaded, run again"
        )
    return manifest


def summary(manifest: Manifest) -> dict[str, Any]:
    """What a report says of a dump."""
    names = ("file", "size_bytes", "stored_bytes", "sha256", "load_sha256", "taken_at", "content_digest", "same_as")
    tables = manifest.content.tables  # row by row they stand in the manifest
    counts = {"tables": len(tables), "rows": sum(table.rows for table in tables)}
    return {**{name: getattr(manifest, name) for name in names}, **counts}
