"""A network that can break: a TCP proxy on loopback that resets, stalls for ever, or delays."""

import socket
import struct
import threading
import time
from contextlib import closing, suppress
from types import TracebackType
from typing import Self

_BLOCK_BYTES = 65536
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with 0 s: closing sends RST


class Proxy:
    """Forwards to a port of loopback. `reset()` cuts what is open; `stalled` swallows all; `delay_s` is per block."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._flowing = threading.Event()
        self._flowing.set()
        self._over = threading.Event()
        self._open: set[socket.socket] = set()
        self.delay_s = 0.0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, name=f"proxy {self.port}", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._flowing.set()
        self._listener.close()
        self.reset()

    def reset(self) -> None:
        """Both ends of every connection get a RST."""
        for connection in list(self._open):
            with suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                connection.shutdown(socket.SHUT_RDWR)
            with suppress(OSError):
                connection.close()
        self._open.clear()

    def stall(self) -> None:
        """From now on nothing passes, and nobody is told."""
        self._flowing.clear()

    def flow(self) -> None:
        self.delay_s = 0.0
        self._flowing.set()

    def heal(self) -> None:
        """What was stalled is dead, what is new passes."""
        self.reset()
        self.flow()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        self._open.add(near)
        self._flowing.wait()
        try:
            far = socket.create_connection(("127.0.0.1", self._to), timeout=5)
        except OSError:
            near.close()
            return
        far.settimeout(None)
        self._open.add(far)
        back = threading.Thread(target=self._pump, args=(far, near), daemon=True)
        back.start()
        self._pump(near, far)
        back.join()
        for connection in (near, far):
            self._open.discard(connection)
            with closing(connection):
                pass

    def _pump(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while block := one.recv(_BLOCK_BYTES):
                self._flowing.wait()
                if self.delay_s:
                    time.sleep(self.delay_s)
                other.sendall(block)
        with suppress(OSError):
            self._flowing.wait()
            other.shutdown(socket.SHUT_RDWR)
