"""What operators start: the Celery application (`celery -A worker ...`), its life cycle, and the command line."""

from typing import Any


def __getattr__(name: str) -> Any:
    """Hand out the Celery application lazily, so that `railway-neon-sync --help` needs no settings."""
    if name in {"app", "celery"}:
        from worker.celery_app import app  # noqa: PLC0415 - lazily, see above

        return app
    raise AttributeError(f"module 'worker' has no attribute {name!r}")
