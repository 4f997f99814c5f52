"""The end of a run: the outcome is written once, then told everywhere, again if the telling was cut off."""

import glob
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from config.logs import cleaned, log_context
from config.settings import Settings
from tasks.engine.drills import FILE as DRILLS_FILE
from tasks.engine.errors import BackupError
from tasks.engine.faultpoints import fault_point
from tasks.engine.journal import Journal, RunRecord
from tasks.engine.lease import Lease
from tasks.engine.metrics import write_metrics_or_tell
from tasks.engine.names import PART_SUFFIX, report_path, run_key_path
from tasks.engine.page.writing import page_path, write_page_or_tell
from tasks.engine.recovery import Ending
from tasks.engine.report import build_report
from tasks.engine.storage import atomic_write, is_regular
from tasks.engine.telling.announce import announce, look
from tasks.engine.telling.delivery import deliver, sentences, untold
from tasks.engine.telling.outbox import Undelivered

log = logging.getLogger(__name__)

Teller = Callable[[Mapping[str, Any]], None]


def close_run(
    run_id: str,
    ending: Ending,
    *,
    settings: Settings,
    journal: Journal,
    lease: Lease | None,
    tell: Teller,
    closer: str | None = None,
) -> dict[str, Any] | None:
    """Write the outcome and tell it; None when somebody else has ended this run, or has it now."""
    record = journal.run(run_id)
    if record is None or record.state == "ended":
        return None
    undelivered = _undelivered(journal)
    built = build_report(
        _with_warnings(record, sentences(undelivered, settings)),
        journal.steps(run_id),
        outcome=ending.outcome,
        error=ending.error,
        ended_at=datetime.now(UTC),
        stats_tables=settings.stats_tables,
    )
    report: dict[str, Any] = cleaned(built, settings.secrets)
    if not journal.end_run(run_id, outcome=ending.outcome, error=report["error"], report=report, closer=closer):
        return None
    fault_point("closed")
    with suppress(BackupError):  # else the next report tells it once more
        journal.outbox.mark_reported(undelivered)
    tell_outcome(report, settings=settings, journal=journal, lease=lease, tell=tell)
    return report


def tell_outcome(
    report: Mapping[str, Any], *, settings: Settings, journal: Journal, lease: Lease | None, tell: Teller
) -> None:
    """Log, report file, lock, page, result backend, people: each on its own, none stops the others; again if cut off.

    People come last: a channel that hangs delays neither the next run nor who waits for this one.
    """
    told, run_id = True, report["run_id"]
    actions: dict[str, Callable[[], None]] = {
        "log": lambda: _log_once(report, journal),
        "file": lambda: write_report(report, settings),
        "key": lambda: forget_key(settings.backup_dir, report["stamp"]),
        "lock": lambda: None if lease is None else lease.release(run_id),
        # Before the backend: who has the result finds the page and the metrics that show it.
        "page": lambda: write_page_or_tell(settings, journal),
        "metrics": lambda: write_metrics_or_tell(settings, journal, now=datetime.now(UTC), lease=lease),
        "backend": lambda: tell(report),
        "people": lambda: announce(report, settings=settings, journal=journal, now=datetime.now(UTC)),
    }
    with log_context(run_id):
        for name, action in actions.items():
            try:
                action()
                fault_point(f"told.{name}")
            except (BackupError, OSError) as error:  # the disk, or what stands there under the report's name
                told = False
                log.warning("the outcome of run %s could not be told everywhere: %s", run_id, error)
        if told:
            journal.keep(run_id, told=True)
        _tell_what_waits(settings, journal)


def tell_again(*, settings: Settings, journal: Journal, lease: Lease | None, tell: Teller) -> None:
    """Outcomes whose telling was cut off."""
    for record in journal.runs(limit=50):
        if record.state == "ended" and record.report is not None and not record.facts.get("told"):
            tell_outcome(record.report, settings=settings, journal=journal, lease=lease, tell=tell)


