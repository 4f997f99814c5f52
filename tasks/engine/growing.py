"""A plain dump examined while it is written: what stands there is read at once, what is to come is waited for."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import BinaryIO

from tasks.engine.background import in_background
from tasks.engine.dumpfile import DumpFacts, inspect_dump
from tasks.engine.dumpfile_reader import check_end
from tasks.engine.errors import DumpRefused

_LOOK_S = 0.01  # how often whether more was written


class Examination:
    """It begins with the file. `facts` come when the file is written and read, or say why they do not."""

    def __init__(self, path: Path) -> None:
        self.done = 0
        self._written, self._given_up = Event(), False
        self._told: Callable[[int], None] = lambda _: None
        self.facts: Future[DumpFacts] = in_background(lambda: self._examine(path), name="examining")

    def tell(self, told: Callable[[int], None]) -> None:
        """From now on: the number of bytes that are read."""
        self._told = told

    def end(self, *, given_up: bool = False) -> None:
        """The file is written. given_up: or nobody writes it on, and it is not examined any more."""
        self._given_up = given_up
        self._written.set()

    def _examine(self, path: Path) -> DumpFacts:
        with path.open("rb", buffering=0) as file:
            try:
                facts = inspect_dump(path, growing=_Growing(file, self._more), progress=self._note)
            except DumpRefused:
                while self._more():
                    pass
                check_end(path, file)  # what is cut off is told as that
                raise
            check_end(path, file)
            return facts

    def _more(self) -> bool:
        """Whether more may come, after a moment; raises when nobody wants to know any more."""
        over = self._written.wait(_LOOK_S)
        if self._given_up:
            raise GivenUp
        return not over

    def _note(self, done: int) -> None:
        if self._given_up:
            raise GivenUp
        self.done = done
        self._told(done)


class GivenUp(Exception):
    """The file was not written to its end."""


class _Growing:
    """It gives as much as it is asked for, while more comes: the blocks are those of a file that is complete."""

    def __init__(self, file: BinaryIO, more: Callable[[], bool]) -> None:
        self._file, self._more = file, more

    def read(self, size: int = -1, /) -> bytes:
        while (size < 0 or self._there() < size) and self._more():
            pass
        return self._file.read(size)

    def _there(self) -> int:
        return os.fstat(self._file.fileno()).st_size - self._file.tell()


@contextmanager
def examined_meanwhile(path: Path) -> Iterator[Examination]:
    """Of a file that is there and is written until this is left; an error on the way gives the examination up."""
    examination = Examination(path)
    try:
        yield examination
    except BaseException:
        examination.end(given_up=True)
        wait([examination.facts])
        raise
    examination.end()
