"""What is to be reached, as data, and whether what was measured reaches it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.bench.figures import COPY, OURS, Cell, Figures, Spread
from tests.bench.tables import ratio_text

_BARE = ("psql", "restore", "pgcopydb")
_MOST_MEMORY_BYTES = 150 * 2**20
_SAME_MEMORY = 1.1  # L may take so much of M's: "the same" within what a process's heap differs by itself
_LINEAR = 1.15
_CELERY_S = 0.5


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """measured: in words."""

    measured: str
    reached: bool


@dataclass(frozen=True, kw_only=True)
class Goal:
    """case, against, bound: in words; judge: None when what it needs was not measured."""

    case: str
    against: str
    bound: str
    judge: Callable[[Figures], Verdict | None]


def _time(case: str, cell: tuple[str, int, str], against: str, at_most: float) -> Goal:
    """Our whole run against a contestant of the same rounds, by their seconds; against "bare": the best bare peer."""
    names = {"psql": "`pg_dump \\| psql -1`", "baseline": "the baseline", "bare": "best bare peer"}
    data, ms, step = cell

    def judge(figures: Figures) -> Verdict | None:
        ours = _ours(figures, data, ms, step)
        peer = _best(figures, data, ms) if against == "bare" else _cell(data, ms, against, COPY)
        ratio = figures.ratio(ours, peer) if ours and peer else None
        if ratio is None or ours is None or peer is None:
            return None
        words = f"{_range(ratio)}{f' ({peer.contestant})' if against == 'bare' else ''}{_alone(ours)}"
        return Verdict(measured=words, reached=ratio.median <= at_most)

    return Goal(case=case, against=names[against], bound=f"≤ {ratio_text(at_most)}", judge=judge)


def _celery(figures: Figures) -> Verdict | None:
    """On S, where the engine's own work is least and so its noise; over all cases."""
    shares = [
        runs[number].seconds - alone[number].seconds
        for case in ("first", "same", "part")
        for runs, alone in [[figures.runs.get(_cell("S", 0, name, case), {}) for name in ("worker", "engine")]]
        for number in runs.keys() & alone.keys()
    ]
    if not shares:
        return None
    spread = Spread.of(shares)
    words = f"{spread.median:.2f} s ({spread.low:.2f} to {spread.high:.2f})"
    return Verdict(measured=words, reached=spread.median <= _CELERY_S)


def _memory(figures: Figures) -> Verdict | None:
    peaks = {data: max(_peaks(figures, data), default=0) for data in ("M", "L")}
    if not all(peaks.values()):
        return None
    words = ", ".join(f"{data}: {peak / 2**20:.0f} MB" for data, peak in peaks.items())
    reached = max(peaks.values()) <= _MOST_MEMORY_BYTES and peaks["L"] <= _SAME_MEMORY * peaks["M"]
    return Verdict(measured=words, reached=reached)


def _growth(figures: Figures) -> Verdict | None:
    medians, sizes = [], []
    for data in ("M", "L"):
        ours = _ours(figures, data, 0, "first")
        spread = figures.seconds(ours) if ours else None
        if spread is None or data not in figures.sections:
            return None
        medians.append(spread.median)
        sizes.append(figures.sections[data].size_bytes)
    growth, size = medians[1] / medians[0], sizes[1] / sizes[0]
    return Verdict(measured=f"{growth:.1f} × for {size:.1f} × the bytes", reached=growth <= _LINEAR * size)


def _found(*names: str) -> Callable[[Figures], Verdict | None]:
    def judge(figures: Figures) -> Verdict | None:
        found = [figures.findings[name] for name in names if name in figures.findings]
        if len(found) < len(names):
            return None
        return Verdict(measured="; ".join(each.words for each in found), reached=all(each.holds for each in found))

    return judge


GOALS = (
    _time("W, 80 ms, first run, everything proved", ("W", 80, "first"), "psql", 1 / 30),
    _time("W, 80 ms, one table changed", ("W", 80, "part"), "psql", 1 / 40),
    _time("S, 80 ms, first run", ("S", 80, "first"), "psql", 0.5),
    _time("M local, first run", ("M", 0, "first"), "baseline", 0.80),
    _time("M local, first run", ("M", 0, "first"), "bare", 1.55),
    _time("M local, nothing changed", ("M", 0, "same"), "bare", 0.5),
    _time("M local, 1 % of one table changed", ("M", 0, "part"), "bare", 1.0),
    Goal(
        case="Celery's share (a whole run minus the engine alone)", against="the engine", bound="≤ 0.5 s", judge=_celery
    ),
    Goal(
        case="peak memory of any of our processes, M and L",
        against="",
        bound="≤ 150 MB, the same for both",
        judge=_memory,
    ),
    Goal(case="growth M → L, first run", against="", bound="linear within 15 %", judge=_growth),
    Goal(
        case="T, source with raised max_locks_per_transaction",
        against="",
        bound="runs, with `swap`, in ≤ 150 MB",
        judge=_found("T swap"),
    ),
    Goal(
        case="T, default settings; and with `in_place`",
        against="",
        bound="refused with the figure",
        judge=_found("T defaults", "T in_place"),
    ),
    Goal(case="between runs", against="", bound="no connection to the source, zero bytes", judge=_found("idle")),
)


def judged(figures: Figures) -> list[tuple[Goal, Verdict | None]]:
    """Each goal, and what came of it."""
    return [(goal, goal.judge(figures)) for goal in GOALS]


def _cell(data: str, ms: int, contestant: str, case: str) -> Cell:
    return Cell(data=data, round_trip_ms=ms, contestant=contestant, case=case)


def _ours(figures: Figures, data: str, ms: int, case: str) -> Cell | None:
    """The whole run where it was measured, else the engine alone."""
    cells = (_cell(data, ms, name, case) for name in OURS)
    return next((cell for cell in cells if cell in figures.runs), None)


def _alone(cell: Cell) -> str:
    return ", the engine alone" if cell.contestant == "engine" else ""


def _best(figures: Figures, data: str, ms: int) -> Cell | None:
    """The bare peer with the least median."""
    found = [
        (spread.median, cell) for name in _BARE if (spread := figures.seconds(cell := _cell(data, ms, name, COPY)))
    ]
    return min(found, key=lambda each: each[0])[1] if found else None


def _range(spread: Spread) -> str:
    if not spread.count:
        return f"~{ratio_text(spread.median)}"
    return f"{ratio_text(spread.median)} ({ratio_text(spread.low)} to {ratio_text(spread.high)})"


def _peaks(figures: Figures, data: str) -> Iterable[int]:
    for cell in figures.runs:
        if cell.data == data and cell.contestant in OURS:
            yield from figures.peaks(cell).values()
