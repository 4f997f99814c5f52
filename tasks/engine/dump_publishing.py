"""A dump that was written and has no name yet: examined, held against the content, published with its manifest."""

import hashlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from tasks.engine.background import beside
from tasks.engine.content import Content, content_digest, with_sequences
from tasks.engine.dump_writing import Written
from tasks.engine.dumpfile import DumpFacts, inspect_dump, load_sha256
from tasks.engine.dumpfile_rules import harmless
from tasks.engine.errors import DumpRefused
from tasks.engine.growing import Examination
from tasks.engine.manifest import Manifest, write_manifest
from tasks.engine.names import DumpKind, form_of, manifest_path
from tasks.engine.run import Run
from tasks.engine.storage import publish_part, remove_file, sync_file, told_when_full

log = logging.getLogger(__name__)


def keys_of(run: Run) -> list[str]:
    """The run's own key, while it has one."""
    with suppress(FileNotFoundError):
        return [run.paths.key.read_text()]
    return []


def publish(
    run: Run,
    *,
    kind: DumpKind,
    part: Path,
    final: Path,
    content: Content,
    written: Written,
    facts: DumpFacts | None,
    described: Mapping[str, Any],
) -> Manifest:
    """Hold the file against the content, give it its name, and write the manifest. facts: of the file, if known."""
    with removed_unless_published(part):
        facts = facts or examine(run, part, written.examination)
        account_for_rows(facts, content)
        content = with_sequences(content, {name: (v.last_value, v.is_called) for name, v in facts.sequences.items()})
        manifest = Manifest(
            kind=kind,
            run_id=run.id,
            stamp=run.stamp,
            file=final.name,
            size_bytes=facts.size_bytes,
            sha256=facts.sha256,
            load_sha256=load_sha256(facts.load_parts),
            load_parts=facts.load_parts,
            large_blocks=facts.large_blocks,
            content=content,
            content_digest=content_digest(content),
            **_stored(part),
            **{**described, "client_version": written.client_version, "rows_at": written.rows_at},
        )
        run.watch.check()
        publish_part(part, final)
        write_manifest(manifest, manifest_path(final))
    log.info("BACKUP_STORAGE made %s (%.2f MB)", final.name, facts.size_bytes / 2**20, extra={"event": "file_made"})
    return manifest


def _stored(part: Path) -> dict[str, Any]:
    """Size and hash of a packed file: they can be checked without its key."""
    if form_of(part.name).plain:
        return {}
    with part.open("rb") as file:
        return {"stored_bytes": part.stat().st_size, "stored_sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def account_for_rows(facts: DumpFacts, content: Content) -> None:
    """DumpRefused unless the COPY blocks hold exactly the rows that were counted under the same snapshot."""
    for table in content.tables:
        dumped = facts.rows.get((table.schema, table.name), 0)
        if dumped != table.rows:
            raise DumpRefused(
                f"the dump holds {dumped} rows of {table.schema}.{table.name}, the database had {table.rows}; "
                "it is incomplete and was not kept"
            )
    known = {(table.schema, table.name) for table in content.tables}
    if strange := sorted(facts.rows.keys() - known):
        raise DumpRefused(
            f"the dump holds rows of {harmless('.'.join(strange[0]), limit=130)}, which the database did not have; it "
            "is another database's and was not kept"
        )


def examine(run: Run, part: Path, begun: Examination | None = None) -> DumpFacts:
    """What one pass over the file finds, while the disk takes it; DumpRefused when it is no complete dump.

    begun: while the file was written; the rest is waited for.
    """
    before = begun.done if begun else 0
    size = part.stat().st_size
    run.progress.begin("examining the dump", of_bytes=size - before if form_of(part.name).plain else 0)
    with told_when_full(part), beside(partial(sync_file, part), name="to the disk") as synced:
        if begun:
            begun.tell(lambda done: run.progress.bytes_done(done - before))
            facts = begun.facts.result()
        else:
            facts = inspect_dump(part, keys=keys_of(run), progress=run.progress.bytes_done)
        synced.result()  # a disk tells of what it could not write once
        return facts


@contextmanager
def removed_unless_published(part: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        if part.exists():
            remove_file(part)
        raise
