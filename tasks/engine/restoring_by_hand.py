"""Restoring a kept dump into any database, because a person asks for it: prepared, proved, published, as a run does.

The source is never a place to restore to. What is overwritten is saved first, and must be what the person saw.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from tasks.engine import carry_over, dumping, grants
from tasks.engine.content import Content, is_empty, read_content
from tasks.engine.dumping import identity
from tasks.engine.errors import BackupError, DeadlineExceeded, Held, NotEqual, ServerUnreachable
from tasks.engine.examining import demand_whole
from tasks.engine.guards import untouched
from tasks.engine.manifest import Manifest
from tasks.engine.mark import Mark, TargetState, read_state
from tasks.engine.proof import demand_equal
from tasks.engine.rejecting import put_back_in_place
from tasks.engine.replacing import fence
from tasks.engine.replacing.clearing import demand_locks
from tasks.engine.replacing.interface import Replacement
from tasks.engine.replacing.methods import choose_method
from tasks.engine.replacing.swap import drop_own_databases, put_back
from tasks.engine.restoring import replace as replace_content
from tasks.engine.run import Run
from tasks.engine.servers import are_the_same, examine_target
from tasks.engine.verification import look_at_previous
from tasks.engine.watch import Watch

log = logging.getLogger(__name__)

_SOURCE_PATIENCE_S = 25.0


@dataclass(frozen=True, kw_only=True)
class Prospect:
    """What would be restored over what: shown to the person who decides, and held to afterwards."""

    dump: Path
    manifest: Manifest
    state: TargetState
    content: Content
    properties: dict[str, Any]
    grants: str | None
    notes: tuple[str, ...]
    keys: Sequence[str] = field(default=(), repr=False)

    @property
    def empty(self) -> bool:
        """Nothing would be lost."""
        return is_empty(self.content)

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.content.tables)


@dataclass(frozen=True, kw_only=True)
class RestoredByHand:
    """The dump's content stands in the database, proved."""

    method: str
    seconds: float
    safety_backup: str | None
    notes: tuple[str, ...]


def look_before(run: Run, dump: Path, *, keys: Sequence[str] = ()) -> Prospect:
    """Examine the dump and the database that it would replace; changes nothing.

    BackupError for a damaged dump and for the source; Held for a database that was promoted.
    """
    manifest = demand_whole(dump, run.progress, keys)
    notes = _refuse_the_source(run, manifest)
    with run.target.open(repeatable=True) as connection:
        state = read_state(connection, run.target_name)
        if state is None:
            raise BackupError(f"the database {run.target_name} vanished")
        if state.mark is not None and state.mark.promoted is not None:
            raise Held(
                f"the database {run.target_name} was promoted on {state.mark.promoted}: it is production and is not "
                "overwritten; if it may be: railway-neon-sync adopt, then this command again"
            )
        run.progress.begin("reading what stands there")
        properties = asdict(carry_over.read_properties(connection, run.target_name))
        rights = grants.grants_to_json(grants.read_grants(connection))
        content = read_content(connection, progress=run.progress.tables_done)
    return Prospect(
        dump=dump,
        manifest=manifest,
        state=state,
        content=content,
        properties=properties,
        grants=None if manifest.privileges else rights,
        notes=tuple(notes),
        keys=keys,
    )


