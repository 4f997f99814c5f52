#!/usr/bin/env python
"""Exit 0 when a step of a run is at work or the worker named in the first argument answers, else 1.

The journal is asked first: a worker must never be called sick, and perhaps be killed for it, in mid-restore.
Neither database is touched; a health check that polls the source would keep it from going to sleep.
"""

import sys
from datetime import UTC, datetime

from celery import Celery
from kombu.exceptions import OperationalError

from config.celery import celery_options, impatient_options
from config.settings import Settings, load_settings
from tasks.engine.errors import BackupError
from tasks.engine.journal import Journal

_ANSWER_WITHIN_S = 10.0


def main(node: str) -> int:
    """What the container engine reads: 0 or 1."""
    settings = load_settings()
    return 0 if _step_is_alive(settings) or _answers(settings, node) else 1


def _step_is_alive(settings: Settings) -> bool:
    now = datetime.now(UTC)
    try:
        journal = Journal(settings.journal_url.get_secret_value(), pair=settings.pair, create=False)
        return any(run.alive_until > now for run in journal.open_runs())
    except BackupError as error:
        print(error)  # noqa: T201 - the container engine keeps it beside its verdict
        return False


def _answers(settings: Settings, node: str) -> bool:
    app = Celery(set_as_current=False)
    app.conf.update(celery_options(settings) | impatient_options())
    try:
        return bool(app.control.inspect(destination=[node], timeout=_ANSWER_WITHIN_S).ping())
    except OperationalError:  # the broker is away
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
