"""The metrics: how things stand for Prometheus, as instants and sizes that are still right when they are read later.

A file in the format of node_exporter's textfile collector. An age would be wrong a minute after it was written, so
there is none: `time() - ..._timestamp_seconds` is the age at the moment of the question.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from config.settings import Settings
from tasks.engine.drills import Drill, read_drills
from tasks.engine.history import PastRun
from tasks.engine.journal import Journal
from tasks.engine.lease import Lease
from tasks.engine.overview import Overview, read_overview
from tasks.engine.storage import atomic_write
from tasks.engine.telling.promotion import Promotion

log = logging.getLogger(__name__)

PREFIX = "railway_neon_sync_"
OUTCOMES = ("succeeded", "failed", "rolled_back", "rollback_failed", "held", "skipped", "missed")
MEANINGS: Mapping[str, str] = {
    "info": "The two databases of this pair.",
    "written_timestamp_seconds": "When these metrics were written.",
    "known_since_timestamp_seconds": "The beginning of what is remembered.",
    "stale_after_seconds": "STALE_AFTER_S: how old the newest verified copy may become.",
    "verified_copy_timestamp_seconds": "Of which instant the newest verified copy is.",
    "verified_copy_rows": "Rows of each statistics table in the newest verified copy.",
    "verified_copy_bytes": "Size of the newest verified copy's dump file.",
    "run_end_timestamp_seconds": "When the newest run of each outcome ended.",
    "runs_remembered": "How many runs of each outcome are remembered.",
    "last_run_outcome": "1 for the outcome of the newest run that was not skipped, 0 for the others.",
    "last_run_start_timestamp_seconds": "When the newest run that was not skipped began.",
    "last_run_duration_seconds": "How long it took.",
    "last_run_unchanged": "1 when it loaded nothing, since nothing had changed; 0 when it loaded the dump.",
    "step_duration_seconds": "How long each step took in the newest run that came to it.",
    "source_database_bytes": "Size of the source's database when a run looked last.",
    "target_database_bytes": "Size of the target's database when a run looked last.",
    "safety_backup_bytes": "Size of the newest safety backup.",
    "dump_files_bytes": "Size of all dump files of a kind on disk.",
    "backup_dir_free_bytes": "Room on the disk of BACKUP_DIR.",
    "open_run_start_timestamp_seconds": "When the run began that is going; absent when none is.",
    "lock_held": "1 while a run holds the lock; absent when Redis was not asked or did not answer.",
    "next_run_timestamp_seconds": "When each job is due next.",
    "promoted": "1 when the target was promoted: it is production, and alarms rest.",
    "notices_undelivered": "Notices that some channel has not taken.",
    "last_drill_timestamp_seconds": "When a dump was last restored on trial.",
    "last_drill_success": "1 when that drill proved the restored database equal to the dump's manifest.",
    "last_drill_duration_seconds": "How long it took from an empty database to a proved one.",
}


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One value; the metric's name is without the prefix."""

    name: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


def write_metrics(settings: Settings, journal: Journal, *, now: datetime, lease: Lease | None) -> Path:
    """Write METRICS_FILE anew, atomically. In BACKUP_DIR it is ours alone; elsewhere a collector may read it."""
    overview = read_overview(settings, journal, now=now, lease=lease, last_runs=None)
    samples = samples_of(
        overview,
        promoted=Promotion(settings=settings, journal=journal).remembered is not None,
        undelivered=len(journal.outbox.undelivered()),
        drill=next(iter(read_drills(settings.backup_dir)), None),
    )
    info = {"source": settings.source.dbname, "target": settings.target.dbname}
    text = rendered([Sample(name="info", value=1, labels=info), *samples], pair=settings.pair)
    path = settings.metrics_file
    atomic_write(path, text, mode=0o600 if path.parent == settings.backup_dir else 0o644)
    return path


def write_metrics_or_tell(settings: Settings, journal: Journal, *, now: datetime, lease: Lease | None) -> None:
    """The same for whoever has more important things to do: metrics that cannot be written are told."""
    try:
        write_metrics(settings, journal, now=now, lease=lease)
    except Exception as error:  # noqa: BLE001 - they only show what is known: no fault in them is worth a run
        log.warning("the metrics could not be written: %s", error, extra={"event": "metrics_failed"})


