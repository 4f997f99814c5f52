"""What is played for two majors, and what came of it."""

from dataclasses import dataclass, field
from typing import Literal

from tests.support.majors import MAJORS


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A source and a target of these majors, copied by this method.

    clients: the pg_dump that is there. `nearest`: that of every major, as in the image; `newest`: only the newest;
    `only`: only the target's own.
    """

    source: int
    target: int
    method: Literal["swap", "in_place"]
    clients: Literal["nearest", "newest", "only"]

    def __str__(self) -> str:
        return f"{self.source} to {self.target}, {self.method}, {self.clients} pg_dump"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a pair did not do as it should: one sentence each; none when it held."""

    pair: Pair
    took_s: float
    failures: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        told = "\n".join(f"    {failure}" for failure in self.failures)
        return f"{'failed' if told else 'held'}: {self.pair} ({self.took_s:.1f} s)" + (f"\n{told}" if told else "")


def every_pair() -> list[Pair]:
    """Each source no newer than its target, with both methods; the newest targets first, which have most sources."""
    return [
        Pair(source=source, target=target, method=method, clients=clients)
        for target in reversed(MAJORS)
        for source in MAJORS
        if source <= target
        for method, clients in _ways(source, target)
    ]


def _ways(source: int, target: int) -> list[tuple[Literal["swap", "in_place"], Literal["nearest", "newest", "only"]]]:
    # A machine that has but one pg_dump has mostly its servers' own: where both are of the oldest, that says least.
    alone = [("swap", "only")] if source == target == MAJORS[0] else []
    return [("swap", "nearest"), ("in_place", "newest"), *alone]
