"""How far a step is: written by the engine from any thread, read by whoever shows it."""

import threading
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, kw_only=True)
class Position:
    """One reading; zero or None means not known (yet)."""

    doing: str = ""
    tables: int = 0
    of_tables: int = 0
    bytes: int = 0
    of_bytes: int = 0

    def __str__(self) -> str:
        parts = [self.doing] if self.doing else []
        if self.of_tables:
            parts.append(f"{min(self.tables, self.of_tables)} of {self.of_tables} tables")
        if self.bytes:
            of = f" of {self.of_bytes / 2**20:.2f}" if self.of_bytes else ""
            parts.append(f"{self.bytes / 2**20:.2f}{of} MB")
        return ", ".join(parts)


@dataclass
class Progress:
    """The position of a step that works; replaced as a whole, so that a reader never sees half of it."""

    position: Position = field(default_factory=Position)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def begin(self, doing: str, *, of_tables: int = 0, of_bytes: int = 0) -> None:
        with self._lock:
            self.position = Position(doing=doing, of_tables=of_tables, of_bytes=of_bytes)

    def tables_done(self, done: int, of: int | None = None) -> None:
        with self._lock:
            of_tables = self.position.of_tables if of is None else of
            self.position = replace(self.position, tables=done, of_tables=of_tables)

    def bytes_done(self, done: int) -> None:
        with self._lock:
            self.position = replace(self.position, bytes=done)
