"""The runs that are remembered: by the journal, and where it was lost, by the reports beside the dumps."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from config.settings import Settings
from tasks.engine.errors import BackupError
from tasks.engine.journal import Journal, RunRecord, StepRecord
from tasks.engine.names import REPORTS_DIR, instant_of
from tasks.engine.progress import Phase
from tasks.engine.report import build_report
from tasks.engine.run import CHANGED_TABLES, UNCHANGED
from tasks.engine.storage import read_regular


@dataclass(frozen=True, kw_only=True)
class PastStep:
    """One step of a run; seconds is None while it works."""

    name: str
    state: str  # working, done, failed
    seconds: float | None
    summary: str | None
    phases: tuple[Phase, ...] = ()  # in their order; empty for a step that names none, or that died


@dataclass(frozen=True, kw_only=True)
class PastRun:
    """One run, whether its journal's row is there, or only its report. Instants are aware, in UTC."""

    run_id: str
    job_id: str
    stamp: str
    host: str
    slot: datetime | None
    started_at: datetime
    ended_at: datetime | None  # None while it goes on
    outcome: str | None  # None while it goes on
    error: str | None
    duration_s: float | None  # None while it goes on
    steps: tuple[PastStep, ...]
    source_stats: Mapping[str, int | None]
    backup_stats: Mapping[str, int | None] | None
    snapshot_at: datetime | None  # of which instant its dump is
    dump_bytes: int | None
    safety_bytes: int | None
    tables: int | None
    rows: int | None
    method: str | None
    way: str | None  # its method, or `unchanged`, `changed_tables`; None where it did not come so far
    warnings: tuple[str, ...]
    verified: bool  # its copy was proved equal after it was published
    report: Mapping[str, Any]  # everything; of a run that goes on, what is known so far

    @property
    def unchanged(self) -> bool:
        """It found that nothing had changed and loaded nothing: its durations tell nothing of a load."""
        return self.way == UNCHANGED

    @property
    def way_words(self) -> str:
        """For people, where it did less than a load; else nothing."""
        return {UNCHANGED: "nothing changed", CHANGED_TABLES: "only what differed was written"}.get(self.way or "", "")

    @property
    def worked(self) -> bool:
        """It got as far as looking at the databases, or still may: neither skipped nor missed."""
        return self.outcome not in {"skipped", "missed"}


def journal_if_there(settings: Settings) -> tuple[Journal | None, str | None]:
    """The journal, and why it is not to be had; one that does not exist is not made."""
    if settings.unset:
        missing = " and ".join(settings.unset)
        return None, f"{missing} not set, and the journal knows runs by their two databases: the reports tell"
    try:
        return Journal(settings.journal_url.get_secret_value(), pair=settings.pair, create=False), None
    except BackupError as error:
        return None, str(error)


def past_runs(settings: Settings, journal: Journal | None, *, limit: int | None = None) -> list[PastRun]:
    """The newest first; limit: at most so many.

    What the journal knows goes before what a report of the same run says. A damaged report is passed over.
    """
    records = journal.runs(limit=limit) if journal else []
    known = {record.stamp for record in records}
    runs = [_from_record(record, journal, settings.stats_tables) for record in records if journal]
    paths = sorted((settings.backup_dir / REPORTS_DIR).glob("*.json"), reverse=True)
    told = [_from_file(path) for path in paths[:limit] if path.stem not in known]
    found = sorted([*runs, *(run for run in told if run)], key=lambda run: (run.started_at, run.stamp), reverse=True)
    return found[:limit]


def from_report(report: Mapping[str, Any], *, verified: bool | None = None) -> PastRun:
    """A run from its report; KeyError, ValueError or TypeError when it is none."""
    dump, safety = report.get("source_dump") or {}, report.get("safety_dump") or {}
    outcome = report["outcome"]
    return PastRun(
        run_id=report["run_id"],
        job_id=report["job_id"],
        stamp=report["stamp"],
        host=report["host"],
        slot=_instant(report["slot"]),
        started_at=datetime.fromisoformat(report["start_time"]).astimezone(UTC),
        ended_at=_instant(report["end_time"]) if outcome else None,
        outcome=outcome,
        error=report["error"],
        duration_s=report["duration_seconds"] if outcome else None,
        steps=tuple(_step(step) for step in report["steps"]),
        source_stats=report["source_stats"],
        backup_stats=report["backup_stats"],
        snapshot_at=_instant(dump.get("taken_at")),
        dump_bytes=dump.get("size_bytes"),
        safety_bytes=safety.get("size_bytes"),
        tables=dump.get("tables"),
        rows=dump.get("rows"),
        method=report.get("method"),
        way=report.get("way"),
        warnings=tuple(report["warnings"]),
        verified=outcome == "succeeded" if verified is None else verified,
        report=report,
    )


def find_run(runs: Sequence[PastRun], wanted: str) -> PastRun:
    """By id, by the beginning of an id or a stamp that only one run has, or `last`: the newest that was not skipped.

    runs: the newest first. BackupError when there is none, or more than one.
    """
    if wanted == "last":
        found = next((run for run in runs if run.worked), next(iter(runs), None))
        if found is None:
            raise BackupError("no run is remembered here; make one: railway-neon-sync run")
        return found
    exact = [run for run in runs if wanted in (run.run_id, run.stamp)]
    fitting = exact or [run for run in runs if wanted and run.run_id.startswith(wanted)]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise BackupError(f"no run {wanted!r} is remembered here; the known ones: railway-neon-sync list")
    raise BackupError(
        f"{wanted!r} begins the ids of {len(fitting)} runs: {', '.join(run.run_id for run in fitting[:3])}"
        f"{' ...' if len(fitting) > 3 else ''}; type more of the one that is meant"
    )


def _from_record(record: RunRecord, journal: Journal, stats_tables: Sequence[str]) -> PastRun:
    verified = record.outcome == "succeeded" or (record.state != "ended" and record.verified_at is not None)
    if record.report is not None:
        with suppress(KeyError, ValueError, TypeError):  # of another version
            return from_report(record.report, verified=verified)
    return from_report(_so_far(record, journal.steps(record.run_id), stats_tables), verified=verified)


def _so_far(record: RunRecord, steps: Sequence[StepRecord], stats_tables: Sequence[str]) -> Mapping[str, Any]:
    """What a report says of a run, or would say of one that goes on."""
    ended_at = record.ended_at or record.started_at
    outcome = record.outcome or ""
    report = build_report(
        record, steps, outcome=outcome, error=record.error, ended_at=ended_at, stats_tables=stats_tables
    )
    return report if outcome else {**report, "outcome": None, "end_time": None, "duration_seconds": None}


def _from_file(path: Path) -> PastRun | None:
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        instant_of(path.stem)  # only a stamp's file is a report
        return from_report(json.loads(read_regular(path)))
    return None


def _step(told: Mapping[str, Any]) -> PastStep:
    phases = tuple(
        Phase(
            name=str(one["name"]),
            seconds=float(one["seconds"]),
            bytes=int(one["bytes"]),
            tables=int(one["tables"]),
            round_trips=int(one.get("round_trips", 0)),
        )
        for one in told.get("phases", ())  # reports of earlier versions have none
    )
    return PastStep(
        name=told["name"], state=told["state"], seconds=told["seconds"], summary=told["summary"], phases=phases
    )


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
