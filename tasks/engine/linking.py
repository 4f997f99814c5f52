"""The safety backup that need not be made: the last copy's dump, where the target provably holds just that still.

It is the same file under a second name. What the target holds is read under one snapshot all the same.
"""

import logging
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import Any

from tasks.engine.content import Content, compare_content, content_digest, read_content
from tasks.engine.content.session import catch_up
from tasks.engine.errors import DumpRefused, StorageFull
from tasks.engine.faultpoints import fault_point
from tasks.engine.full_runs import why_full
from tasks.engine.grants import grants_from_json
from tasks.engine.loading import demand_unchanged
from tasks.engine.manifest import Manifest, write_manifest
from tasks.engine.mark import Mark
from tasks.engine.names import form_of, manifest_path, part_path
from tasks.engine.proved_dump import proved_dump
from tasks.engine.run import Run
from tasks.engine.snapshot import SOON_BYTES, Snapshot
from tasks.engine.storage import has_no_links, is_regular, publish_part, remove_file, told_when_full

log = logging.getLogger(__name__)

_PARTS = attrgetter("tables", "sequences", "objects", "large_objects")
_PUBLIC = ("schema", ("public",))


def link_last_dump(
    run: Run, snapshot: Snapshot, described: Mapping[str, Any], *, before_probing: Callable[[], None] = lambda: None
) -> Manifest | None:
    """`backup_safety_<stamp>.sql` as a second name of the last copy's dump, with its manifest; None: make a real one.

    snapshot: of the target, under which it can be dumped afterwards. described: what its manifest says beside content.
    before_probing: called before the target's server is asked by objects that are made and undone.
    """
    last = _last_dump(run, snapshot.before.mark)
    if last is None:
        return None
    run.progress.begin("reading what stands there")
    why = None if last.privileges else _rights_beyond_the_dump(described)
    if why is None:
        content = read_content(snapshot.connection, progress=run.progress.tables_done, privileges=last.privileges)
        if snapshot.size_bytes > SOON_BYTES:
            catch_up(snapshot.connection)  # with its locks on indexes: the last dump is read for a while
        why = _difference(run, last, content, before_probing)
    if why is not None:
        log.info("the last dump is no safety backup: %s", why, extra={"event": "not_linked"})
        return None
    return _linked(run, last, content, described)


def _last_dump(run: Run, mark: Mark | None) -> Manifest | None:
    """The dump of the copy that the target's mark names, as its manifest tells; whether it is whole is seen later."""
    if mark is None or mark.adopted or mark.promoted or mark.restored or why_full(run):
        return None
    dump = proved_dump(run, mark.run_id)
    if dump is None or form_of(dump.file.name) != run.paths.safety_form:  # also: encrypted, to a key of somebody's
        return None
    if not is_regular(dump.file):
        return None
    try:
        manifest = dump.manifest()
    except DumpRefused:
        return None
    return manifest if (manifest.kind, manifest.content_digest) == ("source", mark.content_digest) else None


def _rights_beyond_the_dump(described: Mapping[str, Any]) -> str | None:
    """Whether a dump without owners and privileges would lose any of the target's: all it makes is ours alone."""
    usual = ("CREATE", "USAGE") if int(described["server_version"].partition(".")[0]) < 15 else ("USAGE",)
    for each in grants_from_json(described["grants"]).objects:
        if each.identity == _PUBLIC:
            given = {(right.grantee, right.privilege, right.grantable) for right in each.added}
            if given == {("public", privilege, False) for privilege in usual} and not each.removed:
                continue
        return f"the target has owners or privileges that it lacks, of the {each.kind} {'.'.join(each.name)} for one"
    return None


def _difference(run: Run, last: Manifest, content: Content, before_probing: Callable[[], None]) -> str | None:
    order = (content.notes or {}).get("column order")
    if order is None or order != (last.content.notes or {}).get("column order"):
        return "the columns of a table come in another order"
    if _PARTS(content) == _PARTS(last.content):  # to the letter: nobody need be asked
        return None
    before_probing()
    with run.target.open() as connection:
        differences = compare_content(last.content, content, connection)
    return f"the target holds something else: {differences[0]}" if differences else None


def _linked(run: Run, last: Manifest, content: Content, described: Mapping[str, Any]) -> Manifest | None:
    source, final = run.paths.directory / last.file, run.paths.safety_dump
    part = part_path(final)
    try:
        _second_name(source, part)
        run.progress.begin("reading the last dump again")
        demand_unchanged(part, sha256=last.sha256)  # under its new name: nobody exchanges it any more
        manifest = replace(
            last,
            kind="safety",
            run_id=run.id,
            stamp=run.stamp,
            file=final.name,
            content=content,
            content_digest=content_digest(content),
            same_as=last.file,
            **described,
        )
        run.watch.check()
        publish_part(part, final)
        run.keep(dump_ways={**run.facts.get("dump_ways", {}), final.name: f"the same file as {last.file}"})
        fault_point("safety.linked")
        write_manifest(manifest, manifest_path(final))
    except StorageFull:
        raise
    except (DumpRefused, OSError) as error:
        log.warning("the last dump is no safety backup: %s", error, extra={"event": "not_linked"})
        return None
    finally:
        if part.exists():
            remove_file(part)
    log.info("BACKUP_STORAGE made %s (no new file: it is %s)", final.name, last.file, extra={"event": "file_linked"})
    return manifest


def _second_name(source: Path, name: Path) -> None:
    """A hard link; a copy where the disk knows none."""
    try:
        os.link(source, name, follow_symlinks=False)
    except OSError as error:
        if not has_no_links(error):
            raise
        with told_when_full(name):
            shutil.copyfile(source, name)
            name.chmod(0o600)
