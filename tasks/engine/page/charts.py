"""Charts as values: where each bar, point and label of a drawing lies.

Horizontal places are percentages of the drawing's width, vertical ones pixels from its top: so a drawing fits a phone
and a wide screen alike, and its letters keep their size.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tasks.engine.page import words

HEIGHT = 212.0
_HEADROOM = 16.0  # above the plot, for the topmost label
_FLOOR = HEIGHT - 22.0  # below it stand the labels of the x axis
_WIDEST_BAR = 7.0
_INSET = 1.5  # so that the first and the last point are not cut
_MOST_TICKS = 4


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A line across the plot and its label."""

    y: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One rectangle of a stacked bar; kind is the name of its colour."""

    y: float
    height: float
    kind: str


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One stacked bar: what it is, in words, and where; flag: drawn above it."""

    x: float
    width: float
    pieces: tuple[Piece, ...]
    title: str
    top: float
    flagged: bool

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


@dataclass(frozen=True, kw_only=True)
class Point:
    x: float
    y: float
    title: str


@dataclass(frozen=True, kw_only=True)
class Line:
    """A series; kind is the name of its colour."""

    name: str
    kind: str
    points: tuple[Point, ...]
    newest: str

    @property
    def path(self) -> str:
        """For a polyline in a plot that is 1000 wide and stretched."""
        return " ".join(f"{point.x * 10:.2f},{point.y:.2f}" for point in self.points)


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A drawing: its name, a sentence that says what it shows, and what is in it."""

    name: str
    says: str
    ticks: tuple[Tick, ...] = ()
    bars: tuple[Bar, ...] = ()
    lines: tuple[Line, ...] = ()
    first: str = ""
    last: str = ""
    height: float = HEIGHT
    floor: float = _FLOOR


@dataclass(frozen=True, kw_only=True)
class Stack:
    """What a bar shows: amounts by kind, from the ground up."""

    label: str
    title: str
    amounts: tuple[tuple[str, float], ...]
    flagged: bool

    @property
    def total(self) -> float:
        return sum(amount for _, amount in self.amounts)


@dataclass(frozen=True, kw_only=True)
class Series:
    """What a line shows: places between 0 and 1, amounts, and words for each."""

    name: str
    kind: str
    values: tuple[tuple[float, float, str], ...]
    newest: str


def bar_chart(name: str, says: str, stacks: Sequence[Stack], *, unit: str) -> Chart:
    """Stacked bars side by side, the oldest at the left."""
    top, ticks = _axis(max((stack.total for stack in stacks), default=0.0), 1.0, unit)
    slot = 100 / max(1, len(stacks))
    width = min(slot * 0.72, _WIDEST_BAR)
    bars = []
    for place, stack in enumerate(stacks):
        pieces, y = [], _FLOOR
        for kind, amount in stack.amounts:
            height = amount / top * (_FLOOR - _HEADROOM)
            y -= height
            pieces.append(Piece(y=y, height=height, kind=kind))
        x = slot * place + (slot - width) / 2
        bars.append(Bar(x=x, width=width, pieces=tuple(pieces), title=stack.title, top=y, flagged=stack.flagged))
    first, last = (stacks[0].label, stacks[-1].label) if stacks else ("", "")
    return Chart(name=name, says=says, ticks=ticks, bars=tuple(bars), first=first, last=last if len(stacks) > 1 else "")


def size_chart(name: str, says: str, series: Sequence[Series], *, first: str, last: str) -> Chart:
    """Lines over a common ground of zero; amounts are bytes."""
    highest = max((amount for one in series for _, amount, _ in one.values), default=0.0)
    top, ticks = _axis(highest, *words.unit_of(highest))
    lines = tuple(
        Line(
            name=one.name,
            kind=one.kind,
            newest=one.newest,
            points=tuple(
                Point(x=_across(place), y=_FLOOR - amount / top * (_FLOOR - _HEADROOM), title=title)
                for place, amount, title in one.values
            ),
        )
        for one in series
    )
    return Chart(name=name, says=says, ticks=ticks, lines=lines, first=first, last=last)


def sparkline(name: str, says: str, one: Series, *, height: float = 44.0) -> Chart:
    """A line that fills its small drawing from its lowest to its highest value, without an axis."""
    amounts = [amount for _, amount, _ in one.values]
    low, high = min(amounts, default=0.0), max(amounts, default=0.0)
    margin = 6.0

    def down(amount: float) -> float:
        share = 0.5 if high == low else (amount - low) / (high - low)
        return height - margin - share * (height - 2 * margin)

    points = tuple(Point(x=_across(place), y=down(amount), title=title) for place, amount, title in one.values)
    line = Line(name=one.name, kind=one.kind, points=points, newest=one.newest)
    return Chart(name=name, says=says, lines=(line,), height=height, floor=height)


def nice_step(highest: float, most: int = _MOST_TICKS) -> float:
    """1, 2 or 5 times a power of ten, of which at most so many reach the highest value."""
    rough = highest / most
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= rough * (1 - 1e-9))


def _axis(highest: float, unit_size: float, unit: str) -> tuple[float, tuple[Tick, ...]]:
    """The value at the top of the plot, and the lines across it, which lie at round numbers of units."""
    if highest <= 0:
        return 1.0, ()
    step = nice_step(highest / unit_size) * unit_size
    values = [step * number for number in range(1, math.floor(highest / step + 1e-9) + 1)]
    return highest, tuple(
        Tick(y=_FLOOR - value / highest * (_FLOOR - _HEADROOM), text=f"{value / unit_size:g} {unit}")
        for value in values
    )


def _across(place: float) -> float:
    return _INSET + place * (100 - 2 * _INSET)
