"""Rounds: in each every contestant copies the same data, in an order that alternates."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.bench.data import DataSet
from tests.bench.figures import CASES, COPY, Cell, Figures
from tests.bench.measured import Measured
from tests.bench.ours import Ours, RunFailed
from tests.bench.peers import Peer
from tests.bench.programs import ProgramFailed
from tests.bench.stage import Route, Stage

_LISTENS_S = 0.5


@dataclass(frozen=True, kw_only=True)
class Match:
    """One data set over one wire. round_trip_s: 0 is local, without a wire, so that nothing stands in the way;
    count: there, a last round that is not timed goes through wires without length, which count;
    foretell: peers are not timed, but counted, and what they would take over the wire is computed from that."""

    data: DataSet
    round_trip_s: float
    ours: Sequence[Ours]
    peers: Sequence[Peer]
    rounds: int
    cases: Sequence[str] = CASES
    count: bool = False
    foretell: bool = False

    def cell(self, contestant: str, case: str) -> Cell:
        ms = round(self.round_trip_s * 1000)
        return Cell(data=self.data.name, round_trip_ms=ms, contestant=contestant, case=case)


@dataclass(frozen=True, kw_only=True)
class Player:
    """Plays matches on a stage, and keeps the figures; who fails is left out of that round, and told."""

    stage: Stage
    figures: Figures
    tell: Callable[[str], None]

    def play(self, match: Match, source: str) -> None:
        """All rounds; source: the data's database."""
        if match.foretell:
            self._foretell(match, source)
        for number in range(match.rounds):
            halves = (self._ours,) if match.foretell else (self._peers, self._ours)
            for half in halves if number % 2 == 0 else reversed(halves):
                half(match, source, number)
        if match.count and not match.round_trip_s:
            self._count(match, source)

    def _peers(self, match: Match, source: str, number: int) -> None:
        """One after the other; over a long wire side by side, since they wait for it and not for the processor."""
        side_by_side = max(1, len(match.peers)) if match.round_trip_s else 1
        with ThreadPoolExecutor(side_by_side) as pool:
            try:
                peers = [pool.submit(self._peer, match, source, number, peer) for peer in _turned(match.peers, number)]
                # Not for ever: a signal that the system gives to another thread is heard when this one wakes.
                while wait(peers, _LISTENS_S).not_done:
                    pass
                for peer in peers:
                    peer.result()
            except BaseException:
                self.stage.programs.end()
                raise

    def _peer(self, match: Match, source: str, number: int, peer: Peer) -> None:
        cell = match.cell(peer.name, COPY)
        with self._forgiven(cell), self._route(match) as route:
            self._keep(cell, number, peer.run(self.stage, route, source))

    def _ours(self, match: Match, source: str, number: int) -> None:
        for ours in _turned(match.ours, number):
            with self._forgiven(match.cell(ours.name, "")), self._route(match) as route:
                self._cases(match, route, source, ours, lambda cell, run: self._keep(cell, number, run))

    def _count(self, match: Match, source: str) -> None:
        counted = self.figures.counted
        for peer in match.peers:
            with self._forgiven(cell := match.cell(peer.name, COPY)), self.stage.over(0.0) as route:
                counted[cell] = peer.run(self.stage, route, source)
        for ours in match.ours:
            with self._forgiven(match.cell(ours.name, "")), self.stage.over(0.0) as route:
                self._cases(match, route, source, ours, counted.__setitem__)
        self.tell(f"{match.data.name}, local: bytes and round trips are counted")

    def _foretell(self, match: Match, source: str) -> None:
        for peer in match.peers:
            cell = match.cell(peer.name, COPY)
            with self._forgiven(cell), self.stage.over(0.0) as route:
                counted = peer.run(self.stage, route, source)
                assert counted.source_wire
                assert counted.target_wire
                trips = counted.source_wire.round_trips + counted.target_wire.round_trips
                self.figures.counted[cell] = counted
                self.figures.foretold[cell] = counted.seconds + trips * match.round_trip_s
                self.tell(
                    f"{_where(cell)}: {peer.name} would take {self.figures.foretold[cell]:.1f} s, {trips} round trips"
                )

    def _cases(
        self, match: Match, route: Route, source: str, ours: Ours, keep: Callable[[Cell, Measured], Any]
    ) -> None:
        with ours.ready(self.stage, route, source) as run:
            for case in CASES:
                if case not in match.cases and case != "first":
                    continue
                if case == "part":
                    self.stage.change(match.data, source)
                keep(match.cell(ours.name, case), run())

    def _keep(self, cell: Cell, number: int, measured: Measured) -> None:
        self.figures.keep(cell, number, measured)
        self.tell(f"{_where(cell)}, round {number + 1}: {cell.contestant}, {cell.case}: {measured.seconds:.2f} s")

    @contextmanager
    def _forgiven(self, cell: Cell) -> Iterator[None]:
        try:
            yield
        except (RunFailed, ProgramFailed) as error:
            line = f"{_where(cell)}: {cell.contestant}: {' '.join(str(error).split())[-700:]}"
            self.figures.failures.append(line)
            self.tell(line)

    @contextmanager
    def _route(self, match: Match) -> Iterator[Route]:
        if not match.round_trip_s:
            yield self.stage.direct()
            return
        with self.stage.over(match.round_trip_s) as route:
            yield route


def _turned(contestants: Sequence[Any], number: int) -> list[Any]:
    """In every other round from the last to the first."""
    return list(contestants if number % 2 == 0 else reversed(contestants))


def _where(cell: Cell) -> str:
    return f"{cell.data}, {f'{cell.round_trip_ms} ms' if cell.round_trip_ms else 'local'}"
