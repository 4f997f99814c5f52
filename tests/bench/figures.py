"""What was measured, contestant by contestant and round by round, and what follows from it: medians and ratios."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median
from typing import Self

from tests.bench.measured import Measured

COPY = "copy"
CASES = ("first", "same", "part")  # of ours, in this order: each builds on the one before
OURS = ("worker", "engine")


@dataclass(frozen=True, kw_only=True, order=True)
class Cell:
    """What was measured: this contestant, in this case, on this data, over this wire (0 ms: local, without one).

    case: one of CASES for ours; the peers always copy all, into an empty database: COPY.
    """

    data: str
    round_trip_ms: int
    contestant: str
    case: str


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A median and what lies around it; count: of how many, 0 when it was foretold."""

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        every = sorted(values)
        return cls(median=median(every), low=every[0], high=every[-1], count=len(every))


@dataclass(frozen=True, kw_only=True)
class Section:
    """One data set, as it was measured by one command. changed: what changes in it for the case `part`."""

    data: str
    says: str
    changed: str
    size_bytes: int
    measured_at: str
    commit: str
    command: str
    machine: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that was tried out and is no time. words: what was found; holds: whether it is as it should be."""

    name: str
    data: str
    words: str
    holds: bool


@dataclass
class Figures:
    """runs: of each cell, by the number of their round; counted: one run of a cell over wires that count, where the
    others went without; foretold: seconds of a cell that were computed and not measured."""

    sections: dict[str, Section] = field(default_factory=dict)
    runs: dict[Cell, dict[int, Measured]] = field(default_factory=dict)
    counted: dict[Cell, Measured] = field(default_factory=dict)
    foretold: dict[Cell, float] = field(default_factory=dict)
    findings: dict[str, Finding] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def keep(self, cell: Cell, number: int, measured: Measured) -> None:
        self.runs.setdefault(cell, {})[number] = measured

    def cells(self) -> list[Cell]:
        """In the order in which they were played first."""
        return list(dict.fromkeys([*self.runs, *self.foretold]))

    def of(self, cell: Cell) -> list[Measured]:
        return list(self.runs.get(cell, {}).values())

    def seconds(self, cell: Cell) -> Spread | None:
        """None when it was neither measured nor foretold."""
        if runs := self.of(cell):
            return Spread.of(run.seconds for run in runs)
        foretold = self.foretold.get(cell)
        return None if foretold is None else Spread(median=foretold, low=foretold, high=foretold, count=0)

    def wires(self, cell: Cell) -> Measured | None:
        """A run whose bytes and round trips were counted."""
        return next((run for run in self.of(cell) if run.source_wire), None) or self.counted.get(cell)

    def ratio(self, cell: Cell, against: Cell) -> Spread | None:
        """Of seconds, round by round; of one that was foretold by that. None: one of them is missing."""
        ours, theirs = self.runs.get(cell, {}), self.runs.get(against, {})
        if not theirs and (foretold := self.foretold.get(against)):
            spread = Spread.of(run.seconds / foretold for run in ours.values()) if ours else None
            return spread and Spread(median=spread.median, low=spread.low, high=spread.high, count=0)
        both = ours.keys() & theirs.keys()
        return Spread.of(ours[number].seconds / theirs[number].seconds for number in both) if both else None

    def peaks(self, cell: Cell) -> dict[str, int]:
        """The greatest memory of each program, in bytes."""
        found: dict[str, int] = {}
        for run in self.of(cell):
            for name, peak in run.peak_bytes.items():
                found[name] = max(peak, found.get(name, 0))
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def put(self, other: "Figures") -> None:
        """Take another command's: its data sets in the place of ours, with all that belongs to them."""
        self.absent = other.absent
        self.failures = [line for line in self.failures if line.partition(",")[0] not in other.sections]
        self.failures += other.failures
        for mine, new in ((self.runs, other.runs), (self.counted, other.counted), (self.foretold, other.foretold)):
            for cell in [cell for cell in mine if cell.data in other.sections]:
                del mine[cell]
            mine.update(new)  # type: ignore[arg-type]
        self.findings = {name: each for name, each in self.findings.items() if each.data not in other.sections}
        self.findings |= other.findings
        self.sections |= other.sections
