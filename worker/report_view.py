"""A report as a person reads it: what became of the run, the rows of both databases, the files."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from config.logs import harmless
from tasks.engine.report import more_facts

_HEADLINES = {
    "succeeded": "✅ the backup database equals the source",
    "failed": "❌ the backup failed; the backup database was not touched",
    "rolled_back": "❌ the backup failed; the backup database holds what it held before",
    "rollback_failed": "❌ the backup failed, and so did its rollback: people are needed now",
    "held": "the backup was held: a guard forbids to overwrite the backup database",
    "skipped": "the backup was skipped",
    "missed": "the backup was missed: it could not start in time",
}


def print_report(report: Mapping[str, Any], console: Console) -> None:
    """The whole report in some ten lines."""
    console.print(report_view(report))


def report_view(report: Mapping[str, Any]) -> RenderableType:
    """A headline, the rows of the statistics tables when they were counted, and what else is worth a line."""
    outcome = report["outcome"]
    style = "bold green" if outcome == "succeeded" else "bold red"
    reported = "job_id" in report  # else only Celery has told of it, and nobody knows what was touched
    headline = _HEADLINES.get(outcome) if reported else "❌ the backup ended without a report"
    parts: list[RenderableType] = [Text(headline or f"outcome: {outcome}", style=style)]
    if report.get("error"):
        parts.append(Text(f"   {harmless(report['error'])}", style="red"))
    if any(rows is not None for rows in (report.get("source_stats") or {}).values()):
        parts.append(_rows_table(report))
    facts = Table.grid(padding=(0, 2))
    for name, value in _facts(report):
        facts.add_row(Text(name, style="dim"), Text(harmless(value), overflow="fold"))
    return Group(*parts, facts)


def _rows_table(report: Mapping[str, Any]) -> Table:
    source, backup = report["source_stats"], report.get("backup_stats") or {}
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("rows")
    for name in ("source", "backup database"):
        table.add_column(name, justify="right")
    for name, rows in source.items():
        table.add_row(name, _count(rows), _count(backup.get(name)))
    return table


def _facts(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "run", f"{report['run_id']} ({report.get('job_id', 'not reported')})"
    if report.get("start_time"):
        yield "started", f"{report['start_time']}, took {report['duration_seconds']:.1f} s"
    if report.get("method"):
        yield "method", report["method"]
    for name, label in (("source_dump", "dump"), ("safety_dump", "safety backup")):
        if dump := report.get(name):
            yield label, f"{dump['file']}, {dump['size_bytes'] / 2**20:.2f} MB"
    yield from more_facts(report)
    for warning in report.get("warnings", ()):
        yield "warning", warning


def _count(rows: int | None) -> str:
    return "-" if rows is None else str(rows)
