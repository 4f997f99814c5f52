"""One cell of the matrix, and what was found in it."""

from dataclasses import dataclass, field

OUTCOME_BOUND_S = 75.0
READER_BOUND_S = 2.0


@dataclass(frozen=True, kw_only=True)
class Cell:
    victim: str
    instant: str
    method: str
    after_s: float | None = None  # so long after the run was sent, instead of at a named instant

    @property
    def needs_network(self) -> bool:
        return self.victim.startswith("network ")

    def __str__(self) -> str:
        when = self.instant if self.after_s is None else f"{self.after_s:.3f} s"
        return f"{self.victim} x {when} ({self.method})"


@dataclass
class Verdict:
    """What was found; `failures` is empty when all held."""

    cell: Cell
    failures: list[str] = field(default_factory=list)
    outcome: str | None = None
    to_outcome_s: float = 0.0
    reader_gap_s: float | None = None
    ended_before: str = ""  # why there was no blow
    followed: bool = False  # by a run that nobody struck

    def __str__(self) -> str:
        gap = "" if self.reader_gap_s is None else f", a reader waited {self.reader_gap_s:.2f} s"
        held = f"FAILED {'; '.join(self.failures)}" if self.failures else "held"
        return f"{self.cell}: {self.outcome or 'never begun'} after {self.to_outcome_s:.1f} s{gap}: {held}"

    def demand(self, holds: bool, said: str) -> None:
        if not holds:
            self.failures.append(said)
