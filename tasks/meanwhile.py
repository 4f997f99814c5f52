"""What goes on beside a step, in threads of its own: again and again until the step is over."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context

from tasks.engine.progress import Position
from tasks.engine.run import Run
from tasks.means import Observer

log = logging.getLogger(__name__)

_PROGRESS_S = 1.0

Show = Callable[[Run, str, Position], None]


@contextmanager
def every(seconds: float, action: Callable[[], None], name: str) -> Iterator[None]:
    """Do something again and again in a thread of its own, which is gone when this is left."""
    over = threading.Event()

    def loop() -> None:
        while not over.wait(seconds):
            try:
                action()
            except Exception:
                log.exception("the %s of this step failed once", name)

    # With this thread's context, so that its log lines carry the run's id.
    thread = threading.Thread(target=copy_context().run, args=(loop,), name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(seconds)


@contextmanager
def shown(run: Run, step: str, show: Show | None, observe: Observer | None) -> Iterator[None]:
    """While inside, whoever looks is shown how far the step is."""
    last = ""

    def look() -> None:
        nonlocal last
        position = run.progress.position
        if last != str(position):  # as people see it: the figures behind the words move all the time
            last = str(position)
            if show is not None:
                show(run, step, position)
            if observe is not None:
                observe(step, position)

    with every(_PROGRESS_S, look, "progress"):
        yield
