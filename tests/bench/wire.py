"""A wire that is as long as the internet: a TCP proxy in a process of its own that delays, counts, and lets all pass.

Each block leaves half a round trip after it came, at its own time: many are on the way at once, so that the wire is
long and not narrow. Opening a connection takes a round trip, as a handshake does. No block is ever early; a busy
machine makes it late.

`python -m tests.bench.wire --to PORT --round-trip-ms N` is that process. It prints its port; a line on its standard
input is answered with what was counted since the line before.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

_MOST_ON_THE_WAY_BYTES = 64 * 2**20  # a reader that is slower than the sender makes the sender wait, as TCP does
_SHOWN_BYTES = 400
_LINGER_S = 0.01  # so that what came before the end goes first
_HEADER_BYTES = 5  # of a message: its kind and its length
_VERSION_3 = b"\x00\x03\x00\x00"
_WITHOUT_KIND = {
    b"\x00\x00\x00\x08\x04\xd2\x16\x2f": "(whether there is TLS)",
    b"\x00\x00\x00\x08\x04\xd2\x16\x30": "(whether there is GSSAPI)",
}
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
class _Connection:
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
        self._connections: list[_Connection] = []
        self._numbers = 0

    def opened(self) -> _Connection:
        self._numbers += 1
        connection = _Connection(self._numbers, self._clock())
        self._connections.append(connection)
        self._count.connections += 1
        self._count.round_trips += 1  # TCP's handshake
        return connection

    def said(self, connection: _Connection, block: bytes) -> None:
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

    def heard(self, connection: _Connection, size_bytes: int) -> None:
        """The client has been given so many bytes."""
        connection.heard = True
        self._count.down_bytes += size_bytes
        if connection.turn:
            connection.turn.down_bytes += size_bytes
            connection.turn.until = self._clock()

    def closed(self, connection: _Connection) -> None:
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
    if kind == b"p":
        return "(the password)"
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


class _Lane:
    """One direction of a connection: what has come in, and when each block is due."""

    def __init__(self, delay_s: float, passed: Callable[[int], None], at_end: Callable[[], None]) -> None:
        self._delay_s = delay_s
        self._passed = passed
        self._at_end = at_end
        self._blocks: deque[tuple[float, bytes | None]] = deque()
        self._waiting_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._paused = False
        self.not_before = 0.0
        self.writing_paused = False
        self.ended = False
        self.reader: asyncio.Transport | None = None
        self.writer: asyncio.Transport | None = None

    def put(self, block: bytes | None) -> None:
        """None: its end."""
        loop = asyncio.get_running_loop()
        self._blocks.append((max(loop.time(), self.not_before) + self._delay_s, block))
        self._waiting_bytes += len(block or b"")
        if self._waiting_bytes > _MOST_ON_THE_WAY_BYTES and self.reader and not self._paused:
            self._paused = True
            self.reader.pause_reading()
        if self._timer is None:
            self._schedule()

    def _schedule(self) -> None:
        self._timer = None
        if self._blocks and not self.writing_paused:
            self._timer = asyncio.get_running_loop().call_at(self._blocks[0][0], self.deliver)

    def deliver(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._blocks and self._blocks[0][0] <= now and self.writer and not self.writing_paused:
            _, block = self._blocks.popleft()
            if block is None:
                self.ended = True
                self._end(self.writer)
            elif not self.writer.is_closing():
                self.writer.write(block)
                self._passed(len(block))
                self._waiting_bytes -= len(block)
        if self._paused and self._waiting_bytes < _MOST_ON_THE_WAY_BYTES // 2 and self.reader:
            self._paused = False
            if not self.reader.is_closing():
                self.reader.resume_reading()
        self._schedule()

    def _end(self, writer: asyncio.Transport) -> None:
        if not writer.is_closing():
            writer.write_eof()
        self._at_end()

    def resume_writing(self) -> None:
        self.writing_paused = False
        if self._timer is None:
            self._schedule()


class _End(asyncio.Protocol):
    """One end of a connection: what comes in goes to `out`, what goes out came through `back`."""

    def __init__(self, out: _Lane, back: _Lane, came: Callable[[bytes], None], gone: Callable[[], None]) -> None:
        self._out, self._back, self._came, self._gone = out, back, came, gone

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast(asyncio.Transport, transport)
        self._out.reader = self._back.writer = stream

    def data_received(self, data: bytes) -> None:
        self._came(data)
        self._out.put(data)

    def eof_received(self) -> bool:
        self._out.put(None)
        return True

    def pause_writing(self) -> None:
        self._back.writing_paused = True

    def resume_writing(self) -> None:
        self._back.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's name for it
        self._gone()


class _Near(_End):
    """The client's end; it opens the other one."""

    def __init__(self, port: int, delay_s: float, counter: Counter) -> None:
        self._port, self._delay_s, self._counter = port, delay_s, counter
        self._connection = counter.opened()
        up = _Lane(delay_s, lambda _: None, self._one_way_ended)
        down = _Lane(delay_s, lambda size: counter.heard(self._connection, size), self._one_way_ended)
        super().__init__(up, down, lambda block: counter.said(self._connection, block), self._lost)
        self._up, self._down = up, down

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert self._up.reader is not None
        self._up.reader.pause_reading()
        loop = asyncio.get_running_loop()
        self._up.not_before = loop.time() + 2 * self._delay_s
        self._opening = loop.create_task(self._open())

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        assert self._up.reader is not None
        try:
            await loop.create_connection(
                lambda: _End(self._down, self._up, lambda _: None, self._lost), "127.0.0.1", self._port
            )
        except OSError:
            self._up.reader.abort()
            return
        self._up.reader.resume_reading()

    def eof_received(self) -> bool:
        self._counter.closed(self._connection)
        return super().eof_received()

    def _one_way_ended(self) -> None:
        if self._up.ended and self._down.ended:
            self._close()

    def _lost(self) -> None:
        """One end is gone: the other follows, when it would have heard of it."""
        self._counter.closed(self._connection)
        asyncio.get_running_loop().call_later(self._delay_s + _LINGER_S, self._close)

    def _close(self) -> None:
        for lane in (self._up, self._down):
            if lane.writer:
                lane.writer.close()


