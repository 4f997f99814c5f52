"""How long the next run will take, step by step: from the runs that were, else from size and round trip.

What runs took grows with the data: a step's seconds are stretched by how much larger its database is today, never
shrunk. Where it was small then, its seconds were not the data's, and what has come is added by the formula's rate.
Where no run has succeeded yet there is a plain formula, whose figures were measured:

    seconds of a step = fixed + round trips of it x round trip + size / rate

the last two for each of the two servers. Round trips are a constant and so many for each table. How wide the wire is,
is not known.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

from tasks.engine.history import PastRun, PastStep
from tasks.engine.run import KEEPING

RUNS_USED = 5


@dataclass(frozen=True, kw_only=True)
class StepForecast:
    """One step: what it takes as a rule, and what it took at the slowest, for today's sizes."""

    name: str
    usual_s: float
    slowest_s: float
    limit_s: float


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """A whole run. basis: whether runs told it, and how many, or the formula."""

    seconds: float
    basis: Literal["runs", "formula"]
    runs: int
    steps: tuple[StepForecast, ...]

    @property
    def longest(self) -> StepForecast:
        return max(self.steps, key=lambda step: step.usual_s)


@dataclass(frozen=True, kw_only=True)
class Size:
    """A database of today, and how far away it is."""

    size_bytes: int
    tables: int
    round_trip_s: float


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one step costs at one server: round trips, those for each table, and bytes of the database per second."""

    trips: int
    trips_a_table: float = 0.0
    bytes_per_s: float | None = None

    def seconds(self, size: Size) -> float:
        trips = self.trips + self.trips_a_table * size.tables
        return trips * size.round_trip_s + (size.size_bytes / self.bytes_per_s if self.bytes_per_s else 0.0)


# Measured by `python -m tests.bench --only engine --cases first --data S,W,M --wire 80 --profile`, on two cores that
# worked for others, too: round trips from S (4 tables) and W (200), rates from M (259 MB), less its round trips.
_FIXED_S = {
    "verify_connections": 1.0,
    "dump_source": 0.5,
    "back_up_target": 0.5,
    "restore_target": 2.0,
    "finish": 0.5,
}
_AT_SOURCE = {
    "verify_connections": Cost(trips=14),
    "dump_source": Cost(trips=120, trips_a_table=1.2, bytes_per_s=30e6),
}
_AT_TARGET = {
    "verify_connections": Cost(trips=43),
    "back_up_target": Cost(trips=106, trips_a_table=1.2, bytes_per_s=30e6),
    "check_guards": Cost(trips=8),  # in_place counts locks
    "restore_target": Cost(trips=51, trips_a_table=0.1, bytes_per_s=12e6),
    "verify_target": Cost(trips=20, trips_a_table=0.02, bytes_per_s=60e6),
    "finish": Cost(trips=12),
}
_TELLING_BYTES = 64 * 2**20
# Which database makes a step longer when it grows. What is restored and verified is as large as the source.
_GROWS_WITH = {
    "dump_source": "source",
    "back_up_target": "target",
    "restore_target": "source",
    "verify_target": "source",
}


def from_runs(
    runs: Sequence[PastRun], sizes_bytes: Mapping[str, int], limits_s: Mapping[str, float]
) -> Forecast | None:
    """None when none has succeeded. runs: the newest first; sizes_bytes: of today, by role, as far as they are known.

    What is usual is the median of the newest few; what is slowest comes from those that loaded: a run that found
    nothing to do says nothing of one that does.
    """
    succeeded = [run for run in runs if run.outcome == "succeeded"]
    newest = succeeded[:RUNS_USED]
    if not newest:
        return None
    loaded = [run for run in succeeded if run.report.get("way") not in KEEPING][:RUNS_USED]
    steps = tuple(
        StepForecast(
            name=name,
            usual_s=round(median(seconds), 3),
            slowest_s=round(max(_stretched(name, loaded or newest, sizes_bytes)), 3),
            limit_s=limit_s,
        )
        for name, limit_s in limits_s.items()
        if (seconds := _stretched(name, newest, sizes_bytes))
    )
    between_s = median((run.duration_s or 0.0) - sum(step.seconds or 0.0 for step in run.steps) for run in newest)
    whole_s = sum(step.usual_s for step in steps) + max(0.0, between_s)
    return Forecast(seconds=round(whole_s, 3), basis="runs", runs=len(newest), steps=steps)


def from_sizes(source: Size, target: Size, limits_s: Mapping[str, float]) -> Forecast:
    """Before any run has succeeded: an order of magnitude."""
    copy = Size(size_bytes=source.size_bytes, tables=source.tables, round_trip_s=target.round_trip_s)
    steps = []
    for name, limit_s in limits_s.items():
        seconds = _FIXED_S.get(name, 0.0)
        seconds += _AT_SOURCE[name].seconds(source) if name in _AT_SOURCE else 0.0
        here = copy if _GROWS_WITH.get(name) == "source" else target
        seconds += _AT_TARGET[name].seconds(here) if name in _AT_TARGET else 0.0
        steps.append(StepForecast(name=name, usual_s=round(seconds, 3), slowest_s=round(seconds, 3), limit_s=limit_s))
    return Forecast(seconds=round(sum(step.usual_s for step in steps), 3), basis="formula", runs=0, steps=tuple(steps))


def _stretched(name: str, runs: Sequence[PastRun], sizes_bytes: Mapping[str, int]) -> list[float]:
    """What a step took in each of the runs, for today's size."""
    return [
        _for_today(name, took_s, run.report, sizes_bytes)
        for run in runs
        for step in run.steps
        if step.name == name and (took_s := _took_s(step)) is not None
    ]


def _took_s(step: PastStep) -> float | None:
    """What was made beside the step before stands among the phases only, and may have to be made by itself."""
    return step.seconds and max(step.seconds, sum(phase.seconds for phase in step.phases))


def _for_today(name: str, seconds: float, report: Mapping[str, Any], sizes_bytes: Mapping[str, int]) -> float:
    role = _GROWS_WITH.get(name, "")
    then, now = int((report.get(role) or {}).get("size_bytes") or 0), sizes_bytes.get(role, 0)
    if not 0 < then < now:
        return seconds
    if then >= _TELLING_BYTES:
        return seconds * now / then
    cost = _AT_SOURCE[name] if name in _AT_SOURCE else _AT_TARGET[name]
    return seconds + (now - then) / (cost.bytes_per_s or math.inf)
