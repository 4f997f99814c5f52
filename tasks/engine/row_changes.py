"""Which rows of a table differ between two dumps: their COPY blocks, read side by side.

Mostly the same lines stand in both, in nearly the same order. What was met in one and not yet in the other is held
until it is: little, where little changed.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

_MOST_BYTES = 24 << 20  # are held
_BYTES_OF_ONE = 100  # of a line that is held, beside its text
_STRETCH = 32  # lines that are compared at once
_NEAR = 64  # lines, within which the next equal one is looked for


@dataclass(frozen=True, kw_only=True)
class RowChanges:
    """Lines of COPY's text format, without their line ends."""

    gone: list[bytes]  # stand in the old block alone
    come: list[bytes]  # stand in the new one alone


class _TooMuch(Exception):
    """To be held."""


def row_changes(old: Iterable[bytes], new: Iterable[bytes], *, most_bytes: int = _MOST_BYTES) -> RowChanges | None:
    """Of two blocks, which come in pieces, and in none of which a line stands twice.

    None where too much differs to be held, or a line is too long; then they are not read on.
    """
    before, now, held = _Side(old, most_bytes), _Side(new, most_bytes), _Held(most_bytes)
    try:
        while before.more() and now.more():
            _compare(before, now, held)
        for line in before.rest():
            held.note(line, held.gone, held.come)
        for line in now.rest():
            held.note(line, held.come, held.gone)
    except _TooMuch:
        return None
    return RowChanges(gone=sorted(held.gone), come=sorted(held.come))


def _compare(before: "_Side", now: "_Side", held: "_Held") -> None:
    """Pass over what is equal, up to where the lines at hand end. Which lines are put side by side is a guess."""
    old, new, i, j = before.lines, now.lines, before.at, now.at
    while i < len(old) and j < len(new):
        equal = min(_STRETCH, len(old) - i, len(new) - j)
        if old[i : i + equal] == new[j : j + equal]:
            i, j = i + equal, j + equal
            continue
        while old[i] == new[j]:
            i, j = i + 1, j + 1
        gone = _lines_before(new[j], old, i)
        come = 0 if gone else _lines_before(old[i], new, j)
        if not (gone or come):
            gone = come = 1
        for line in old[i : i + gone]:
            held.note(line, held.gone, held.come)
        for line in new[j : j + come]:
            held.note(line, held.come, held.gone)
        i, j = i + gone, j + come
    before.at, now.at = i, j


def _lines_before(line: bytes, lines: list[bytes], at: int) -> int:
    """How many stand before it, which is not the first one; 0: it is not near."""
    try:
        return lines.index(line, at, at + _NEAR) - at
    except ValueError:
        return 0


class _Held:
    """What was met on one side alone so far."""

    def __init__(self, most_bytes: int) -> None:
        self.gone: set[bytes] = set()
        self.come: set[bytes] = set()
        self._bytes, self._most_bytes = 0, most_bytes

    def note(self, line: bytes, mine: set[bytes], others: set[bytes]) -> None:
        if line in others:
            others.remove(line)
            self._bytes -= len(line) + _BYTES_OF_ONE
        else:
            mine.add(line)
            self._bytes += len(line) + _BYTES_OF_ONE
        if self._bytes > self._most_bytes:
            raise _TooMuch


class _Side:
    """One block: the lines at hand, and which of them is the next."""

    def __init__(self, pieces: Iterable[bytes], most_bytes: int) -> None:
        self.lines: list[bytes] = []
        self.at = 0
        self._coming = _lines(pieces, most_bytes)

    def more(self) -> bool:
        """Whether there is a line at hand."""
        while self.at >= len(self.lines):
            if (lines := next(self._coming, None)) is None:
                return False
            self.lines, self.at = lines, 0
        return True

    def rest(self) -> Iterator[bytes]:
        return chain(self.lines[self.at :], chain.from_iterable(self._coming))


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
