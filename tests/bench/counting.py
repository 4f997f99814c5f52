"""What passes over a wire, counted: bytes, round trips, connections, and what was said in each round trip."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

_SHOWN_BYTES = 400
_HEADER_BYTES = 5  # of a message: its kind and its length
_VERSION_3 = b"\x00\x03\x00\x00"
_WITHOUT_KIND = {
    b"\x00\x00\x00\x08\x04\xd2\x16\x2f": "(whether there is TLS)",
    b"\x00\x00\x00\x08\x04\xd2\x16\x30": "(whether there is GSSAPI)",
}
_UNTEXTED = {b"p": "(the password)", b"d": "(rows)", b"c": "(the end of the rows)"}
_TERMINATE = b"X\x00\x00\x00\x04"


@dataclass
class Turn:
    """A client has spoken after it had heard something: a round trip, unless it does not wait.

    at, until: seconds of the system's monotonic clock, of its first byte and of the last byte of the answer;
    said: the beginning of what it said; up_bytes, down_bytes: what passed until the next turn.
    """

    connection: int
    at: float
    until: float
    said: str
    up_bytes: int = 0
    down_bytes: int = 0


@dataclass
class Count:
    """What passed over a wire. open_s: time in which at least one connection was open."""

    up_bytes: int = 0
    down_bytes: int = 0
    round_trips: int = 0
    connections: int = 0
    open_s: float = 0.0
    turns: list[Turn] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        return self.up_bytes + self.down_bytes


@dataclass
class Connection:
    number: int
    opened: float
    closed: float | None = None
    heard: bool = True
    turn: Turn | None = None


class Counter:
    """Counts for one answer after the other; connections stay open over several."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since = clock()
        self._count = Count()
        self._connections: list[Connection] = []
        self._numbers = 0

    def opened(self) -> Connection:
        self._numbers += 1
        connection = Connection(self._numbers, self._clock())
        self._connections.append(connection)
        self._count.connections += 1
        self._count.round_trips += 1  # TCP's handshake
        return connection

    def said(self, connection: Connection, block: bytes) -> None:
        """The client has sent this."""
        if connection.heard and block != _TERMINATE:
            now = self._clock()
            connection.turn = Turn(connection.number, now, now, told(block))
            self._count.turns.append(connection.turn)
            self._count.round_trips += 1
        connection.heard = False
        self._count.up_bytes += len(block)
        if connection.turn:
            connection.turn.up_bytes += len(block)

    def heard(self, connection: Connection, size_bytes: int) -> None:
        """The client has been given so many bytes."""
        connection.heard = True
        self._count.down_bytes += size_bytes
        if connection.turn:
            connection.turn.down_bytes += size_bytes
            connection.turn.until = self._clock()

    def closed(self, connection: Connection) -> None:
        connection.closed = connection.closed or self._clock()

    def take(self) -> Count:
        """All since it was taken before."""
        now, count = self._clock(), self._count
        count.open_s = union_s([(max(each.opened, self._since), each.closed or now) for each in self._connections])
        self._connections = [each for each in self._connections if each.closed is None]
        self._count, self._since = Count(), now
        return count


def told(block: bytes) -> str:
    """What a client of PostgreSQL says with this, in words; the beginning of its text where it is a statement."""
    if block[:8] in _WITHOUT_KIND:
        return _WITHOUT_KIND[block[:8]]
    if block[4:8] == _VERSION_3:
        return "(the session's parameters)"
    kind, rest = block[:1], block[_HEADER_BYTES : _HEADER_BYTES + _SHOWN_BYTES]
    if kind in _UNTEXTED:
        return _UNTEXTED[kind]
    if kind == b"P":  # a prepared statement: its name, then its text
        rest = rest.partition(b"\0")[2]
    return rest.decode("utf-8", "replace").rstrip("\0").replace("\0", " ")


def union_s(spans: list[tuple[float, float]]) -> float:
    """Seconds that lie in at least one of the spans."""
    total, end = 0.0, float("-inf")
    for begin, until in sorted(spans):
        total += max(0.0, until - max(begin, end))
        end = max(end, until)
    return total
