"""The engine in a process of its own, without Celery's worker: each line on standard input asks for one run.

The answer is its report, and when each step began and ended by the system's monotonic clock.
"""

import json
import logging
import os
import sys
import time
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from config.settings import load_settings
from tasks.engine.lease import open_lease
from tasks.means import open_means
from tasks.pipeline import run_here

# What a run imports when it needs it first; a worker has made one before, and so has this.
_LATER = ("_strptime", "sqlite3", "tasks.engine.page.view", "tasks.engine.page.rendering")


class _Phases(logging.Handler):
    """The steps, from what they log."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.found: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        now = time.monotonic()
        event, step = getattr(record, "event", None), getattr(record, "step", "")
        if event == "step_began":
            self.found.append({"name": step, "began": now, "ended": now})
        elif event in {"step_done", "step_failed"} and self.found:
            self.found[-1]["ended"] = now


def _main() -> None:
    for module in _LATER:
        import_module(module)
    settings = load_settings(os.environ, None)
    lease = open_lease(settings.lock_url.get_secret_value(), pair=settings.pair)
    means = open_means(settings, lease=lease, tell=_nobody)
    root = logging.getLogger()
    root.addHandler(logging.StreamHandler(sys.stderr))
    root.handlers[-1].setLevel(logging.WARNING)
    root.setLevel(logging.INFO)
    _answer({})
    while sys.stdin.readline():
        phases = _Phases()
        root.addHandler(phases)
        report = run_here(means)
        root.removeHandler(phases)
        _answer({"report": report, "phases": phases.found})


def _nobody(report: Mapping[str, Any]) -> None:
    """There is no result backend."""


def _answer(value: object) -> None:
    print(json.dumps(value), flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    _main()
