"""A run from its message to its report: the entry task, the order of the steps, and reconcile."""

import logging
import time
import uuid
from contextlib import suppress
from typing import Any

from celery import Task, chain, shared_task
from celery.canvas import Signature
from celery.exceptions import Ignore

from config.logs import log_context
from config.schedule import MANUAL
from tasks import framing, messages
from tasks.engine import beginning, finishing
from tasks.engine.closing import close_run, forget_half_written, look_and_deliver, tell_again
from tasks.engine.errors import BackupError
from tasks.engine.faultpoints import fault_point
from tasks.engine.metrics import write_metrics_or_tell
from tasks.engine.recovery import Ending
from tasks.engine.telling.pings import ping_start
from tasks.failures import BackupFailed
from tasks.means import Means, current_means, using
from tasks.results import is_stored, raise_or_return
from tasks.steps import (
    back_up_target,
    check_guards,
    dump_source,
    finish,
    restore_target,
    rollback,
    verify_connections,
    verify_target,
)

log = logging.getLogger(__name__)

# A run, from top to bottom.
ORDER = (
    verify_connections,
    dump_source,
    back_up_target,
    check_guards,
    restore_target,
    verify_target,
    finish,
)
_PATIENCE_S = 120  # so long `run --here` waits for a target that cannot be reached
_PAUSE_S = 2.0
_LOOK_BACK = 5  # so many ended runs are looked up in the result backend by each reconcile


@shared_task(name="tasks.run_backup", bind=True, throws=(BackupFailed,))
def run_backup(
    self: Task, job: str | None = None, accept_shrink: str | None = None, pair: str | None = None
) -> dict[str, Any]:
    """Make one backup. The run's id is this task's; its result is the report, once the run has ended.

    job: one of the two jobs of the timetable; none: by hand, at any time.
    accept_shrink: the id of a held run whose loss of rows is right.
    pair: of the databases that the sender means (Settings.pair); a worker of another pair refuses.
    """
    means, run_id = current_means(), self.request.id
    messages.demand_texts(job=job, accept_shrink=accept_shrink, pair=pair)
    messages.demand_pair(pair, means.settings.pair)
    report = start(means, run_id, job=job, accept_shrink=accept_shrink)
    if report is not None:
        return raise_or_return(report)
    try:
        _run_of(run_id, self).apply_async()
    except Exception as error:
        log.exception("the run's steps could not be sent")
        framing.end_failed_run(means, run_id, f"entry-{run_id}")
        raise BackupFailed(f"the run's steps could not be sent: {error}") from error
    fault_point("entry.sent")
    raise Ignore  # the result stays open until the run has really ended


@shared_task(name="tasks.reconcile", bind=True, throws=(BackupFailed,))
def reconcile(self: Task) -> list[str]:
    """End what died, record what was missed, tell what was not told. Never touches the source without need."""
    means = current_means()
    done = reconcile_all(means, closer=self.request.id or f"reconcile-{uuid.uuid4()}")
    _store_again(means)
    return done


@shared_task(name="tasks.copy_offsite", throws=(BackupFailed,))
def copy_offsite() -> str:
    """Bring the off-site copy up to date: what a run could not send, and its report. Beat asks for it now and then."""
    means = current_means()
    return finishing.copy_offsite(means.settings, means.journal).summary()


def start(
    means: Means, run_id: str, *, job: str | None = None, accept_shrink: str | None = None, here: bool = False
) -> dict[str, Any] | None:
    """Begin a run: None when its steps may follow, else the report of a run that ended here.

    Raises Ignore for a message that was handled before.
    """
    with log_context(run_id):
        _end_the_dead(means, f"entry-{run_id}")
        try:
            begun = beginning.begin(
                run_id,
                job_id=job or MANUAL,
                options={
                    "accept_shrink": accept_shrink,
                    "here": here,
                    "order": [framing.name_of(step) for step in ORDER],
                },
                settings=means.settings,
                journal=means.journal,
                lease=means.lease,
                now=framing.now(),
            )
        except BackupError as error:
            report = _close(means, run_id, Ending(outcome="failed", error=str(error)))
            if report is None:  # it did not even come to stand in the journal
                raise BackupFailed(str(error)) from error
            return report
        with suppress(BackupError):  # reconcile does it too
            _catch_up(means)  # now that this run has its slot: a late one is told once, by its own message
        if begun is None:
            _tell_who_asks_again(means, run_id)
            raise Ignore
        if begun.ending is not None:
            return _close(means, run_id, begun.ending)
        ping_start(means.settings.heartbeat_url, run_id)
        return None


def run_here(means: Means, *, run_id: str | None = None, accept_shrink: str | None = None) -> dict[str, Any]:
    """The same run in this process, without broker and worker; returns its report.

    A run that cannot be ended now, because the target is out of reach, is ended by the next run or by reconcile.
    """
    run_id = run_id or str(uuid.uuid4())
    with log_context(run_id):
        return _run_here(means, run_id, accept_shrink)


