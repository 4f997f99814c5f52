"""What happens around the tasks: our logging in every Celery process, and reconcile when a worker starts."""

from typing import Any

from celery import signals

from config.logs import configure_logging
from config.settings import load_settings

_SECOND_LOOK_S = 30  # a run that died just before the restart counts as dead only after its heartbeat has been silent


def connect_signals() -> None:
    """Strong references: a signal would forget a local receiver."""
    signals.setup_logging.connect(_set_up_logging, weak=False)
    signals.worker_ready.connect(_look_after_dead_runs, weak=False)


def _set_up_logging(**_: Any) -> None:
    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format, settings.secrets)


def _look_after_dead_runs(**_: Any) -> None:
    """A worker that starts may follow one that died in mid-run; nobody should wait for beat to find out."""
    from tasks.pipeline import reconcile  # noqa: PLC0415 - the tasks load only in a worker

    reconcile.apply_async(expires=60, ignore_result=True)
    reconcile.apply_async(countdown=_SECOND_LOOK_S, expires=60 + _SECOND_LOOK_S, ignore_result=True)
