"""Figures as text: tables that read well in a terminal and in Markdown alike."""

from collections.abc import Sequence


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, its columns as wide as what is in them; the first is left-aligned, numbers to the right."""
    lines = [list(columns), *map(list, rows)]
    widths = [max(3, *(len(line[place]) for line in lines)) for place in range(len(columns))]
    right = [place > 0 and all(_is_figure(row[place]) for row in rows) for place in range(len(columns))]
    marks = ["-" * (width - 1) + (":" if on else "-") for width, on in zip(widths, right, strict=True)]
    return "".join(f"| {_row(line, widths, right)} |\n" for line in (lines[0], marks, *lines[1:]))


def _row(line: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    cells = zip(line, widths, right, strict=True)
    return " | ".join(cell.rjust(width) if on else cell.ljust(width) for cell, width, on in cells)


def _is_figure(cell: str) -> bool:
    return not cell or cell[0].isdigit() or cell[0] in "-~<"


def seconds(value: float) -> str:
    """Three figures at most."""
    return f"{value:.2f} s" if value < 10 else f"{value:.1f} s" if value < 100 else f"{value:.0f} s"


def mb(value: float) -> str:
    """Bytes in MB of 1024²."""
    amount = value / 2**20
    return f"{amount:.2f} MB" if amount < 10 else f"{amount:.1f} MB" if amount < 100 else f"{amount:.0f} MB"


def ratio_text(value: float) -> str:
    """Below a tenth as a part of one: 1/33."""
    return f"1/{1 / value:.0f}" if value < 0.1 else f"{value:.2f}"
