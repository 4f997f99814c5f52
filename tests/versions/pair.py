"""What is played for two majors, and what came of it."""

from dataclasses import dataclass, field
from typing import Literal

from tests.support.majors import MAJORS


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A source and a target of these majors, copied by this method.

    clients: the pg_dump that is there. `every`: that of every major, as in the image, of which the newest writes the
    schema; `near`: only the target's own, or 15's where that is older; `own`: the target's own whatever it is.
    """

    source: int
    target: int
    method: Literal["swap", "in_place"]
    clients: Literal["every", "near", "own"]

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


def swap(source: int, target: int) -> Pair:
    """By renaming, with all of the image's clients."""
    return Pair(source=source, target=target, method="swap", clients="every")


def in_place(source: int, target: int) -> Pair:
    """In one transaction, on a machine that has only the client of its server."""
    return Pair(source=source, target=target, method="in_place", clients="near")


def every_pair() -> list[Pair]:
    """Each source no newer than its target; the newest targets first, which have most sources.

    A way is a method and what there is of pg_dump. A pair of one major goes both ways, so that each server is the
    target of both methods; the others go one of them by turns.
    """
    pairs: list[Pair] = []
    for target in reversed(MAJORS):
        older = [source for source in MAJORS if source < target]
        pairs += [(in_place, swap)[(source + target) % 2](source, target) for source in older]
        pairs += [swap(target, target), in_place(target, target)]
    return [*pairs, Pair(source=MAJORS[0], target=MAJORS[0], method="swap", clients="own")]
