"""Work in a thread of its own, for whoever cannot wait for its end."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Found = TypeVar("Found")


def in_background(work: Callable[[], Found], *, name: str) -> "Future[Found]":
    """Begin it; a daemon: a process that ends does not wait for a server that hangs."""
    future: Future[Found] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - it is raised again by whoever asks for the result
            future.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future
