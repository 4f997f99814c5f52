"""The Celery tasks, and below them the engine. Importing this, or the engine, loads no Celery.

`run_backup` is the entry task (`run_backup.delay()`), `BackupFailed` what its result raises.
"""

from typing import Any

__all__ = ["BackupFailed", "run_backup"]


def __getattr__(name: str) -> Any:
    """Hand the task out when it is asked for: `from tasks import run_backup` loads the application with it."""
    if name == "run_backup":
        import worker.celery_app  # noqa: F401, PLC0415 - a task called from a shell needs the application's broker
        from tasks.pipeline import run_backup  # noqa: PLC0415

        return run_backup
    if name == "BackupFailed":
        from tasks.failures import BackupFailed  # noqa: PLC0415

        return BackupFailed
    raise AttributeError(f"module 'tasks' has no attribute {name!r}")