def _run_here(means: Means, run_id: str, accept_shrink: str | None) -> dict[str, Any]:
    cause: Exception | None = None
    try:
        report = start(means, run_id, accept_shrink=accept_shrink, here=True)
        if report is not None:
            return report
        with using(means):
            for step in ORDER:
                step(run_id)
    except (BackupFailed, BackupError, Ignore) as error:
        cause = error
        _end_here(means, run_id)
    except (KeyboardInterrupt, SystemExit):
        stop_here(means, run_id, "it was interrupted")
        raise
    record = means.journal.run(run_id)
    if record is None:  # it could not even be written down
        raise BackupError(str(cause))
    if record.report is None:
        raise BackupError(
            f"run {run_id} cannot be ended now: the backup database is out of reach; the next run ends it"
        )
    return dict(record.report)


def stop_here(means: Means, run_id: str, why: str) -> None:
    """End a run of this process before its time, also from another thread than the one in which it works.

    Its step learns from the journal that the run is not its own any more, and its sessions are ended.
    """
    record = means.journal.run(run_id)
    if record is None or record.state == "ended":
        return
    if record.state == "open" and "failure" not in record.facts:
        means.journal.keep(run_id, failure={"step": None, "error": why, "held": False})
    _end_here(means, run_id)


def _end_here(means: Means, run_id: str) -> None:
    """The rollback, tried for a while: nobody else may be there to try it later."""
    give_up = time.monotonic() + _PATIENCE_S
    while framing.end_failed_run(means, run_id, f"here-{run_id}").startswith(framing.WAITS):
        if time.monotonic() > give_up:
            return
        time.sleep(_PAUSE_S)


def reconcile_all(means: Means, *, closer: str) -> list[str]:
    """What reconcile found and did, for people."""
    return [*_end_the_dead(means, closer), *_catch_up(means)]


def keep_watch(means: Means) -> None:
    """What each worker does every minute by itself, so that it needs no beat, no free process and no broker.

    Slots that nobody started, a copy that is too old, notices that wait to be delivered, the metrics. Of several
    workers each notice is made by one.
    """
    for look_after in (_catch_up, _look_at_the_clock):
        try:
            look_after(means)
        except BackupError as error:
            log.warning("the worker's own watch could not look: %s", error, extra={"event": "watch_failed"})


def _look_at_the_clock(means: Means) -> None:
    now = framing.now()
    look_and_deliver(means.settings, means.journal, now=now)
    write_metrics_or_tell(means.settings, means.journal, now=framing.now(), lease=means.lease)


def _end_the_dead(means: Means, closer: str) -> list[str]:
    return [
        f"run {record.run_id}: {framing.end_failed_run(means, record.run_id, closer, silent_since=framing.now())}"
        for record in means.journal.open_runs()
        if record.is_silent(framing.now())
    ]


def _catch_up(means: Means) -> list[str]:
    """Slots that nobody started, stamps that nobody bears, files half written, outcomes that were not told."""
    done = []
    for run_id in beginning.record_missed(means.settings, means.journal, framing.now()):
        record = means.journal.run(run_id)
        if record is not None:
            _close(means, run_id, beginning.missed_ending(record))
            done.append(f"run {run_id}: missed")
    beginning.forget_reservations(means.settings, means.journal, framing.now())
    forget_half_written(means.settings, framing.now(), silent_s=beginning.HANDOVER_ALLOWANCE_S)
    tell_again(settings=means.settings, journal=means.journal, lease=means.lease, tell=means.tell)
    return done


def _store_again(means: Means) -> None:
    """A step's late progress, or Celery's own word, may stand in the place of a report: the report goes there again."""
    for record in means.journal.runs(limit=_LOOK_BACK):
        if record.state != "ended" or record.report is None or record.options.get("here"):
            continue
        if not is_stored(record.report):
            means.tell(record.report)


def _tell_who_asks_again(means: Means, run_id: str) -> None:
    """A second message of an ended run: Celery's STARTED stands in the place of its failure now."""
    record = means.journal.run(run_id)
    if record is not None and record.report is not None:
        try:
            means.tell(record.report)
        except BackupError as error:
            log.warning("the report was not stored again yet: %s", error)  # reconcile does


def _close(means: Means, run_id: str, ending: Ending) -> dict[str, Any] | None:
    return close_run(run_id, ending, settings=means.settings, journal=means.journal, lease=means.lease, tell=means.tell)


def _run_of(run_id: str, entry: Task) -> Signature:
    """The chain of this run, pinned to the worker that has its files, with the rollback as its errback.

    Callbacks that the caller linked to the entry task go to the last step and to the failing one.
    """
    queue = f"{entry.request.hostname}.dq2"
    steps = [step.si(run_id).set(queue=queue) for step in ORDER]
    for callback in entry.request.callbacks or ():
        steps[-1].link(callback)
    run = chain(*steps).on_error(rollback.si(run_id).set(queue=queue))
    for errback in entry.request.errbacks or ():
        run = run.on_error(errback)
    return run
