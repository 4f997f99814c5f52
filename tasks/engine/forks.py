"""No process is forked while a thread of it has an SQLite file open.

SQLite keeps in memory which of a file's locks the process has. A child that is forked just then believes for ever that
it has them, while its threads that would let them go are the parent's: it never gets at the file again.
"""

import os
import sqlite3
import threading
from typing import Any

_PATIENCE_S = 25.0  # longer than a busy journal is waited for; a fork that never comes would be worse than such a child


class _Gate:
    """Opened by whoever opens a file, closed by whoever forks."""

    def __init__(self) -> None:
        self.begin_anew()

    def begin_anew(self) -> None:
        """Also in the child, which has one thread, and none that could let go of the parent's lock."""
        self._changed = threading.Condition()
        self._open = 0
        self._forking = False

    def enter(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._forking, _PATIENCE_S)
            self._open += 1

    def leave(self) -> None:
        with self._changed:
            self._open = max(0, self._open - 1)  # a child may close what its parent has counted
            self._changed.notify_all()

    def close(self) -> None:
        """Before a fork."""
        with self._changed:
            self._forking = True
            self._changed.wait_for(lambda: self._open == 0, _PATIENCE_S)

    def reopen(self) -> None:
        """In the parent, behind it."""
        with self._changed:
            self._forking = False
            self._changed.notify_all()


_gate = _Gate()
os.register_at_fork(before=_gate.close, after_in_parent=_gate.reopen, after_in_child=_gate.begin_anew)


class GuardedConnection(sqlite3.Connection):
    """As SQLite's own; it is closed by whoever opened it."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        _gate.enter()
        self._counted = True
        try:
            super().__init__(*args, **settings)
        except BaseException:
            self._leave()
            raise

    def close(self) -> None:
        try:
            super().close()
        finally:
            self._leave()

    def _leave(self) -> None:
        if self._counted:
            self._counted = False
            _gate.leave()
