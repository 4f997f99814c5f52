"""What happens around the tasks: our logging in every Celery process; reconcile and a watch in each worker."""

import logging
import threading
from collections.abc import Sequence
from typing import Any

from celery import signals

from config.logs import NO_RUN, configure_logging, run_id_var
from config.settings import load_settings

log = logging.getLogger(__name__)

_SECOND_LOOK_S = 30  # a run that died just before the restart counts as dead only after its heartbeat has been silent
WATCH_S = 60.0  # between two looks of a worker's own watch

_stopping = threading.Event()


def connect_signals() -> None:
    """Strong references: a signal would forget a local receiver."""
    signals.setup_logging.connect(_set_up_logging, weak=False)
    signals.worker_init.connect(_know_the_journal, weak=False)
    signals.task_prerun.connect(_enter_run, weak=False)
    signals.task_postrun.connect(_leave_run, weak=False)
    signals.worker_ready.connect(_look_after_dead_runs, weak=False)
    signals.worker_ready.connect(_begin_watch, weak=False)
    signals.worker_shutting_down.connect(_end_watch, weak=False)


def _set_up_logging(**_: Any) -> None:
    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format, settings.secrets)


def _know_the_journal(**_: Any) -> None:
    from tasks.means import begin_worker  # noqa: PLC0415 - the tasks load only in a worker

    begin_worker()


def _enter_run(task_id: str, task: Any, args: Sequence[Any], **_: Any) -> None:
    """Whatever a worker logs from here to the task's end bears the run's id, lines of libraries among them."""
    if task.name == "tasks.run_backup":
        run_id_var.set(task_id)
    elif task.name.startswith("tasks.") and args:
        run_id_var.set(str(args[0]))


def _leave_run(**_: Any) -> None:
    run_id_var.set(NO_RUN)


def _look_after_dead_runs(**_: Any) -> None:
    """A worker that starts may follow one that died in mid-run; nobody should wait for beat to find out."""
    from tasks.pipeline import reconcile  # noqa: PLC0415 - the tasks load only in a worker

    reconcile.apply_async(expires=60, ignore_result=True)
    reconcile.apply_async(countdown=_SECOND_LOOK_S, expires=60 + _SECOND_LOOK_S, ignore_result=True)


def _begin_watch(**_: Any) -> None:
    """A thread of the worker's main process: it tells of trouble also when beat or the broker is the trouble."""
    _stopping.clear()
    threading.Thread(target=_watch, name="watch", daemon=True).start()


def _end_watch(**_: Any) -> None:
    _stopping.set()


def _watch() -> None:
    from tasks.engine.errors import BackupError  # noqa: PLC0415 - the tasks load only in a worker
    from tasks.means import worker_means  # noqa: PLC0415
    from tasks.pipeline import keep_watch  # noqa: PLC0415

    while not _stopping.wait(WATCH_S):
        try:
            keep_watch(worker_means())
        except BackupError as error:
            log.error("the worker's own watch cannot look: %s", error)
        except Exception:
            log.exception("the worker's own watch failed once; it looks again in %.0f s", WATCH_S)