def restore_by_hand(run: Run, what: Prospect, *, now: datetime) -> RestoredByHand:
    """Replace the database's content by the dump's, or leave it as it was; the mark says so afterwards.

    A run that finds such a mark is held: a person put that content there, and a person lets it be overwritten.
    """
    began = time.monotonic()
    safety = None if what.empty else dumping.back_up_target(run)
    if safety is not None and not untouched(safety.content, what.content):
        raise Held(f"somebody wrote to {run.target_name} meanwhile; nothing was changed; look again, then repeat this")
    found = examine_target(run.target)
    method, reason = choose_method(run.settings.restore_method, run.target, found)
    run.keep(method=method, method_reason=reason, maintenance=found["maintenance"])
    if method == "in_place":
        with run.target.open() as connection:
            demand_locks(connection, to_make=len(what.manifest.content.objects))
    notes = replace_content(
        run,
        Replacement(
            dump=what.dump,
            manifest=what.manifest,
            expected=what.state,
            overwrites=what.content,
            properties=what.properties,
            grants=what.grants,
            comment=_mark(what, now).as_comment(),
            keys=what.keys,
        ),
    )
    _verify(run, what, safety)
    drop_own_databases(run)
    log.info("restored %s into %s", what.dump.name, run.target.shown, extra={"event": "restored_by_hand"})
    return RestoredByHand(
        method=method,
        seconds=time.monotonic() - began,
        safety_backup=safety.file if safety else None,
        notes=(*what.notes, *notes),
    )


def _mark(what: Prospect, now: datetime) -> Mark:
    manifest, before = what.manifest, what.state.mark
    return Mark(
        run_id=manifest.run_id,
        snapshot_at=manifest.taken_at,
        content_digest=manifest.content_digest,
        source=manifest.identity if manifest.kind == "source" else "unknown",
        restored=now.isoformat(timespec="seconds"),
        read_only=before.read_only if before else None,
    )


def _refuse_the_source(run: Run, manifest: Manifest) -> list[str]:
    """By its address, by a lock that only the same database shows, and when it does not answer by its identity."""
    refusal = BackupError(
        f"{run.target.shown} is the source, DATABASE_URL: it is only ever read; restore into another database"
    )
    if run.settings.source.identity == run.target.url.identity:
        raise refusal
    if "DATABASE_URL" in run.settings.unset:
        if _bears_identity(run, manifest):
            raise refusal
        return ["DATABASE_URL is not set, so the database was told from the source by its identity alone"]
    try:
        with Watch("asking the source", _SOURCE_PATIENCE_S) as watch:
            asked = replace(run, watch=watch)
            if are_the_same(asked.source, asked.target):
                raise refusal
    except (ServerUnreachable, DeadlineExceeded) as error:
        if _bears_identity(run, manifest):
            raise refusal from error
        return [f"the source does not answer, so the database was told from it by its identity: {error}"]
    return []


def _bears_identity(run: Run, manifest: Manifest) -> bool:
    """Whether the database is the one that was dumped as source; raises when it does not answer."""
    with run.target.open() as connection:
        return manifest.kind == "source" and identity(connection) == manifest.identity


def _verify(run: Run, what: Prospect, safety: Manifest | None) -> None:
    """Once more through the database's own address; what is not right has no place there."""
    try:
        look_at_previous(run, what.content, what.grants, what.properties)
        run.progress.begin("verifying")
        with run.target.open(repeatable=True) as connection:
            manifest = what.manifest
            found = read_content(connection, progress=run.progress.tables_done, privileges=manifest.privileges)
            demand_equal(manifest.content, found, connection, what=f"the database {run.target_name}")
    except (NotEqual, Held) as error:
        if not _undone(run, safety, what.state.comment):
            raise
        raise BackupError(f"{error}; the old content has its place again") from error


def _undone(run: Run, safety: Manifest | None, comment: str | None) -> bool:
    """Put the old content back; False where the database was empty before, and method in_place kept nothing of it."""
    with run.target.open(run.facts["maintenance"]) as connection:
        connection.exec_driver_sql(fence.take_lock_statement(run.target_name))
        published = read_state(connection, run.target_name)
    if published is None:
        raise BackupError(f"the database {run.target_name} vanished while it was verified")
    if run.facts["method"] == "swap":
        put_back(run, published)
        copy = replace(run.target, url=run.target.url.with_database(run.incoming_name))
        dumping.keep_rejected(run, copy)  # somebody wrote to it: it was proved before
        drop_own_databases(run)
    elif safety is not None:
        put_back_in_place(run, safety, published, comment)
    else:
        return False
    return True
