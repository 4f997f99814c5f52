"""Ctrl-C, answered within about a second, with a sentence that says what is so now.

A database driver that waits for its server hears no signal. So what waits for servers works in a thread of its own,
and the main thread waits for that: it hears Ctrl-C, has the work cut by its watch, and does not wait for it for long.
"""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from rich.text import Text

from tasks.engine.background import in_background

if TYPE_CHECKING:
    from rich.console import Console

    from tasks.engine.watch import Watch

Done = TypeVar("Done")
Entrust = Callable[["Watch"], None]

_FAREWELL_S = 1.0
_SHOW_CURSOR = "\x1b[?25h"
NOTHING = "nothing was changed"


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, with the sentence that is told: it goes on after `interrupted; `."""


@contextmanager
def waiting(screen: "Console | None") -> Iterator[Callable[[str], None]]:
    """While inside, a terminal shows what is waited for: what was said last to the function that this yields."""
    if screen is None or not screen.is_terminal:
        yield lambda _: None
        return
    with screen.status("") as shown:
        yield lambda text: shown.update(Text(text, style="dim"))


@contextmanager
def when_interrupted(told: str | Callable[[], str]) -> Iterator[None]:
    """While inside, Ctrl-C is told so. Where nothing is said, it is told that nothing was changed."""
    try:
        yield
    except Interrupted:
        raise
    except KeyboardInterrupt:
        raise Interrupted(told if isinstance(told, str) else told()) from None


def stoppable(work: Callable[[Entrust], Done]) -> Done:
    """What work returns; it is handed a function that it calls with each watch under which it works.

    On Ctrl-C those are ended, and KeyboardInterrupt raised after a second at the latest: a thread that has not noticed
    by then ends with the process.
    """
    from tasks.engine.errors import BackupError  # noqa: PLC0415 - no other command waits for the engine

    watches: list[Watch] = []
    working = in_background(lambda: work(watches.append), name="working")
    try:
        return working.result()
    except KeyboardInterrupt:
        for watch in watches:
            watch.fail(BackupError("it was interrupted"))
        wait([working], _FAREWELL_S)
        if not working.done() and sys.stderr.isatty():
            sys.stderr.write(_SHOW_CURSOR)  # its progress bar had hidden it
        raise
