"""Step 5: the dump replaces what the target holds: prepared, proved, published."""

import logging
from contextlib import nullcontext
from dataclasses import dataclass

from tasks.engine.changed_tables import Changed
from tasks.engine.content import Content
from tasks.engine.dump_publishing import keys_of
from tasks.engine.errors import LoadFailed, NotEqual, Refused, RunLost
from tasks.engine.kept_schema import distrust
from tasks.engine.loading import demand_unchanged
from tasks.engine.manifest import Manifest
from tasks.engine.mark import Mark, TargetState, parse_mark
from tasks.engine.replacing.in_place import Ahead, sessions_ahead
from tasks.engine.replacing.interface import Replacement, Replacing
from tasks.engine.replacing.methods import replacement_of
from tasks.engine.replacing.renewing import fence_opened_ahead, renew_mark
from tasks.engine.run import CHANGED_TABLES, UNCHANGED, Run
from tasks.engine.unchanged import Judged, judge

log = logging.getLogger(__name__)

_RESTORED = {"event": "restored"}
NOTHING_CHANGED = "nothing changed, so nothing was loaded: proved equal as it stands, and its mark renewed"


@dataclass(frozen=True, kw_only=True)
class Restored:
    """The new content stands in the old one's place, or stood there already; proved before it was published."""

    way: str
    notes: tuple[str, ...]
    changed: Changed | None = None

    def summary(self) -> str:
        if self.way == UNCHANGED:
            return NOTHING_CHANGED
        if self.way == CHANGED_TABLES:
            return f"only what differs was written ({self.changed}), proved equal and published"
        return f"loaded, proved equal and published by {self.way}"


def restore_target(run: Run, source: Manifest, safety: Manifest, expected: TargetState) -> Restored:
    """Replace the target's content by the source dump, or leave everything as it was."""
    comment, read_only = _published(run, source, expected)
    likely_unchanged = source.content_digest == safety.content_digest
    likely_changed = not likely_unchanged and run.settings.changed_tables_only and expected.mark is not None
    with (
        fence_opened_ahead(run) if likely_unchanged else nullcontext() as opened,
        sessions_ahead(run) if likely_changed else nullcontext() as ahead,
    ):
        run.progress.begin("reading the dump again")
        demand_unchanged(run.paths.source_dump, sha256=source.sha256, keys=keys_of(run), check=run.watch.check)
        run.progress.begin("looking for what changed")
        judged = _judged(run, source, safety, expected)
        if judged.why is None:
            _remember_proof(run, source, safety.content, comment)
            run.progress.begin("publishing")
            renew_mark(run, expected, comment, read_only=read_only, opened=opened)
            log.info("✅ Railway backup database restored successfully: %s", NOTHING_CHANGED, extra=_RESTORED)
            return Restored(way=UNCHANGED, notes=judged.notes)
        what = Replacement(
            dump=run.paths.source_dump,
            manifest=source,
            expected=expected,
            overwrites=safety.content,
            properties=safety.properties,
            grants=None if run.settings.keep_owners else safety.grants,
            comment=comment,
            keys=keys_of(run),
            read_only=read_only,
        )
        notes = _write_changes(run, what, judged, ahead) if judged.changed is not None else None
    if notes is None:
        try:
            notes = replace(run, what)
        except (LoadFailed, NotEqual):
            distrust(run)
            raise
    log.info("✅ Railway backup database restored successfully", extra=_RESTORED)
    return Restored(way=run.facts["way"], notes=tuple(notes), changed=judged.changed)


def _published(run: Run, source: Manifest, expected: TargetState) -> tuple[str, bool | None]:
    """The comment and Replacement.read_only of what this run brings."""
    wanted, was = run.settings.copy_read_only, bool(expected.mark and expected.mark.read_only)
    mark = Mark(
        run_id=run.id,
        snapshot_at=source.taken_at,
        content_digest=source.content_digest,
        source=source.identity,
        read_only=wanted or None,
    )
    return mark.as_comment(), wanted if wanted or was else None  # what somebody else set is not touched


def _judged(run: Run, source: Manifest, safety: Manifest, expected: TargetState) -> Judged:
    """Before anything is begun: whoever ends this run must know when nothing was loaded."""
    judged = judge(run, source, safety, expected)
    run.keep(way=_way(run, judged), way_reason=judged.why or _since(expected))
    if not run.journal.begin_restore(run.id):
        raise RunLost("another process has ended this run meanwhile; this one stops")
    return judged


def _write_changes(run: Run, what: Replacement, judged: Judged, ahead: Ahead | None) -> list[str] | None:
    """Notes for the report; None where it could not be done, for whatever reason that all anew need not have."""
    publishing = False
    try:
        with replacement_of(run, what, judged.changed, ahead) as new:
            _prepare_and_prove(run, new)
            publishing = True
            new.publish()
        return [*judged.notes, *new.notes]
    except (LoadFailed, NotEqual, Refused) as error:
        if publishing:
            raise
        log.warning("all is loaded: what differs could not be written: %s", error, extra={"event": "all_is_loaded"})
        run.keep(way=run.facts["method"], way_reason=f"{judged.why}; what differs could not be written: {error}")
        return None


def _way(run: Run, judged: Judged) -> str:
    if judged.why is None:
        return UNCHANGED
    return CHANGED_TABLES if judged.changed is not None else str(run.facts["method"])


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
    demand_unchanged(run.paths.safety_dump, sha256=safety.sha256, check=run.watch.check)
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
        _prepare_and_prove(run, new)
        new.publish()
        return new.notes


def _prepare_and_prove(run: Run, new: Replacing) -> None:
    run.progress.begin("preparing")
    new.prepare()
    run.progress.begin("proving the copy")
    found = new.prove()
    _remember_proof(run, new.what.manifest, found, new.what.comment)
    run.progress.begin("publishing")


def _remember_proof(run: Run, manifest: Manifest, found: Content, comment: str | None) -> None:
    """For the verification: nobody may have written since."""
    run.keep(proved={"digest": manifest.content_digest, "snapshot": found.snapshot, "comment": comment})
