"""The inside of a wire: blocks on their way, each with the time at which it is due, in both directions."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import cast

from tests.bench.counting import Counter

_MOST_ON_THE_WAY_BYTES = 64 * 2**20  # a reader that is slower than the sender makes the sender wait, as TCP does
_LINGER_S = 0.01  # so that what came before the end goes first


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
            with suppress(OSError):  # its other end may have gone, unheard of yet
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


class Near(_End):
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
