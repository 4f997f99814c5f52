"""How far a long command is: a bar on a terminal, elsewhere lines, one in a while. On standard error."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from tasks.engine.progress import Position, Progress
from worker.display import Calm, moves

_LOOK_S = 0.1


@contextmanager
def progress_shown(progress: Progress, stream: TextIO | None = None) -> Iterator[None]:
    """While inside, the progress is shown."""
    stream = sys.stderr if stream is None else stream
    console = Console(file=stream)
    if not moves(console):
        with _looked_at(progress, _Lines(stream).show):
            yield
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[amount]}"), TimeElapsedColumn())
    with Bars(*columns, console=console, transient=True) as bars, _looked_at(progress, _Bar(bars).show):
        yield


class _Lines:
    def __init__(self, stream: TextIO, calm: Calm | None = None) -> None:
        self._stream, self._calm = stream, calm or Calm()
        self._doing = self._told = ""

    def show(self, position: Position) -> None:
        text, begins = str(position), position.doing != self._doing
        if position.doing and text != self._told and self._calm.worth_a_line(position.doing):
            self._doing, self._told = position.doing, text
            self._stream.write(f"{position.doing} ...\n" if begins else f"{text}\n")
            self._stream.flush()


class _Bar:
    def __init__(self, bars: Bars) -> None:
        self._bars, self._doing, self._task = bars, "", TaskID(0)

    def show(self, position: Position) -> None:
        if position.doing != self._doing:
            if self._doing:
                self._bars.remove_task(self._task)
            self._doing = position.doing
            self._task = self._bars.add_task(position.doing, total=None, amount="")
        done, of = share(position)
        if self._doing:
            amount = str(position).partition(", ")[2]
            self._bars.update(self._task, completed=done, total=of or None, amount=amount)


def share(position: Position) -> tuple[int, int]:
    """How much is done, of how much: bytes where they are known, else tables; 0 of 0 where neither is."""
    if position.of_bytes:
        return min(position.bytes, position.of_bytes), position.of_bytes
    return min(position.tables, position.of_tables), position.of_tables


@contextmanager
def _looked_at(progress: Progress, show: Callable[[Position], None]) -> Iterator[None]:
    over = threading.Event()

    def look() -> None:
        while not over.wait(_LOOK_S):
            show(progress.position)

    thread = threading.Thread(target=look, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        show(progress.position)
