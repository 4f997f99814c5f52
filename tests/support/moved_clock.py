"""Another time of day for real beat and worker processes; RNS_CLOCK_FILE names a file with the seconds to add.

A worker loads it (`celery worker -I tests.support.moved_clock`); the file may change while it runs.
`python -m tests.support.moved_clock 2030-01-01T06:00:00+00:00 beat ...` is `celery -A worker beat ...` started then,
and with `as-it-is` in the place of the time one that finds the clock moved.
"""

import os
import sys
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

from tasks import framing
from tasks.engine import closing, finishing, journal

FILE = "RNS_CLOCK_FILE"
AS_IT_IS = "as-it-is"
_MODULES = (framing, closing, finishing, journal)  # where our code asks what time it is


def move_clock(path: Path, to: datetime) -> None:
    """From now on it is this time, and goes on from there."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(str((to - datetime.now(UTC)).total_seconds()))
    new.replace(path)  # nobody finds it empty


def _moved_by() -> timedelta:
    path = Path(os.environ.get(FILE, ""))
    return timedelta(seconds=float(path.read_text() or 0)) if path.is_file() else timedelta(0)


class MovedDatetime(datetime):
    """datetime, but for now()."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Any:
        return datetime.now(tz) + _moved_by()


def _move_beat(arguments: list[str]) -> None:
    from worker import app  # noqa: PLC0415 - it reads the settings

    app.now = lambda: datetime.now(UTC) + _moved_by()
    if arguments[0] != AS_IT_IS:
        move_clock(Path(os.environ[FILE]), datetime.fromisoformat(arguments[0]))  # now, when all has been imported
    app.start(arguments[1:])


if __name__ == "__main__":
    _move_beat(sys.argv[1:])
else:
    for module in _MODULES:
        module.datetime = MovedDatetime  # type: ignore[attr-defined]
