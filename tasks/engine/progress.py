"""How far a step is: written by the engine from any thread, read by whoever shows it.

What a step does one after the other are its phases; how long each took is kept for the report.
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from tasks.engine.pace import Pace, left_words, rate_words

BEGINNING = "beginning"  # what a step does before it names its first phase: it opens sessions, takes locks
PHASES = "phases"  # the name under which they are kept: step by step among a run's facts, and in the report's steps
_FEWEST_TABLES = 8
_SHORTEST_S = 0.1  # less is not worth telling: no rate, no beginning


@dataclass(frozen=True, kw_only=True)
class Position:
    """One reading; zero or None means not known (yet).

    guessed: of_bytes is about what it may come to. bytes_per_s and left_s: of late, and if it goes on like that.
    """

    doing: str = ""
    tables: int = 0
    of_tables: int = 0
    bytes: int = 0
    of_bytes: int = 0
    guessed: bool = False
    bytes_per_s: float | None = None
    left_s: float | None = None

    def __str__(self) -> str:
        parts = [self.doing] if self.doing else []
        if self.of_tables and (self.tables or not self.of_bytes):
            parts.append(f"{min(self.tables, self.of_tables)} of {self.of_tables} tables")
        if self.bytes:
            parts.append(f"{self.bytes / 2**20:.2f}{self._of_bytes()} MB")
        if self.bytes_per_s:
            parts.append(rate_words(self.bytes_per_s))
        if self.left_s is not None:
            parts.append(left_words(self.left_s))
        return ", ".join(parts)

    def _of_bytes(self) -> str:
        """A total that is exceeded was none."""
        if self.bytes > self.of_bytes:
            return ""
        return f" of {'about ' if self.guessed else ''}{self.of_bytes / 2**20:.2f}"


@dataclass(frozen=True, kw_only=True)
class Phase:
    """What a step did under one name, all times together; bytes or tables: 0 when it counted none.

    round_trips: how often our own sessions waited for an answer; neither their opening nor pg_dump is counted.
    """

    name: str
    seconds: float
    bytes: int
    tables: int
    round_trips: int

    def done(self) -> str:
        """`41.30 MB, 12 MB/s`, `6 tables`; nothing when nothing was counted."""
        parts = [f"{self.tables} tables"] if self.tables else []
        if self.bytes:
            parts.append(f"{self.bytes / 2**20:.2f} MB")
            parts += [rate_words(self.bytes / self.seconds)] if self.seconds > _SHORTEST_S else []
        return ", ".join([*parts, f"{self.round_trips} round trips"] if self.round_trips else parts)

    def as_json(self) -> dict[str, Any]:
        """For journal and report."""
        return {**asdict(self), "seconds": round(self.seconds, 3)}


@dataclass
class Progress:
    """The position of a step that works; replaced as a whole, so that a reader never sees half of it."""

    clock: Callable[[], float] = time.monotonic
    _position: Position = field(default_factory=Position, init=False)
    _phases: dict[str, Phase] = field(default_factory=dict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        self._restart()

    @property
    def position(self) -> Position:
        """As of now."""
        with self._lock:
            now_s = self.clock()
            position = self._position
            over = 0 < position.of_bytes == position.bytes  # what is done now, as building indexes, has no rate
            bytes_per_s = None if over else self._bytes.per_s(now_s)
            return replace(position, bytes_per_s=bytes_per_s, left_s=self._left_s(now_s))

    def begin(self, doing: str, *, of_tables: int = 0, of_bytes: int = 0, guessed: bool = False) -> None:
        """The next phase. guessed: nobody knows how many bytes it will be, and of_bytes is the best guess."""
        with self._lock:
            self._phases = self._phases_until_now()
            self._position = Position(doing=doing, of_tables=of_tables, of_bytes=of_bytes, guessed=guessed)
            self._restart()

    def tables_done(self, done: int, of: int | None = None) -> None:
        with self._lock:
            of_tables = self._position.of_tables if of is None else of
            self._position = replace(self._position, tables=done, of_tables=of_tables)
            self._tables.read(self.clock(), done)

    def bytes_done(self, done: int) -> None:
        with self._lock:
            self._position = replace(self._position, bytes=done)
            self._bytes.read(self.clock(), done)

    def round_trips_made(self, more: int) -> None:
        """Sessions tell it, from whichever thread."""
        with self._lock:
            self._round_trips += more

    def adopt(self, phases: Iterable[Phase]) -> None:
        """What was done of this step before it began."""
        with self._lock:
            self._phases |= {phase.name: phase for phase in phases}

    def phases(self) -> list[Phase]:
        """What was done until now, in the order in which it was begun first; empty when nothing was named."""
        with self._lock:
            found = self._phases_until_now().values() if self._position.doing or self._phases else ()
            return [phase for phase in found if phase.name != BEGINNING or phase.seconds > _SHORTEST_S]

    def _restart(self) -> None:
        self._began_s, self._round_trips = self.clock(), 0
        self._bytes = Pace(self._began_s)
        # One large table among few small ones says nothing of when the others are done.
        self._tables = Pace(self._began_s, fewest=_FEWEST_TABLES)

    def _left_s(self, now_s: float) -> float | None:
        position = self._position
        by_tables = self._tables.left_s(now_s, position.of_tables)
        if position.bytes >= position.of_bytes:
            return by_tables
        by_bytes = self._bytes.left_s(now_s, position.of_bytes)
        if by_bytes is None:
            return by_tables if position.guessed else None
        return max(by_bytes, by_tables or 0.0)  # both have to be done

    def _phases_until_now(self) -> dict[str, Phase]:
        position, name = self._position, self._position.doing or BEGINNING
        before = self._phases.get(name, Phase(name=name, seconds=0.0, bytes=0, tables=0, round_trips=0))
        now = Phase(
            name=name,
            seconds=before.seconds + self.clock() - self._began_s,
            bytes=before.bytes + position.bytes,
            tables=before.tables + position.tables,
            round_trips=before.round_trips + self._round_trips,
        )
        return {**self._phases, name: now}
