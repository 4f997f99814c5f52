"""Bars as SVG, readable on light and on dark: seconds of contestants, and the steps of ours."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from tasks.engine.page.charts import nice_step

_WIDTH = 760
_LEFT = 300  # where bars begin; the labels stand before
_RIGHT = 90  # for the figure behind the longest bar
_TOP = 46
_ROW = 26
_BAR = 15
_MOST_TICKS = 5
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.title { font-weight: 600; font-size: 14px; }
.tick { fill: #59636e; font-size: 11px; }
.grid { stroke: #d1d9e0; }
.spread { stroke: #1f2328; }
.ours { fill: #2563eb; } .peer { fill: #8c959f; } .foretold { fill: #8c959f; opacity: .5; }
.k0 { fill: #2563eb; } .k1 { fill: #0e9f6e; } .k2 { fill: #d97706; } .k3 { fill: #9333ea; }
.k4 { fill: #dc2626; } .k5 { fill: #0891b2; } .k6 { fill: #65a30d; } .k7 { fill: #8c959f; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; } .tick { fill: #9198a1; } .grid { stroke: #3d444d; } .spread { stroke: #e6edf3; }
.ours, .k0 { fill: #60a5fa; } .k1 { fill: #34d399; } .k2 { fill: #fbbf24; } .k3 { fill: #c084fc; }
.k4 { fill: #f87171; } .k5 { fill: #22d3ee; } .k6 { fill: #a3e635; }
}
"""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """pieces: class names of colours and seconds, from the left; low, high: what lies around the sum, if anything;
    figure: the words behind it."""

    label: str
    pieces: tuple[tuple[str, float], ...]
    figure: str
    low: float | None = None
    high: float | None = None

    @property
    def total(self) -> float:
        return sum(seconds for _, seconds in self.pieces)


def bars(title: str, rows: Sequence[Bar], legend: Sequence[tuple[str, str]] = ()) -> str:
    """A drawing of horizontal bars over seconds. legend: class names of colours and what they mean."""
    highest = max([max(row.total, row.high or 0.0) for row in rows], default=0.0) or 1.0
    floor = _TOP + len(rows) * _ROW
    height = floor + 24 + 20 * -(-len(legend) // 4)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f'<text class="title" x="8" y="20">{escape(title)}</text>',
        *_grid(highest, floor),
        *(line for place, row in enumerate(rows) for line in _row(row, _TOP + place * _ROW, highest)),
        *_legend(legend, floor + 38),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _across(seconds: float, highest: float) -> float:
    return _LEFT + seconds / highest * (_WIDTH - _LEFT - _RIGHT)


def _grid(highest: float, floor: int) -> list[str]:
    step = nice_step(highest, _MOST_TICKS)
    lines = []
    for number in range(int(highest / step + 1e-9) + 1):
        x = _across(number * step, highest)
        lines.append(f'<line class="grid" x1="{x:.1f}" y1="{_TOP - 8}" x2="{x:.1f}" y2="{floor}"/>')
        lines.append(f'<text class="tick" x="{x:.1f}" y="{floor + 14}" text-anchor="middle">{number * step:g} s</text>')
    return lines


def _row(row: Bar, y: int, highest: float) -> list[str]:
    middle = y + _BAR / 2
    lines = [f'<text x="{_LEFT - 10}" y="{middle + 4.5:.1f}" text-anchor="end">{escape(row.label)}</text>']
    so_far = 0.0
    for kind, seconds in row.pieces:
        x, width = _across(so_far, highest), _across(seconds, highest) - _LEFT
        lines.append(f'<rect class="{kind}" x="{x:.1f}" y="{y}" width="{max(width, 0.5):.1f}" height="{_BAR}"/>')
        so_far += seconds
    if row.low is not None and row.high is not None:
        low, high = _across(row.low, highest), _across(row.high, highest)
        lines.append(f'<line class="spread" x1="{low:.1f}" y1="{middle}" x2="{high:.1f}" y2="{middle}"/>')
    end = _across(max(row.total, row.high or 0.0), highest) + 6
    return [*lines, f'<text x="{end:.1f}" y="{middle + 4.5:.1f}">{escape(row.figure)}</text>']


def _legend(legend: Sequence[tuple[str, str]], y: int) -> list[str]:
    lines = []
    for place, (kind, words) in enumerate(legend):
        x, below = 8 + place % 4 * 186, y + place // 4 * 20
        lines.append(f'<rect class="{kind}" x="{x}" y="{below - 11}" width="12" height="12"/>')
        lines.append(f'<text x="{x + 18}" y="{below}">{escape(words)}</text>')
    return lines
