"""What commands print for people: ages, sizes, tables; and the JSON that programs read."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from config.logs import harmless

if TYPE_CHECKING:
    from tasks.engine.findings import Finding

_NARROWEST = 60
_VERY_MUCH = 10 * 2**30
_SIGNS = {"good": ("✓", "green"), "bad": ("✗", "bold red"), "note": ("·", "yellow"), "open": ("-", "dim")}


def print_json(value: Any) -> None:
    """One JSON document on standard output, and nothing else."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def console() -> Console:
    """Standard output for people; a pipe or a log gets lines that are not cut at 80 signs."""
    found = Console(highlight=False)
    return found if found.is_terminal and found.width >= _NARROWEST else Console(highlight=False, width=140)


def grid(rows: Iterable[tuple[str, RenderableType | str]]) -> Table:
    """Facts below each other, each with its name."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(Text(name, style="dim"), Text(harmless(value)) if isinstance(value, str) else value)
    return table


def table_of(columns: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Sequence[str] = ()) -> Table:
    """A table; the columns among `numbers` stand to the right."""
    table = Table(box=box.SIMPLE_HEAD)
    for name in columns:
        table.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(harmless(cell)) for cell in row))
    return table


def long_ago(seconds: float) -> str:
    """`3 days`, `5 h 12 min`, `12 min`, `40 s`: as exact as anybody needs it."""
    seconds = max(0.0, seconds)
    minutes = int(seconds // 60)
    if minutes >= 3 * 24 * 60:
        return f"{minutes // (24 * 60)} days"
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{seconds:.0f} s"


def megabytes(size_bytes: int | None) -> str:
    """MB of 1024², two decimals; what is very much, in GB of 1024³."""
    if size_bytes is None:
        return "-"
    return f"{size_bytes / 2**30:.1f} GB" if size_bytes >= _VERY_MUCH else f"{size_bytes / 2**20:.2f} MB"


def seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"


def instant(value: datetime | None) -> str:
    """In UTC, to the second."""
    return "-" if value is None else f"{value:%Y-%m-%d %H:%M:%S}"


def print_findings(findings: "Iterable[Finding]") -> None:
    """A line for each, with its sign."""
    screen = console()
    for finding in findings:
        screen.print(finding_line(finding))


def finding_line(finding: "Finding") -> Text:
    """✓ or ✗, the name, what is told."""
    sign, style = _SIGNS[finding.state]
    return Text.assemble((f"{sign} ", style), (f"{finding.name:<20} ", "bold"), harmless(finding.told))
