"""Rounds: in each every contestant copies the same data, in an order that alternates."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.bench.data import DataSet
from tests.bench.figures import Cell, Figures
from tests.bench.measured import Measured
from tests.bench.ours import Ours
from tests.bench.peers import Peer
from tests.bench.stage import Stage

COPY = "copy"
CASES = ("first", "same", "part")  # of ours, in this order: each builds on the one before


@dataclass(frozen=True, kw_only=True)
class Match:
    """One data set over one wire. round_trip_s: 0 is local, without a wire, so that nothing stands in the way;
    there, a last round that is not timed goes through wires, which count."""

    data: DataSet
    round_trip_s: float
    ours: Sequence[Ours]
    peers: Sequence[Peer]
    rounds: int
    cases: Sequence[str] = CASES
    count: bool = True

    @property
    def round_trip_ms(self) -> int:
        return round(self.round_trip_s * 1000)

    def cell(self, contestant: str, case: str) -> Cell:
        return Cell(data=self.data.name, round_trip_ms=self.round_trip_ms, case=case, contestant=contestant)


@dataclass(frozen=True, kw_only=True)
class Player:
    """Plays matches on a stage, and keeps the figures."""

    stage: Stage
    figures: Figures
    tell: Callable[[str], None]

    def play(self, match: Match, source: str) -> None:
        """All rounds; source: the data's database."""
        for number in range(match.rounds):
            halves = (self._peers, self._ours)
            for half in halves if number % 2 == 0 else reversed(halves):
                half(match, source, number)
        if match.count and not match.round_trip_s:
            self._count(match, source)

    def _peers(self, match: Match, source: str, number: int) -> None:
        """One after the other; over a long wire side by side, since they wait for it and not for the processor."""
        side_by_side = len(match.peers) if match.round_trip_s and match.peers else 1
        ordered = match.peers if number % 2 == 0 else list(reversed(match.peers))
        with ThreadPoolExecutor(side_by_side) as pool:
            for done in [pool.submit(self._peer, match, source, number, peer) for peer in ordered]:
                done.result()

    def _peer(self, match: Match, source: str, number: int, peer: Peer) -> None:
        cell = match.cell(peer.name, COPY)
        if match.round_trip_s:
            with self.stage.over(match.round_trip_s) as route:
                measured = peer.run(self.stage, route, source)
        else:
            measured = peer.run(self.stage, self.stage.direct(), source)
        self._keep(cell, number, measured)

    def _ours(self, match: Match, source: str, number: int) -> None:
        for ours in match.ours if number % 2 == 0 else reversed(match.ours):
            if match.round_trip_s:
                with self.stage.over(match.round_trip_s) as route, ours.ready(self.stage, route, source) as run:
                    self._cases(match, source, ours, lambda cell: self._keep(cell, number, run()))
            else:
                with ours.ready(self.stage, self.stage.direct(), source) as run:
                    self._cases(match, source, ours, lambda cell: self._keep(cell, number, run()))

    def _cases(self, match: Match, source: str, ours: Ours, run: Callable[[Cell], None]) -> None:
        last = max(CASES.index(case) for case in match.cases)
        for case in CASES[: last + 1]:
            if case == "same" and case not in match.cases:
                continue
            if case == "part":
                self.stage.change(match.data, source)
            run(match.cell(ours.name, case))

    def _keep(self, cell: Cell, number: int, measured: Measured) -> None:
        self.figures.keep(cell, number, measured)
        self.tell(
            f"{cell.data}, {cell.round_trip_ms} ms, round {number + 1}: "
            f"{cell.contestant} {cell.case} {measured.seconds:.2f} s"
        )

    def _count(self, match: Match, source: str) -> None:
        """One more round over wires without length: it counts, and is not timed."""
        with self.stage.over(0.0) as route:
            for peer in match.peers:
                self.figures.counted[match.cell(peer.name, COPY)] = peer.run(self.stage, route, source)
        for ours in match.ours:
            with self.stage.over(0.0) as route, ours.ready(self.stage, route, source) as run:
                self._cases(match, source, ours, lambda cell: self._count_one(cell, run()))
        self.tell(f"{match.data.name}, local: bytes and round trips counted")

    def _count_one(self, cell: Cell, measured: Measured) -> None:
        self.figures.counted[cell] = measured
