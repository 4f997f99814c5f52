"""Sessions that later steps will need, connected while this one works: over a distance each costs five round trips.

They wait in this process, idle. A step that another process performs connects for itself; what nobody takes is closed.
"""

import select
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from contextlib import suppress

from tasks.engine.background import in_background
from tasks.engine.session import Session

KEPT_S = 30.0
SOON_BYTES = 1 << 30
"""What is done with a larger database takes long, however far away it is: nothing is made ready for what follows."""


class _Waiting:
    """One of them. key: who may take it."""

    def __init__(self, key: Hashable, connect: Callable[[], Session]) -> None:
        self.key = key
        self._decided, self._taken = threading.Event(), False
        self._session: Future[Session] = Future()
        in_background(lambda: self._wait(connect), name="connecting ahead")

    def decide(self, *, taken: bool) -> None:
        self._taken = taken
        self._decided.set()

    def session(self) -> Session | None:
        """None when it could not be connected, or was ended by the server."""
        with suppress(Exception):
            session = self._session.result()
            if _lives(session):
                return session
            session.close()
        return None

    def _wait(self, connect: Callable[[], Session]) -> None:
        try:
            session = connect()
        except BaseException as error:  # noqa: BLE001 - whoever connects then finds it out
            self._session.set_exception(error)
            return
        self._session.set_result(session)
        if not self._decided.wait(KEPT_S):
            _removed(lambda each: each is self, taken=False)
            self._decided.wait()  # somebody else may have removed it in this instant
        if not self._taken:
            session.close()


_waiting: list[_Waiting] = []
_lock = threading.Lock()


def connect_ahead(key: Hashable, connect: Callable[[], Session]) -> None:
    """Begin to connect. key: what it is connected to, as whom and under which name."""
    with _lock:
        _waiting.append(_Waiting(key, connect))


def take(key: Hashable) -> Session | None:
    """One that waits, or is about to; None where there is none that lives."""
    while found := _removed(lambda each: each.key == key, taken=True, most=1):
        if (session := found[0].session()) is not None:
            return session
    return None


def close_waiting() -> None:
    """Nobody will take them any more."""
    _removed(lambda _: True, taken=False)


def _removed(fits: Callable[[_Waiting], bool], *, taken: bool, most: int | None = None) -> list[_Waiting]:
    with _lock:
        found = list(filter(fits, _waiting))[:most]
        for each in found:
            _waiting.remove(each)
            each.decide(taken=taken)
        return found


def _lives(session: Session) -> bool:
    """A server that ends an idle session says so; it has nothing else to say."""
    poll = select.poll()
    poll.register(session.fileno(), select.POLLIN)
    return not poll.poll(0)
