"""Ending a run that could not end itself: the rollback looks before it acts, and the truth is on the server.

The same decisions serve the errback right after a failed step and reconcile after a dead worker.
"""

import logging
from dataclasses import dataclass

from tasks.engine.connections import end_sessions
from tasks.engine.content import read_content
from tasks.engine.errors import (
    BackupError,
    DeadlineExceeded,
    FenceBroken,
    Held,
    NotEqual,
    ServerUnreachable,
    StorageFull,
)
from tasks.engine.faultpoints import fault_point
from tasks.engine.finishing import finish
from tasks.engine.guards import NOT_OVERWRITTEN, written_meanwhile
from tasks.engine.manifest import Manifest, read_own
from tasks.engine.mark import TargetState, read_state
from tasks.engine.names import PART_SUFFIX
from tasks.engine.proof import demand_equal
from tasks.engine.rejecting import keep_what_was_replaced, keep_what_was_written, put_back_by_swap, put_back_in_place
from tasks.engine.replacing import fence
from tasks.engine.replacing.swap import drop_own_databases
from tasks.engine.restoring import put_mark_back
from tasks.engine.run import Run
from tasks.engine.service_file import remove_service_files
from tasks.engine.storage import remove_file
from tasks.engine.verification import confirm, previous_state

log = logging.getLogger(__name__)

_SHOWN = 3
_BACK = "to let it be a backup again: railway-neon-sync adopt"


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a run ends: its outcome, and one sentence unless it succeeded."""

    outcome: str
    error: str | None


def settle(run: Run, cause: str, *, held: bool = False) -> Ending:
    """Find out what a failed run left on the server, make it right, and say how the run ends.

    run: taken in the journal by its closer before. Raises ServerUnreachable when the target cannot be asked now, and
    StorageFull when it has no room for that: then nothing is decided, and it is tried again later. Unreachable is not
    unequal.
    """
    record = run.journal.run(run.id)
    remove_leftovers(run)
    if record is None or record.restore_began_at is None:
        _end_sessions_of_dumps(run)
        return Ending(outcome="held" if held else "failed", error=cause)
    state = _look(run)
    if record.verified_at is not None:  # the point of no return: whatever died after it, the copy stands
        return _finish_forward(run, cause)
    source = read_own(run.paths.source_dump, run_id=run.id, known=run.facts["source_dump"])
    safety = read_own(run.paths.safety_dump, run_id=run.id, known=run.facts["safety_dump"])
    if state is not None and state.mark is not None and state.mark.run_id == run.id:
        return _end_published(run, state, source, safety, cause)
    overtaken = state is not None and state.comment != run.facts["expected"]["comment"]
    if not held and not overtaken:
        log.warning("🔄 ROLLING BACK: Restoring from safety backup...", extra={"event": "rolling_back"})
    keep_what_was_written(run, source)  # a rollback that was cut off after it had renamed
    if overtaken:
        return _end_overtaken(run, state, safety, cause)
    return _end_unpublished(run, state, safety, cause, held=held)


def remove_leftovers(run: Run) -> None:
    """Files that a killed process of this run left half made."""
    remove_service_files(run.paths.directory, run_id=run.short_id)
    for part in run.paths.directory.glob(f"*{run.stamp}*{PART_SUFFIX}"):
        remove_file(part)
        log.info("BACKUP_STORAGE removed the unfinished %s", part.name)


def _look(run: Run) -> TargetState | None:
    """The target's identity and mark, when nothing of this run can change them any more.

    First its sessions are ended; then the fence's lock is waited for: a publishing that was under way is over.
    """
    database = run.facts.get("maintenance")
    with run.target.open(database, autocommit=True) as connection:
        end_sessions(connection, run.session_prefix)
    with run.target.open(database) as connection:
        connection.exec_driver_sql(fence.take_lock_statement(run.target_name))
        return read_state(connection, run.target_name)


def _end_sessions_of_dumps(run: Run) -> None:
    """A killed or paused worker's sessions, which hold locks; a server that does not answer ends them itself."""
    for server, kept in ((run.source, "source_dump"), (run.target, "safety_dump")):
        if kept in run.facts or server.role not in run.facts:
            continue
        try:
            with server.open(autocommit=True) as connection:
                end_sessions(connection, run.session_prefix)
        except BackupError as error:
            log.info("the %s's sessions of this run were not looked for: %s", server.role, error)


def _end_published(run: Run, state: TargetState, source: Manifest, safety: Manifest, cause: str) -> Ending:
    """The new content is in place, proved before it was published, and its verification is not finished."""
    if state.mark is not None and state.mark.promoted is not None:
        keep_what_was_replaced(run, safety)
        drop_own_databases(run)
        return Ending(
            outcome="held",
            error=f"the backup database {run.target_name} was promoted on {state.mark.promoted}, while this run "
            f"verified it: it is production now and was left alone; {_BACK}",
        )
    try:
        confirm(run, source, safety, unlogged=False)
    except NotEqual as error:
        log.warning("🔄 ROLLING BACK: Restoring from safety backup...", extra={"event": "rolling_back"})
        return _undo(run, state, source, safety, Ending(outcome="rolled_back", error=str(error)), differs=True)
    except Held as error:
        return _undo(run, state, source, safety, Ending(outcome="held", error=str(error)), differs=False)
    except StorageFull:
        # No room to verify in: renames put the old content back, which was read in full already, and free the room.
        if previous_state(run) is None:
            raise
        log.warning("🔄 ROLLING BACK: Restoring from safety backup...", extra={"event": "rolling_back"})
        return _undo(run, state, source, safety, Ending(outcome="rolled_back", error=cause), differs=False)
    if not run.journal.mark_verified(run.id, closer=run.closer):
        raise FenceBroken("another process ended this run meanwhile")
    return _finish_forward(run, cause)


