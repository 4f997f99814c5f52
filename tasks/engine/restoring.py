"""Step 5: the dump replaces what the target holds: prepared, proved, published."""

import logging
from dataclasses import dataclass

from tasks.engine.content import Content
from tasks.engine.dumping import keys_of
from tasks.engine.errors import RunLost
from tasks.engine.loading import demand_unchanged
from tasks.engine.manifest import Manifest
from tasks.engine.mark import Mark, TargetState, parse_mark
from tasks.engine.replacing.interface import Replacement
from tasks.engine.replacing.methods import replacement_of
from tasks.engine.replacing.renewing import renew_mark
from tasks.engine.run import UNCHANGED, Run
from tasks.engine.unchanged import judge

log = logging.getLogger(__name__)

NOTHING_CHANGED = "nothing changed, so nothing was loaded: proved equal as it stands, and its mark renewed"


@dataclass(frozen=True, kw_only=True)
class Restored:
    """The new content stands in the old one's place, or stood there already; proved before it was published."""

    way: str
    notes: tuple[str, ...]

    def summary(self) -> str:
        if self.way == UNCHANGED:
            return NOTHING_CHANGED
        return f"loaded, proved equal and published by {self.way}"


def restore_target(run: Run, source: Manifest, safety: Manifest, expected: TargetState) -> Restored:
    """Replace the target's content by the source dump, or leave everything as it was."""
    run.progress.begin("reading the dump again")
    demand_unchanged(run.paths.source_dump, sha256=source.sha256, keys=keys_of(run))
    run.progress.begin("looking for what changed")
    judged = judge(run, source, safety, expected)
    # Before anything is begun: whoever ends this run must know that nothing was loaded.
    run.keep(way=run.facts["method"] if judged.why else UNCHANGED, way_reason=judged.why or _since(expected))
    if not run.journal.begin_restore(run.id):
        raise RunLost("another process has ended this run meanwhile; this one stops")
    wanted, was = run.settings.copy_read_only, bool(expected.mark and expected.mark.read_only)
    mark = Mark(
        run_id=run.id,
        snapshot_at=source.taken_at,
        content_digest=source.content_digest,
        source=source.identity,
        read_only=wanted or None,
    )
    read_only = wanted if wanted or was else None  # what somebody else set is not touched
    if run.nothing_loaded:
        run.progress.begin("publishing")
        renew_mark(run, expected, mark.as_comment(), read_only=read_only)
        log.info("✅ Railway backup database restored successfully: %s", NOTHING_CHANGED, extra={"event": "restored"})
        return Restored(way=UNCHANGED, notes=judged.notes)
    notes = replace(
        run,
        Replacement(
            dump=run.paths.source_dump,
            manifest=source,
            expected=expected,
            overwrites=safety.content,
            properties=safety.properties,
            grants=None if run.settings.keep_owners else safety.grants,
            comment=mark.as_comment(),
            keys=keys_of(run),
            read_only=read_only,
        ),
    )
    log.info("✅ Railway backup database restored successfully", extra={"event": "restored"})
    return Restored(way=run.facts["method"], notes=tuple(notes))


def put_mark_back(run: Run, published: TargetState) -> None:
    """Undo what a run did that loaded nothing: the mark, and whether ordinary writes are refused."""
    comment = run.facts["expected"]["comment"]
    renew_mark(run, published, comment, read_only=_undone(comment, published))


def put_safety_backup_back(
    run: Run, safety: Manifest, current: TargetState, comment: str | None, *, overwrites: Content | None
) -> None:
    """The second line: the safety backup itself is prepared, proved and published.

    overwrites: what may be lost by it; Held when in_place finds something else. None: not asked.
    """
    demand_unchanged(run.paths.safety_dump, sha256=safety.sha256)
    what = Replacement(
        dump=run.paths.safety_dump,
        manifest=safety,
        expected=current,
        overwrites=overwrites,
        properties=safety.properties,
        grants=None if safety.privileges else safety.grants,  # most safety dumps carry owners and privileges themselves
        comment=comment,
        read_only=_undone(comment, current),
    )
    replace(run, what)


def _undone(comment: str | None, published: TargetState) -> bool | None:
    """Replacement.read_only for the mark that was there before: what the run made of it, undone."""
    was, made = (bool(mark and mark.read_only) for mark in (parse_mark(comment), published.mark))
    return was if was != made else None


def _since(expected: TargetState) -> str:
    return f"nothing changed since the copy of {expected.mark.snapshot_at}" if expected.mark else "nothing changed"


def replace(run: Run, what: Replacement) -> list[str]:
    """Prepare, prove, publish; returns notes for the report."""
    with replacement_of(run, what) as new:
        run.progress.begin("preparing")
        new.prepare()
        run.progress.begin("proving the copy")
        new.prove()
        run.progress.begin("publishing")
        new.publish()
        return new.notes