def samples_of(overview: Overview, *, promoted: bool, undelivered: int, drill: Drill | None) -> Iterator[Sample]:
    """Every value that is known; pure."""
    yield Sample(name="written_timestamp_seconds", value=overview.now.timestamp())
    yield Sample(name="stale_after_seconds", value=overview.stale_after_s)
    yield Sample(name="promoted", value=promoted)
    yield Sample(name="notices_undelivered", value=undelivered)
    yield from _instant("known_since_timestamp_seconds", overview.known_since)
    yield from _copy(overview)
    yield from _runs(overview.runs)
    yield from _storage(overview)
    yield from _instant("open_run_start_timestamp_seconds", overview.current.started_at if overview.current else None)
    if overview.lock is not None and overview.lock.problem is None:
        yield Sample(name="lock_held", value=overview.lock.holder is not None)
    for slot in {slot.job_id: slot for slot in reversed(overview.next_slots)}.values():
        yield from _instant("next_run_timestamp_seconds", slot.at, job=slot.job_id)
    if drill is not None:
        yield from _instant("last_drill_timestamp_seconds", datetime.fromisoformat(drill.at))
        yield Sample(name="last_drill_success", value=drill.ok)
        yield from _number("last_drill_duration_seconds", drill.rto_s)


def rendered(samples: Iterable[Sample], *, pair: str) -> bytes:
    """The samples in Prometheus' text format, each with the pair's label."""
    from prometheus_client import CollectorRegistry, Gauge, generate_latest  # noqa: PLC0415 - only who writes them

    registry, gauges = CollectorRegistry(), dict[str, Gauge]()
    for sample in samples:
        if sample.name not in gauges:
            names = ["pair", *sample.labels]
            gauges[sample.name] = Gauge(PREFIX + sample.name, MEANINGS[sample.name], names, registry=registry)
        gauges[sample.name].labels(pair=pair, **sample.labels).set(sample.value)
    return generate_latest(registry)


def _copy(overview: Overview) -> Iterator[Sample]:
    copy = overview.copy
    if copy is None:
        return
    yield from _instant("verified_copy_timestamp_seconds", copy.snapshot_at)
    yield from _number("verified_copy_bytes", copy.dump_bytes)
    for table, rows in copy.stats.items():
        yield from _number("verified_copy_rows", rows, table=table)


def _runs(runs: Iterable[PastRun]) -> Iterator[Sample]:
    ended = [run for run in runs if run.outcome is not None]
    for outcome in OUTCOMES:
        of_it = [run for run in ended if run.outcome == outcome]
        yield Sample(name="runs_remembered", value=len(of_it), labels={"outcome": outcome})
        yield from _instant("run_end_timestamp_seconds", of_it[0].ended_at if of_it else None, outcome=outcome)
    last = next((run for run in ended if run.outcome != "skipped"), None)
    if last is not None:
        for outcome in OUTCOMES:
            yield Sample(name="last_run_outcome", value=last.outcome == outcome, labels={"outcome": outcome})
        yield from _instant("last_run_start_timestamp_seconds", last.started_at)
        yield from _number("last_run_duration_seconds", last.duration_s)
        yield from _number("last_run_unchanged", None if last.way is None else last.unchanged)
    steps: dict[str, float] = {}
    for run in ended:
        for step in run.steps:
            if step.state == "done" and step.seconds is not None:
                steps.setdefault(step.name, step.seconds)
    for name, seconds in steps.items():
        yield from _number("step_duration_seconds", seconds, step=name)
    for role in ("source", "target"):
        sizes = [run.report[role]["size_bytes"] for run in ended if run.report.get(role)]
        yield from _number(f"{role}_database_bytes", sizes[0] if sizes else None)
    yield from _number("safety_backup_bytes", next((run.safety_bytes for run in ended if run.safety_bytes), None))


def _storage(overview: Overview) -> Iterator[Sample]:
    for kind in ("source", "safety", "rejected"):
        total = sum(dump.size_bytes for dump in overview.dumps if dump.kind == kind)
        yield Sample(name="dump_files_bytes", value=total, labels={"kind": kind})
    yield from _number("backup_dir_free_bytes", overview.free_bytes)


def _instant(name: str, when: datetime | None, **labels: str) -> Iterator[Sample]:
    yield from _number(name, when.timestamp() if when else None, **labels)


def _number(name: str, value: float | None, **labels: str) -> Iterator[Sample]:
    if value is not None:
        yield Sample(name=name, value=value, labels=labels)
