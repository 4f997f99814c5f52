"""The Celery tasks, and below them the engine. Importing this, or the engine, loads no Celery.

`run_backup` is the entry task (`run_backup.delay()`), `BackupFailed` what its result raises.
"""

from typing import Any

__all__ = ["BackupFailed", "run_backup"]


def __getattr__(name: str) -> Any:
    """Hand the task out when it is asked for: `from tasks import run_backup` loads the application with it."""
    if name == "run_backup":
        # A task called from a shell needs the application's broker, and a person there does not wait ten minutes
        # to be told that Redis is down. Workers and beat load the tasks by their modules' names, not here.
        from config.celery import impatient_options  # noqa: PLC0415
        from tasks.pipeline import run_backup  # noqa: PLC0415
        from worker.celery_app import app  # noqa: PLC0415

        app.conf.update(impatient_options())
        return run_backup
    if name == "BackupFailed":
        from tasks.failures import BackupFailed  # noqa: PLC0415

        return BackupFailed
    raise AttributeError(f"module 'tasks' has no attribute {name!r}")