class Wire:
    """The proxy's process, to a port of loopback. `port` is where it listens."""

    def __init__(self, to: int, round_trip_s: float = 0.0) -> None:
        self.round_trip_s = round_trip_s
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, "--to", str(to), "--round-trip-ms", f"{round_trip_s * 1000:g}"],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for whoever has started it
        )
        self.port = int(self._answer())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def take(self) -> Count:
        """What passed since it was taken before."""
        assert self._process.stdin is not None
        self._process.stdin.write("take\n")
        self._process.stdin.flush()
        found: dict[str, Any] = json.loads(self._answer())
        return Count(**{**found, "turns": [Turn(**turn) for turn in found["turns"]]})

    def _answer(self) -> str:
        assert self._process.stdout is not None
        if line := self._process.stdout.readline():
            return line
        raise RuntimeError("the wire's process has ended")


async def _serve(port: int, delay_s: float) -> None:
    loop = asyncio.get_running_loop()
    counter = Counter()
    server = await loop.create_server(lambda: _Near(port, delay_s, counter), "127.0.0.1", 0)
    _print(str(server.sockets[0].getsockname()[1]))
    while await loop.run_in_executor(None, sys.stdin.readline):
        _print(json.dumps(asdict(counter.take())))


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the answer


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--to", type=int, required=True)
    parser.add_argument("--round-trip-ms", type=float, required=True)
    options = parser.parse_args()
    asyncio.run(_serve(options.to, options.round_trip_ms / 2000))


if __name__ == "__main__":
    _main()
