"""The newest report, in the parts that a person reads."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from tasks.engine.history import PastRun
from tasks.engine.page import words
from tasks.engine.page.calendar import outcome_words
from tasks.engine.page.trends import kind_of, when
from tasks.engine.report import more_facts
from tasks.engine.step_titles import STEP_TITLES


@dataclass(frozen=True, kw_only=True)
class RunLine:
    """One run in a line."""

    started: str
    outcome: str
    outcome_words: str
    took: str
    job: str
    error: str


@dataclass(frozen=True, kw_only=True)
class StepLine:
    """One step of the newest run; share: of the longest step, in percent; kind: its colour."""

    title: str
    state: str
    took: str
    share: float
    kind: str
    summary: str


@dataclass(frozen=True, kw_only=True)
class RowsLine:
    """One statistics table in both databases."""

    table: str
    source: str
    backup: str
    equal: bool


@dataclass(frozen=True, kw_only=True)
class LastReport:
    """The report of one run."""

    line: RunLine
    facts: tuple[tuple[str, str], ...]
    steps: tuple[StepLine, ...]
    rows: tuple[RowsLine, ...]
    warnings: tuple[str, ...]
    document: str


def run_line(run: PastRun) -> RunLine:
    return RunLine(
        started=when(run),
        outcome=run.outcome or "",
        outcome_words=", ".join(filter(None, [outcome_words(run.outcome), run.way_words])),
        took=words.took(run.duration_s) if run.steps else "–",
        job=_job(run.job_id),
        error=run.error or "",
    )


def last_report(run: PastRun) -> LastReport:
    longest = max((step.seconds or 0.0 for step in run.steps), default=0.0) or 1.0
    return LastReport(
        line=run_line(run),
        facts=tuple(_facts(run)),
        steps=tuple(
            StepLine(
                title=STEP_TITLES.get(step.name, step.name),
                state=step.state,
                took=words.took(step.seconds),
                share=100 * (step.seconds or 0.0) / longest,
                kind=kind_of(step.name),
                summary=step.summary or "",
            )
            for step in run.steps
        ),
        rows=tuple(_rows(run)),
        warnings=run.warnings,
        document=json.dumps(run.report, indent=2, ensure_ascii=False),
    )


def _facts(run: PastRun) -> Iterator[tuple[str, str]]:
    yield "Run", run.run_id
    yield "Started by", _job(run.job_id)
    yield "On", run.host
    yield "Began", f"{run.started_at:%Y-%m-%d %H:%M:%S} UTC"
    if run.ended_at:
        yield "Ended", f"{run.ended_at:%Y-%m-%d %H:%M:%S} UTC"
    if run.method:
        reason = run.report.get("method_reason")
        yield "Method", f"{run.method}: {reason}" if reason else run.method
    for key, name in (("source_dump", "Dump"), ("safety_dump", "Safety backup")):
        if dump := run.report.get(key):
            yield name, f"{dump['file']}, {words.size(dump['size_bytes'])}"
    yield from ((name.capitalize(), told) for name, told in more_facts(run.report))
    if expired := run.report.get("expired"):
        yield "Expired", ", ".join(expired)


def _rows(run: PastRun) -> Iterator[RowsLine]:
    backup = run.backup_stats or {}
    if all(rows is None for rows in run.source_stats.values()):
        return
    for table, rows in run.source_stats.items():
        equal = rows is not None and rows == backup.get(table)
        yield RowsLine(table=table, source=words.count(rows), backup=words.count(backup.get(table)), equal=equal)


def _job(job_id: str) -> str:
    return "by hand" if job_id == "manual" else job_id.removeprefix("unified_db_railway_backup_")
