"""What was measured, contestant by contestant and round by round, and what follows from it: medians and ratios."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median

from tests.bench.measured import Measured


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What was measured: this contestant, in this case, on this data, over this wire. case: peers have only `copy`."""

    data: str
    round_trip_ms: int
    case: str
    contestant: str


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A median and what lies around it."""

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        every = sorted(values)
        return cls(median=median(every), low=every[0], high=every[-1], count=len(every))


@dataclass
class Figures:
    """by_round: each cell's runs by the number of their round; counted: one run of a cell over counting wires, where
    the others went without; foretold: seconds of a cell that were computed and not measured."""

    by_round: dict[Cell, dict[int, Measured]] = field(default_factory=dict)
    counted: dict[Cell, Measured] = field(default_factory=dict)
    foretold: dict[Cell, float] = field(default_factory=dict)
    sizes_bytes: dict[str, int] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)

    def keep(self, cell: Cell, number: int, measured: Measured) -> None:
        self.by_round.setdefault(cell, {})[number] = measured

    def runs(self, cell: Cell) -> list[Measured]:
        return list(self.by_round.get(cell, {}).values())

    def seconds(self, cell: Cell) -> Spread | None:
        """None when it was not measured."""
        runs = self.runs(cell)
        if not runs and cell in self.foretold:
            return Spread(median=self.foretold[cell], low=self.foretold[cell], high=self.foretold[cell], count=0)
        return Spread.of(run.seconds for run in runs) if runs else None

    def wires(self, cell: Cell) -> Measured | None:
        """A run whose bytes and round trips were counted."""
        return next((run for run in self.runs(cell) if run.source_wire), None) or self.counted.get(cell)

    def ratio(self, cell: Cell, against: Cell) -> Spread | None:
        """Of seconds, round by round; against what was foretold where nothing was measured. None: not measured."""
        ours, theirs = self.by_round.get(cell, {}), self.by_round.get(against, {})
        if not theirs and against in self.foretold and ours:
            return Spread.of(run.seconds / self.foretold[against] for run in ours.values())
        both = ours.keys() & theirs.keys()
        return Spread.of(ours[number].seconds / theirs[number].seconds for number in both) if both else None
