"""A run shown to the person who waits for it: steps as they begin and end, on standard error.

On a terminal with a spinner and colours, elsewhere as plain lines.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, TextIO

from rich.console import Console
from rich.status import Status
from rich.table import Table
from rich.text import Text

from tasks.engine.step_titles import STEP_TITLES

# The steps of a run in their order, as people call them, and what follows a failure.
TITLES = {**STEP_TITLES, "rollback": "roll back"}
_WIDEST = max(map(len, TITLES.values()))


class Display(Protocol):
    """Where the progress of a run is shown."""

    def working(self, step: str, doing: str) -> None:
        """The step works; `doing` says how far it is, and is empty at its beginning."""

    def ended(self, step: str, *, good: bool, seconds: float | None, summary: str) -> None:
        """The step is over."""

    def note(self, text: str) -> None:
        """Something beside the steps."""


class Calm:
    """What is worth a line: something new at once, how far it is once in a while."""

    def __init__(self, *, every_s: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._every_s, self._clock = every_s, clock
        self._what, self._at_s = "", clock()

    def worth_a_line(self, what: str) -> bool:
        """what: is done now."""
        now_s = self._clock()
        if what == self._what and now_s - self._at_s < self._every_s:
            return False
        self._what, self._at_s = what, now_s
        return True


class PlainDisplay:
    """One line for each thing that happens."""

    def __init__(self, stream: TextIO, clean: Callable[[str], str] = str, calm: Calm | None = None) -> None:
        self._stream, self._clean, self._calm = stream, clean, calm or Calm()

    def working(self, step: str, doing: str) -> None:
        if self._calm.worth_a_line(f"{step}, {doing.partition(', ')[0]}"):
            self.note(f"{title(step)}: {doing}" if doing else f"{title(step)} ...")

    def ended(self, step: str, *, good: bool, seconds: float | None, summary: str) -> None:
        took = "" if seconds is None else f" in {seconds:.1f} s"
        self.note(f"{title(step)} {'done' if good else 'FAILED'}{took}: {summary}")

    def note(self, text: str) -> None:
        self._stream.write(f"{self._clean(text)}\n")
        self._stream.flush()


class TerminalDisplay:
    """Finished steps stay as lines; what works now has a spinner below them."""

    def __init__(self, console: Console, clean: Callable[[str], str] = str) -> None:
        self._console, self._clean = console, clean
        self._status: Status | None = None

    def working(self, step: str, doing: str) -> None:
        text = Text(self._clean(f"{title(step)}: {doing}" if doing else title(step)))
        if self._status is not None:
            self._status.update(text)
            return
        self._status = self._console.status(text)
        self._status.start()

    def ended(self, step: str, *, good: bool, seconds: float | None, summary: str) -> None:
        self.stop()
        line = Table.grid(padding=(0, 1))
        line.add_column(width=1)
        line.add_column(width=_WIDEST)
        line.add_column(width=7, justify="right")
        line.add_column(overflow="fold")
        took = "" if seconds is None else f"{seconds:.1f} s"
        sign, style = (Text("✓", "green"), "dim") if good else (Text("✗", "red"), "red")
        line.add_row(sign, Text(title(step), "bold"), Text(took, "cyan"), Text(self._clean(summary), style))
        self._console.print(line)

    def note(self, text: str) -> None:
        self._console.print(Text(self._clean(text)))

    def stop(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None


class Steps:
    """What was shown of a run: news from several sources are each told once, and in their order.

    A step's beginning may be heard of before its predecessor's end: it is held back until then.
    """

    def __init__(self, display: Display) -> None:
        self.display = display
        self._current: tuple[str, str] | None = None
        self._next: tuple[str, str] | None = None
        self._ended: set[str] = set()

    def working(self, step: str, doing: str = "") -> None:
        """A step begins, or has come further."""
        if step in self._ended:
            return
        if self._current is not None and self._current[0] != step:
            self._next = (step, doing)
        elif self._current is None or (doing and self._current[1] != doing):
            self._current = (step, doing)
            self.display.working(step, doing)

    def ended(self, step: str, *, good: bool, seconds: float | None, summary: str) -> None:
        """A step is over."""
        if step in self._ended:
            return
        self._ended.add(step)
        self.display.ended(step, good=good, seconds=seconds, summary=summary)
        self._current, waiting, self._next = None, self._next, None
        if waiting is not None:
            self.working(*waiting)

    def knows(self, report: Mapping[str, Any]) -> bool:
        """Whether the end of each of the report's steps was shown, and of what else began."""
        return self._current is None and self._ended >= {step["name"] for step in report.get("steps", ())}

    def complete(self, report: Mapping[str, Any]) -> None:
        """Show what the report knows and nobody told."""
        for step in report.get("steps", ()):
            if step["state"] != "working":
                good, summary = step["state"] == "done", step["summary"] or ""
                self.ended(step["name"], good=good, seconds=step["seconds"], summary=summary)


@contextmanager
def showing(clean: Callable[[str], str], stream: TextIO | None = None) -> Iterator[Steps]:
    """Steps shown on a stream, standard error when none is given. `clean` is asked for every text."""
    stream = sys.stderr if stream is None else stream
    console = Console(file=stream)
    if not moves(console):
        yield Steps(PlainDisplay(stream, clean))
        return
    display = TerminalDisplay(console, clean)
    try:
        yield Steps(display)
    finally:
        display.stop()


def moves(console: Console) -> bool:
    """Whether it can show what changes in its place; a dumb terminal would show nothing until the end."""
    return console.is_terminal and not console.is_dumb_terminal


def title(step: str) -> str:
    """A step's name for people."""
    return TITLES.get(step, step)
