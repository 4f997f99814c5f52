"""A deadline for calls that have none of their own: what hangs is left behind, not waited for."""

import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import TypeVar

from tasks.engine.errors import BackupError

Answer = TypeVar("Answer")


class NotDelivered(BackupError):
    """A channel or a dead man's switch did not take what it was sent; the sentence shows no address."""


def within(seconds: float, action: Callable[[], Answer]) -> Answer:
    """The answer of an action, or NotDelivered when it has none after so many seconds.

    It works in a daemon thread: no socket timeout ends a server that sends a byte now and then, and a process must
    not wait for it at its end either.
    """
    answers: list[Answer] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            answers.append(action())
        except BaseException as error:  # noqa: BLE001 - it is raised again below
            errors.append(error)

    thread = threading.Thread(target=copy_context().run, args=(run,), name="telling", daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not answers:
        raise NotDelivered(f"no answer within {seconds:g} s")
    return answers[0]
