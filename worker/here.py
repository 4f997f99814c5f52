"""A run in the caller's own process: shown while it works, and ended properly when somebody interrupts it.

The run works in a thread of its own. A database driver that waits for its server hears no signal, so the main
thread stays free for them: it takes the run in the journal, as reconcile takes a dead worker's, and ends it.
"""

import logging
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from tasks.engine.background import in_background
from tasks.engine.lease import Lease, LockUnavailable
from tasks.engine.progress import Position
from tasks.means import Means, Observer
from tasks.pipeline import run_here, stop_here
from worker.display import Steps

log = logging.getLogger(__name__)

_LOOK_S = 0.2
_FAREWELL_S = 5.0  # so long a step that was cut may take to notice it
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(Exception):
    """Somebody ended the run before its time. report: None when it could not be ended now either."""

    def __init__(self, name: str, report: Mapping[str, Any] | None) -> None:
        super().__init__(f"interrupted by {name}")
        self.report = report


def answering(lease: Lease) -> Lease | None:
    """The lease if its Redis answers; a run does without it, since journal and fence keep others out too."""
    try:
        lease.holder()
    except LockUnavailable:
        return None
    return lease


def run_stoppable(means: Means, *, accept_shrink: str | None, say: Callable[[str], None]) -> dict[str, Any]:
    """The report of one run. Raises Interrupted when it was ended by SIGINT, SIGTERM or SIGHUP."""
    run_id = str(uuid.uuid4())
    with _signals(say) as caught:
        run = in_background(lambda: run_here(means, run_id=run_id, accept_shrink=accept_shrink), name="run")
        while not run.done():
            if caught.event.wait(_LOOK_S):
                say(f"{caught.names[0]}: the run is being ended ...")
                _end(means, run_id, run, caught)
                record = means.journal.run(run_id)
                raise Interrupted(caught.names[0], record.report if record else None)
        return run.result()


def observer(steps: Steps) -> Observer:
    """Positions shown to a person."""
    return lambda step, position: steps.working(step, str(position))


def logging_observer(*, every_s: float = 10.0, clock: Callable[[], float] = time.monotonic) -> Observer:
    """Positions as log lines, so that a step of minutes is seen to live; one in every_s seconds is enough."""
    last = clock()

    def observe(step: str, position: Position) -> None:
        nonlocal last
        if clock() - last >= every_s:
            last = clock()
            pace = {"bytes_per_second": position.bytes_per_s, "seconds_left": position.left_s}
            log.info("%s: %s", step, position, extra={"event": "progress", "step": step, **pace})

    return observe


class StepLines(logging.Handler):
    """Shows the steps of a run from what it logs about them, warnings too."""

    def __init__(self, steps: Steps) -> None:
        super().__init__(logging.INFO)
        self._steps = steps

    def emit(self, record: logging.LogRecord) -> None:
        """Called by logging, from whichever thread."""
        event, step = getattr(record, "event", None), getattr(record, "step", "")
        if event == "step_began":
            self._steps.working(step)
        elif event == "step_done":
            seconds, summary = getattr(record, "took_s", None), getattr(record, "summary", "")
            self._steps.ended(step, good=True, seconds=seconds, summary=summary)
        elif event == "step_failed":
            self._steps.ended(step, good=False, seconds=None, summary=record.getMessage().partition("failed: ")[2])
        elif event in {"rolling_back", "rolled_back"} or record.levelno == logging.WARNING:
            self._steps.display.note(record.getMessage())


@dataclass
class _Caught:
    event: threading.Event = field(default_factory=threading.Event)
    names: list[str] = field(default_factory=list)


def _end(means: Means, run_id: str, run: "Future[dict[str, Any]]", caught: _Caught) -> None:
    """End the run, also one that is only about to begin; told to stop three times, leave it to the next run."""
    ending = in_background(lambda: _stop_until_over(means, run_id, run, caught.names[0]), name="end")
    while not ending.done() and len(caught.names) < 3:
        caught.event.clear()
        caught.event.wait(_LOOK_S)
    if ending.done():
        ending.result()


def _stop_until_over(means: Means, run_id: str, run: "Future[dict[str, Any]]", name: str) -> dict[str, Any]:
    waited = threading.Event()
    for _ in range(int(_FAREWELL_S / _LOOK_S)):
        stop_here(means, run_id, f"it was interrupted by {name}")
        if run.done():
            break
        waited.wait(_LOOK_S)
    return {}


@contextmanager
def _signals(say: Callable[[str], None]) -> Iterator[_Caught]:
    caught = _Caught()

    def remember(number: int, _: FrameType | None) -> None:
        caught.names.append(signal.Signals(number).name)
        caught.event.set()
        if len(caught.names) == 2:
            say("the run is still being ended; once more leaves that to the next run")

    # One that is ignored stays so: that is what nohup asks for.
    heard = [number for number in _SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, remember) for number in heard}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