def look_and_deliver(settings: Settings, journal: Journal, *, now: datetime) -> None:
    """Tell what the clock tells, deliver what waits; the page shows what did not arrive, and so is written again."""
    before = untold(settings, journal)
    look(settings=settings, journal=journal, now=now)
    deliver(settings=settings, journal=journal, now=now)
    if untold(settings, journal) != before:
        write_page_or_tell(settings, journal)


def _tell_what_waits(settings: Settings, journal: Journal) -> None:
    """Where no worker looks at the clock every minute (`run --here` from cron), each run does."""
    try:
        look_and_deliver(settings, journal, now=datetime.now(UTC))
    except Exception as error:  # the run has ended and its outcome stands: no fault in telling of it undoes that
        level = logging.WARNING if isinstance(error, BackupError) else logging.ERROR
        log.log(level, "what waits to be told could not be told now: %s", error, exc_info=level == logging.ERROR)


def _undelivered(journal: Journal) -> list[Undelivered]:
    """Notices that some channel did not take, for the report to tell of."""
    try:
        return journal.outbox.undelivered(unreported=True)
    except BackupError:
        return []


def _with_warnings(record: RunRecord, warnings: Sequence[str]) -> RunRecord:
    return replace(record, facts={**record.facts, "warnings": [*record.facts.get("warnings", []), *warnings]})


def _log_once(report: Mapping[str, Any], journal: Journal) -> None:
    """A process that died right after it wrote the outcome has not logged it: whoever tells it again does."""
    record = journal.run(report["run_id"])
    if record is None or not record.facts.get("logged"):
        _log_outcome(report)
        journal.keep(report["run_id"], logged=True)


def forget_key(directory: Path, stamp: str) -> None:
    """From now on only who has a key of ENCRYPT_TO reads this run's dump."""
    with suppress(FileNotFoundError):
        run_key_path(directory, stamp).unlink()


def write_report(report: Mapping[str, Any], settings: Settings) -> None:
    """The report as a file beside the dumps; several processes may tell the same one at once."""
    path = report_path(settings.backup_dir, report["stamp"])
    text = json.dumps(report, indent=2, ensure_ascii=False).encode()
    try:
        atomic_write(path, text)
    except FileNotFoundError:  # ours was swept below, by who had just written the same
        if not path.exists():
            raise
    # The stamp's reservation, and what a crash left: after the report stands, so that nobody who loses his misses it.
    for part in path.parent.glob(f"{path.name}*{PART_SUFFIX}"):
        part.unlink(missing_ok=True)


def forget_half_written(settings: Settings, now: datetime, *, silent_s: float) -> None:
    """Parts of page, metrics and drills whose writer was killed; silent_s: after so long nobody writes one any more."""
    directory = settings.backup_dir
    for path in (page_path(directory), settings.metrics_file, directory / DRILLS_FILE):
        for part in path.parent.glob(f"{glob.escape(path.name)}.*{PART_SUFFIX}"):
            with suppress(FileNotFoundError):  # its writer lives, and has just given it its name
                if is_regular(part) and now.timestamp() - part.stat().st_mtime > silent_s:
                    part.unlink()


def _log_outcome(report: Mapping[str, Any]) -> None:
    outcome, error = report["outcome"], report["error"]
    if outcome == "succeeded":
        log.info(
            "✅ Unified DB → Railway Backup completed in %.1fs",
            report["duration_seconds"],
            extra={"event": outcome, "took_s": report["duration_seconds"]},
        )
    elif outcome in {"skipped", "missed"}:
        log.warning("Unified DB → Railway Backup %s: %s", outcome, error, extra={"event": outcome})
    elif outcome == "held":
        log.warning("Unified DB → Railway Backup held: %s", error, extra={"event": outcome})
    else:
        log.error("❌ Unified DB → Railway Backup failed: %s", error, extra={"event": outcome})
    log.info("report %s", json.dumps(report, ensure_ascii=False), extra={"event": "report"})
