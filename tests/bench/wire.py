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
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.bench.counting import Count, Counter, Turn
from tests.bench.lanes import Near


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
    server = await loop.create_server(lambda: Near(port, delay_s, counter), "127.0.0.1", 0)
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
