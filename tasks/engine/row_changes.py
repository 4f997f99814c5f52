"""Which rows of a table differ between two dumps: their COPY blocks, read side by side.

Mostly the same lines stand in both, in nearly the same order. Where the two part, what is met on either side is noted;
in the end what is noted on both was only elsewhere. Notes go into a file that has no name, in sorted runs: the memory
needed is the same, however much differs.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from heapq import merge
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

_MOST_BYTES = 24 << 20  # are noted on either side
_RUN_BYTES = 1 << 20  # of them in memory
_BYTES_OF_ONE = 41  # of a line that is noted, beside its text
_PIECE_BYTES = 1 << 15
_STRETCH = 32  # lines that are compared at once
_NEAR = 64  # lines, within which the next equal one is looked for; farther away, one in so many is known


@dataclass(frozen=True, kw_only=True)
class Lines:
    """Lines of COPY's text format, sorted, in a file that is open. Iteration gives them without their line ends."""

    file: IO[bytes]
    begin: int
    end: int
    count: int

    def __iter__(self) -> Iterator[bytes]:
        for lines in _lines(self.pieces(), self.end):
            yield from lines

    def pieces(self) -> Iterator[bytes]:
        """As they stand in the file; a piece may end within a line."""
        at = self.begin
        while piece := os.pread(self.file.fileno(), min(_PIECE_BYTES, self.end - at), at):
            at += len(piece)
            yield piece


@dataclass(frozen=True, kw_only=True)
class RowChanges:
    """What stands in one block alone."""

    gone: Lines  # in the old one
    come: Lines  # in the new one


class _TooMuch(Exception):
    """To be noted."""


@contextmanager
def row_changes(
    old: Iterable[bytes], new: Iterable[bytes], *, directory: Path, most_bytes: int = _MOST_BYTES
) -> Iterator[RowChanges | None]:
    """Of two blocks, which come in pieces, and in none of which a line stands twice.

    None where too much differs, or a line is too long; then they are not read on. directory: where there is room for
    what differs; OSError when there is none.
    """
    with TemporaryFile(dir=directory) as gone, TemporaryFile(dir=directory) as come:
        before, now = _Side(old, gone, most_bytes), _Side(new, come, most_bytes)
        try:
            _walk(before, now)
        except _TooMuch:
            found = None
        else:
            found = RowChanges(
                gone=_written(gone, _alone(before.noted(), now.noted())),
                come=_written(come, _alone(now.noted(), before.noted())),
            )
        yield found


def _walk(before: "_Side", now: "_Side") -> None:
    """Over both blocks, in step."""
    while before.more() and now.more():
        if before.late:
            before.note(before.late)
        elif now.late:
            now.note(now.late)
        elif not _pass_equal(before, now):
            _part(before, now)
    for side in (before, now):
        while side.more():
            side.note(len(side.lines))


def _pass_equal(before: "_Side", now: "_Side") -> bool:
    """Pass over the equal lines at hand; False when there are none."""
    old, new, i, j = before.lines, now.lines, before.at, now.at
    while (equal := min(_STRETCH, len(old) - i, len(new) - j)) and old[i : i + equal] == new[j : j + equal]:
        i, j = i + equal, j + equal
    while i < len(old) and j < len(new) and old[i] == new[j]:
        i, j = i + 1, j + 1
    return before.go_on(i) and now.go_on(j)


def _part(before: "_Side", now: "_Side") -> None:
    """Note what stands on one side alone, or on both. Which lines are put side by side then is a guess."""
    old, new = before.lines[before.at], now.lines[now.at]
    if count := before.lines_before(new) or now.lines_since(old):
        before.note(count)
    elif count := now.lines_before(old) or before.lines_since(new):
        now.note(count)
    else:
        before.note(1)
        now.note(1)


class _Side:
    """One block: the lines at hand, which of them is the next, and what is noted of those before it.

    late: so many lines are to be noted until it has come to where the other is.
    """

    def __init__(self, pieces: Iterable[bytes], file: IO[bytes], most_bytes: int) -> None:
        self.lines: list[bytes] = []
        self.at = self.late = 0
        self._coming = _lines(pieces, most_bytes)
        self._file, self._runs = file, list[Lines]()
        self._noted: list[bytes] = []
        self._bytes, self._bytes_left = 0, most_bytes
        self._since: dict[bytes, int] = {}  # of some lines behind which no equal ones came: which one it was
        self._apart = 0  # so many lines

    def more(self) -> bool:
        """Whether there is a line at hand."""
        while self.at >= len(self.lines):
            if (lines := next(self._coming, None)) is None:
                return False
            self.lines, self.at = lines, 0
        return True

    def go_on(self, at: int) -> bool:
        """At another line, behind equal ones; False when it is the same one."""
        if self.at == at:
            return False
        self.at, self._apart = at, 0
        self._since.clear()
        return True

    def note(self, count: int) -> None:
        """So many of the next lines, as far as they are at hand."""
        lines = self.lines[self.at : self.at + count]
        self.late = count - len(lines)
        self.at += len(lines)
        for number in range(-self._apart % _NEAR, len(lines), _NEAR):
            self._since[lines[number]] = self._apart + number
        self._apart += len(lines)
        self._noted += lines
        self._bytes += sum(map(len, lines)) + _BYTES_OF_ONE * len(lines)
        if self._bytes > min(_RUN_BYTES, self._bytes_left):
            self._set_aside()

    def _set_aside(self) -> None:
        self._bytes_left -= self._bytes
        if self._bytes_left < 0:
            raise _TooMuch
        self._runs.append(_written(self._file, sorted(self._noted)))
        self._noted, self._bytes = [], 0

    def noted(self) -> Iterator[bytes]:
        """All of it, sorted."""
        if self._noted:
            self._set_aside()
        return merge(*self._runs)

    def lines_before(self, line: bytes) -> int:
        """How many are at hand before it, which is not the next one; 0: it is not near."""
        try:
            return self.lines.index(line, self.at, self.at + _NEAR) - self.at
        except ValueError:
            return 0

    def lines_since(self, line: bytes) -> int:
        """How many were noted since it was, it among them, without an equal one; 0: that is not known."""
        return self._apart - self._since.get(line, self._apart)


def _alone(mine: Iterable[bytes], others: Iterator[bytes]) -> Iterator[bytes]:
    """The lines that do not stand among the others. Both are sorted."""
    other = next(others, None)
    for line in mine:
        while other is not None and other < line:
            other = next(others, None)
        if line != other:
            yield line


def _written(file: IO[bytes], lines: Iterable[bytes]) -> Lines:
    """At the file's end."""
    begin, count = file.tell(), 0
    for line in lines:
        file.write(line + b"\n")
        count += 1
    file.flush()
    return Lines(file=file, begin=begin, end=file.tell(), count=count)


def _lines(pieces: Iterable[bytes], most_bytes: int) -> Iterator[list[bytes]]:
    """The whole lines of each piece. _TooMuch when one has more bytes than that."""
    begun: list[bytes] = []
    for piece in pieces:
        if b"\n" in piece:
            *lines, rest = b"".join((*begun, piece)).split(b"\n")
            yield lines
            begun = [rest]
        else:
            begun.append(piece)
            if sum(map(len, begun)) > most_bytes:
                raise _TooMuch
    if rest := b"".join(begun):
        yield [rest]
