"""A server that takes connections and says nothing, as one that hangs, or as a network that lost its way back."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Silent:
    """Where it listens."""

    listening: socket.socket
    taken: list[socket.socket] = field(default_factory=list)

    @property
    def port(self) -> int:
        port: int = self.listening.getsockname()[1]
        return port

    @property
    def postgres_url(self) -> str:
        return f"postgresql://u:s3cret@127.0.0.1:{self.port}/railway"

    def wait_until_asked(self) -> None:
        """Returns once somebody has connected and waits for an answer, which does not come."""
        taken, _ = self.listening.accept()
        self.taken.append(taken)
        taken.settimeout(_PATIENCE_S)
        taken.recv(1, socket.MSG_PEEK)


@contextmanager
def silent_server() -> Iterator[Silent]:
    """On a free port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(_PATIENCE_S)
        silent = Silent(listening)
        yield silent
        for taken in silent.taken:
            taken.close()
