"""One thin task for each step of a run, and the rollback. A message carries the run's id; the journal remembers."""

import uuid
from collections.abc import Callable
from typing import Any

from celery import Task, shared_task
from celery.exceptions import Ignore

from tasks import framing, messages
from tasks.engine import operations
from tasks.engine.closing import close_run
from tasks.engine.progress import Position
from tasks.engine.recovery import Ending
from tasks.engine.run import Run
from tasks.failures import BackupFailed
from tasks.means import Means, current_means
from tasks.meanwhile import Show
from tasks.results import show_progress

OPTIONS: dict[str, Any] = {"bind": True, "throws": (BackupFailed,)}  # expected: told in a sentence, no traceback


@shared_task(name="tasks.verify_connections", **OPTIONS)
def verify_connections(self: Task, run_id: str) -> dict[str, Any]:
    """Step 1: both databases answer, and this run can work."""
    return _perform(self, run_id, operations.verify_connections)


@shared_task(name="tasks.dump_source", **OPTIONS)
def dump_source(self: Task, run_id: str) -> dict[str, Any]:
    """Steps 2 and 3: rows, fingerprints and dump of the source, under one snapshot."""
    return _perform(self, run_id, operations.dump_source)


@shared_task(name="tasks.back_up_target", **OPTIONS)
def back_up_target(self: Task, run_id: str) -> dict[str, Any]:
    """Step 4: the safety backup of what the target holds now."""
    return _perform(self, run_id, operations.back_up_target)


@shared_task(name="tasks.check_guards", **OPTIONS)
def check_guards(self: Task, run_id: str) -> dict[str, Any]:
    """May this target be overwritten by this source?"""
    return _perform(self, run_id, operations.check_guards)


@shared_task(name="tasks.restore_target", **OPTIONS)
def restore_target(self: Task, run_id: str) -> dict[str, Any]:
    """Step 5: prepared, proved, published."""
    return _perform(self, run_id, operations.restore_target)


@shared_task(name="tasks.verify_target", **OPTIONS)
def verify_target(self: Task, run_id: str) -> dict[str, Any]:
    """Step 6: the backup database against the source as it was when it was dumped."""
    return _perform(self, run_id, operations.verify_target)


@shared_task(name="tasks.finish", **OPTIONS)
def finish(self: Task, run_id: str) -> dict[str, Any]:
    """Step 7: tidy up, and report."""
    means = current_means()
    done = _perform(self, run_id, operations.clean_up)
    close(means, run_id)
    return done


@shared_task(name="tasks.rollback", bind=True)
def rollback(self: Task, run_id: str) -> str:
    """The errback: see that the backup database holds what it held before, and end the run."""
    messages.demand_run_id(run_id)
    return framing.end_failed_run(current_means(), run_id, self.request.id or f"rollback-{uuid.uuid4()}")


def close(means: Means, run_id: str) -> dict[str, Any] | None:
    """End a run whose last step is done."""
    return close_run(
        run_id,
        Ending(outcome="succeeded", error=None),
        settings=means.settings,
        journal=means.journal,
        lease=means.lease,
        tell=means.tell,
    )


def _perform(task: Task, run_id: str, operation: Callable[[Run], str]) -> dict[str, Any]:
    name = framing.name_of(task)
    messages.demand_run_id(run_id)
    try:
        return framing.perform(current_means(), run_id, name, operation, _show_in(task))
    except framing.NotOurs:
        raise Ignore from None


def _show_in(task: Task) -> Show | None:
    """Show a position under the step's own id, under the run's, and in Flower; not when there is no worker."""
    if task.request.called_directly:
        return None

    # Known to this thread only, and the showing is another's.
    task_id, name, worker = task.request.id, task.name, task.request.hostname

    def show(run: Run, step: str, position: Position) -> None:
        meta = {
            "step": step,
            "position": str(position),
            "bytes_per_second": position.bytes_per_s and round(position.bytes_per_s),
            "seconds_left": position.left_s and round(position.left_s),
        }
        show_progress(task_id, name, meta, worker=worker)
        record = run.journal.run(run.id)
        if record is not None and record.state == "open":
            show_progress(run.id, "tasks.run_backup", meta, worker=worker)

    return show
