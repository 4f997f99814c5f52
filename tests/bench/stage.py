"""Where it is played: two PostgreSQL servers, a Valkey, the data, and the ways that lead there."""

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.bench.counting import Count
from tests.bench.data import DataSet
from tests.bench.programs import Programs
from tests.bench.wire import Wire
from tests.support.installation import ask, tell
from worker.demo.servers import PostgresBinaries, PostgresServer, ValkeyServer

_numbers = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class Route:
    """How a contestant reaches both servers. source, target: the servers, with the ports that it is to use."""

    source: PostgresServer
    target: PostgresServer
    source_pid: int
    target_pid: int
    round_trip_s: float = 0.0
    wires: tuple[Wire, Wire] | None = None

    def take(self) -> tuple[Count, Count] | tuple[None, None]:
        """What passed since it was taken before, to source and target; None where nothing counts."""
        return (self.wires[0].take(), self.wires[1].take()) if self.wires else (None, None)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """home: a folder that is gone afterwards."""

    home: Path
    source: PostgresServer
    target: PostgresServer
    valkey: ValkeyServer
    programs: Programs = field(default_factory=Programs)
    _turns: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def build(self, data: DataSet) -> str:
        """Make the data's database at the source; its name."""
        name = f"bench_{''.join(filter(str.isalnum, data.name)).lower()}"
        tell(self.source.dsn(), f"CREATE DATABASE {name} TEMPLATE template0")
        for statements in data.statements():
            tell(self.source.dsn(name), statements)
        tell(self.source.dsn(name), "VACUUM")  # or the first reader would have to set its hint bits
        return name

    def drop(self, database: str) -> None:
        """At the source."""
        tell(self.source.dsn(), f"DROP DATABASE {database} WITH (FORCE)")

    def change(self, data: DataSet, database: str) -> None:
        """Change what changes between two runs of this data set; each time something else."""
        tell(self.source.dsn(database), data.change.format(turn=next(self._turns)))
        tell(self.source.dsn(), "CHECKPOINT")

    def set_locks(self, per_transaction: int) -> None:
        """Start the source again with this max_locks_per_transaction."""
        tell(self.source.dsn(), f"ALTER SYSTEM SET max_locks_per_transaction = {per_transaction}")
        self.source.restart()

    def size_bytes(self, database: str) -> int:
        return int(ask(self.source.dsn(), f"SELECT pg_database_size('{database}')")[0][0])

    @contextmanager
    def empty_target(self) -> Iterator[str]:
        """A database at the target for one contestant; it and what a run may leave beside it are dropped after."""
        name = f"bench_target_{next(_numbers)}"
        tell(self.target.dsn(), f"CREATE DATABASE {name} TEMPLATE template0")
        tell(self.target.dsn(), "CHECKPOINT")
        try:
            yield name
        finally:
            beside = f"SELECT datname FROM pg_database WHERE datname = '{name}' OR starts_with(datname, '{name}__')"
            for (each,) in ask(self.target.dsn(), beside):
                tell(self.target.dsn(), f'DROP DATABASE IF EXISTS "{each}" WITH (FORCE)')

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """For one contestant's files."""
        path = Path(tempfile.mkdtemp(dir=self.home))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def direct(self) -> Route:
        """Without a wire: nothing is counted, nothing is in the way."""
        assert self.source.process is not None
        assert self.target.process is not None
        return Route(
            source=self.source,
            target=self.target,
            source_pid=self.source.process.pid,
            target_pid=self.target.process.pid,
        )

    @contextmanager
    def over(self, round_trip_s: float) -> Iterator[Route]:
        """A route over two wires of this length; each caller has wires of its own."""
        direct = self.direct()
        with Wire(self.source.port, round_trip_s) as near, Wire(self.target.port, round_trip_s) as far:
            yield replace(
                direct,
                source=replace(self.source, port=near.port),
                target=replace(self.target, port=far.port),
                round_trip_s=round_trip_s,
                wires=(near, far),
            )


@contextmanager
def staged(binaries: PostgresBinaries) -> Iterator[Stage]:
    """Both servers and Valkey, while inside; then nothing of them is left."""
    with ExitStack() as stack:
        home = Path(tempfile.mkdtemp(prefix="rns-bench-"))
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        source, target = (PostgresServer(home / name, binaries) for name in ("source", "target"))
        for server in (source, target):
            stack.callback(server.remove)
            server.create().start()
        valkey = ValkeyServer(home / "valkey")
        stack.callback(valkey.stop)
        valkey.start()
        stage = Stage(home=home, source=source, target=target, valkey=valkey)
        stack.callback(stage.programs.end)
        yield stage