def _finish_forward(run: Run, cause: str) -> Ending:
    run.warn(f"the run was finished by another process after: {cause}")
    finish(run)
    return Ending(outcome="succeeded", error=None)


def _undo(run: Run, state: TargetState, source: Manifest, safety: Manifest, ending: Ending, *, differs: bool) -> Ending:
    """Put the old content back and prove it; the ending becomes rollback_failed when that cannot be done.

    differs: it is known that the copy is not what was published.
    """
    comment = run.facts["expected"]["comment"]
    fault_point("rollback.begin")
    if run.nothing_replaced:
        return _undo_mark(run, state, safety, ending)
    try:
        if run.facts["method"] == "swap" and previous_state(run) is not None:
            put_back_by_swap(run, source, state, differs=differs)
        else:
            put_back_in_place(run, safety, state, comment)
            drop_own_databases(run)
        fault_point("rollback.restored")
        _demand_old_content(run, safety, ending)
    except (ServerUnreachable, DeadlineExceeded):
        raise
    except FenceBroken:  # since it was looked at people have decided about it, which stands
        found = f"; and this was found before: {ending.error}" if differs else ""
        return _end_overtaken(run, _look(run), safety, str(ending.error), found=found)
    except BackupError as error:
        log.critical("the rollback failed: %s", error, extra={"event": "rollback_failed"})
        return Ending(
            outcome="rollback_failed",
            error=f"{ending.error}; and the rollback failed: {error}; restore {safety.file} by hand with psql",
        )
    _say_preserved(ending)
    return ending


def _undo_mark(run: Run, state: TargetState, safety: Manifest, ending: Ending) -> Ending:
    """Of a run that loaded nothing: what stands there is others' work, and stays; so does what people decided."""
    try:
        put_mark_back(run, state)
    except FenceBroken:
        return _end_overtaken(run, _look(run), safety, str(ending.error))
    fault_point("rollback.restored")
    return ending


def _demand_old_content(run: Run, safety: Manifest, ending: Ending) -> None:
    """The old content, proved. After a write that nobody may lose, it is more than the safety backup holds."""
    if ending.outcome == "held":
        return
    with run.target.open() as connection:
        found = read_content(connection, privileges=safety.privileges)
        demand_equal(safety.content, found, connection, what="the backup database", unlogged=False)


def _end_unpublished(run: Run, state: TargetState | None, safety: Manifest, cause: str, *, held: bool) -> Ending:
    """Nothing was published: the old content stands, as the mark says, and is read to prove it."""
    drop_own_databases(run)
    ending = Ending(outcome="held" if held else "rolled_back", error=cause)
    if state is None:
        return Ending(
            outcome="rollback_failed",
            error=f"{cause}; and the backup database {run.target_name} is not there any more: somebody dropped or "
            f"renamed it; create it and restore {safety.file} with psql",
        )
    if held:
        return ending
    try:
        _demand_old_content(run, safety, ending)
    except NotEqual as error:
        # This run wrote nothing there: somebody else did, after the safety backup. Restoring would destroy that.
        log.warning("the backup database was written to by somebody else meanwhile: %s", error)
        if run.nothing_replaced:
            what = "; ".join(error.differences[:_SHOWN])
            return Ending(outcome="held", error=written_meanwhile(run.target_name, what, told=NOT_OVERWRITTEN))
    _say_preserved(ending)
    return ending


def _end_overtaken(run: Run, state: TargetState | None, safety: Manifest, cause: str, *, found: str = "") -> Ending:
    """Another mark stands there: people decided about the database while this run went on, or somebody published.

    What swap replaced is kept if somebody wrote to it, and dropped. found: told behind what people decided.
    """
    keep_what_was_replaced(run, safety)
    drop_own_databases(run)
    name, mark = f"the backup database {run.target_name}", state.mark if state else None
    if mark is not None and mark.promoted is not None:
        return Ending(
            outcome="held",
            error=f"{name} was promoted on {mark.promoted}, while this run went on: it is production now and was left "
            f"alone; {_BACK}{found}",
        )
    if mark is not None and mark.adopted is not None:
        return Ending(
            outcome="failed",
            error=f"{name} was adopted on {mark.adopted}, while this run went on, which left it alone then; make "
            f"another: railway-neon-sync run{found}",
        )
    return Ending(outcome="failed", error=f"{cause}; somebody else has published to {name}, which was left alone")


def _say_preserved(ending: Ending) -> None:
    if ending.outcome == "rolled_back":
        log.info("✅ Rollback successful - Railway backup database preserved", extra={"event": "rolled_back"})
