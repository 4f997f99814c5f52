"""The deadline of a step, watched by the step itself, and everything that must be cut when it is over.

Celery's own time limits do not fire while its main process reconnects to the broker, and a limit that only ends
the client leaves the server working. So a watch cuts the sockets and ends the programs that were entrusted to it.
"""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Self

from tasks.engine.errors import BackupError, DeadlineExceeded

_TICK_S = 0.2


class Watch:
    """A limit in seconds over one step; `fail` ends it earlier for another reason.

    Used as a context manager it runs a thread; whatever was cut raises the reason on leaving.
    """

    def __init__(self, what: str, limit_s: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.what, self.limit_s, self._clock = what, limit_s, clock
        self._ends_at = clock() + limit_s
        self._reason: BackupError | None = None
        self._cuts: dict[int, Callable[[], None]] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()

    @property
    def remaining_s(self) -> float:
        return max(0.0, self._ends_at - self._clock())

    @property
    def reason(self) -> BackupError | None:
        return self._reason

    def check(self) -> None:
        """Raise the reason when the step may not go on."""
        if self._reason is None and self.remaining_s <= 0:
            self.fail(self._too_late())
        if self._reason is not None:
            raise self._reason

    def fail(self, reason: BackupError) -> None:
        """End the step for this reason: cut every connection and program that it uses. The first reason stays."""
        with self._lock:
            if self._reason is not None:
                return
            self._reason = reason
            cuts = list(self._cuts.values())
        for cut in cuts:
            cut()

    @contextmanager
    def covering(self, cut: Callable[[], None]) -> Iterator[None]:
        """While inside, `cut` is called when the step must end."""
        self.check()
        key = id(cut)
        with self._lock:
            self._cuts[key] = cut
        try:
            self.check()
            yield
        finally:
            with self._lock:
                self._cuts.pop(key, None)

    def __enter__(self) -> Self:
        threading.Thread(target=self._run, name=f"watch {self.what}", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._reason is not None and error is not self._reason:
            raise self._reason from error

    def _run(self) -> None:
        while not self._over.wait(min(_TICK_S, max(self.remaining_s, 0.01))):
            if self.remaining_s <= 0:
                self.fail(self._too_late())
                return

    def _too_late(self) -> DeadlineExceeded:
        return DeadlineExceeded(f"{self.what} took longer than its limit of {self.limit_s:g} s and was ended")


def cut_socket(connection: Any) -> None:
    """Shut the TCP connection below a psycopg2 connection, so that a blocked call in another thread returns.

    A cancel request would need the network that may be stalled; a server session with
    client_connection_check_interval notices the closed socket by itself.
    """
    with suppress(Exception):  # it may be closed already: then there is nothing to cut
        duplicate = socket.socket(fileno=os.dup(connection.fileno()))
        try:
            duplicate.shutdown(socket.SHUT_RDWR)
        finally:
            duplicate.close()


def end_group(process_id: int) -> None:
    """SIGKILL to the process group that a child leads."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process_id, signal.SIGKILL)
