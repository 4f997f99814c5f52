"""Work that is done beside other work, in a thread of its own: two servers are waited for at the same time."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from contextvars import copy_context
from typing import TypeVar

Found = TypeVar("Found")


@contextmanager
def beside(work: Callable[[], Found], *, name: str) -> "Iterator[Future[Found]]":
    """Begin it, with the caller's log context; leaving waits for its end. What it raised is raised by `result()`."""
    future: Future[Found] = Future()
    context = copy_context()

    def run() -> None:
        try:
            future.set_result(context.run(work))
        except BaseException as error:  # noqa: BLE001 - it is raised again by whoever asks for the result
            future.set_exception(error)

    # A daemon: a process that is interrupted does not wait for a server that hangs.
    threading.Thread(target=run, name=name, daemon=True).start()
    try:
        yield future
    finally:
        wait([future])
