"""What stood in a published copy's place when it was rolled back: somebody wrote it, so it is kept as a file."""

import itertools
import logging
from dataclasses import replace

from tasks.engine.connections import Server
from tasks.engine.content import Content, read_content
from tasks.engine.dumping import keep_rejected
from tasks.engine.errors import BackupError, Held
from tasks.engine.faultpoints import fault_point
from tasks.engine.guards import unchanged, untouched
from tasks.engine.manifest import Manifest
from tasks.engine.mark import TargetState, read_state
from tasks.engine.replacing.swap import drop_own_databases, put_back
from tasks.engine.restoring import put_safety_backup_back
from tasks.engine.run import Run
from tasks.engine.watch import Watch

log = logging.getLogger(__name__)

_TRIES = 3
_IS_HALF_DROPPED = "SELECT datconnlimit = -2 FROM pg_database WHERE datname = %(name)s"  # DROP DATABASE was cut off


def put_back_by_swap(run: Run, source: Manifest, published: TargetState, *, differs: bool) -> None:
    """The previous database takes its name again; the copy, which nobody reaches any more, is looked at, then dropped.

    In this order nothing is lost that is written until the very instant of the renames. differs: it is known already
    that the copy is not what was published.
    """
    put_back(run, published)
    keep_what_was_written(run, source, differs=differs)
    drop_own_databases(run)


def keep_what_was_written(run: Run, source: Manifest, *, differs: bool = False) -> None:
    """If the copy was published and is not what was published any more: into a file. Nothing without such a copy."""
    if run.facts["method"] != "swap":
        return
    state = _state_beside(run, run.incoming_name)
    if state is None or state.mark is None or state.mark.run_id != run.id:
        return  # the mark is set when a copy is published, and follows its database through the renames
    copy = _beside(run, run.incoming_name)
    if differs or not unchanged(_read(copy), source.content):
        _keep(run, copy)


def keep_what_was_replaced(run: Run, safety: Manifest) -> None:
    """Where swap replaced the old content and nobody will put it back: into a file, if it is not the safety backup's.

    Not best effort: it raises, and the run is ended later, since what was written at the last moment is only there.
    """
    if run.facts["method"] != "swap" or _state_beside(run, run.previous_name) is None:
        return
    previous = _beside(run, run.previous_name)
    if untouched(_read(previous), safety.content):
        return
    kept = keep_rejected(run, previous)
    run.warn(
        f"somebody wrote to the backup database after its safety backup and before it was replaced: all that it held "
        f"is kept as {kept.file}, and no retention deletes that file"
    )


def _state_beside(run: Run, name: str) -> TargetState | None:
    """None also for one that somebody began to drop: it was looked at before, and nobody can connect to it any more."""
    with run.target.open(run.facts["maintenance"], autocommit=True) as connection:
        half_dropped = connection.exec_driver_sql(_IS_HALF_DROPPED, {"name": name}).scalar_one_or_none()
        return None if half_dropped else read_state(connection, name)


def _beside(run: Run, name: str) -> Server:
    return replace(run.target, url=run.target.url.with_database(name))


def put_back_in_place(run: Run, safety: Manifest, published: TargetState, comment: str | None) -> None:
    """Keep what stands there, and put the safety backup in its place, provided that nobody wrote in between."""
    for attempt in itertools.count(1):
        kept = _keep(run, run.target)
        fault_point("rejected.kept")
        try:
            put_safety_backup_back(run, safety, published, comment, overwrites=kept)
        except Held:
            if attempt == _TRIES:
                raise
        else:
            return


def _read(server: Server) -> Content:
    with server.open(repeatable=True) as connection:
        return read_content(connection)


def _keep(run: Run, server: Server) -> Content | None:
    """Best effort, with a deadline of its own: a full disk must not prevent a rollback."""
    try:
        with Watch("keeping what is rolled back", run.settings.safety_timeout_s) as watch:
            manifest = keep_rejected(replace(run, watch=watch), replace(server, watch=watch))
    except BackupError as error:
        run.warn(f"what stood in the copy's place was not kept: {error}")
        return None
    run.warn(
        f"the copy was proved before it was published, so somebody wrote to it; it is kept as {manifest.file}, and no "
        "retention deletes that file"
    )
    return manifest.content
