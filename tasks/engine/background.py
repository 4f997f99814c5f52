"""Work in a thread of its own: for whoever cannot wait for its end, or waits for two servers at the same time."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from contextvars import copy_context
from typing import TypeVar

Found = TypeVar("Found")


def in_background(work: Callable[[], Found], *, name: str) -> "Future[Found]":
    """Begin it, with the caller's log context. What it raised is raised by `result()`.

    A daemon: a process that ends, or is interrupted, does not wait for a server that hangs.
    """
    future: Future[Found] = Future()
    context = copy_context()

    def run() -> None:
        try:
            future.set_result(context.run(work))
        except BaseException as error:  # noqa: BLE001 - it is raised again by whoever asks for the result
            future.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


@contextmanager
def beside(work: Callable[[], Found], *, name: str) -> "Iterator[Future[Found]]":
    """Begin it; leaving waits for its end."""
    future = in_background(work, name=name)
    try:
        yield future
    finally:
        wait([future])
