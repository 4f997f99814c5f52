"""Reports of runs that never were: a history of any length and any misfortune, for what shows reports to people."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

from config.schedule import next_slots
from tasks.engine.drills import Drill
from tasks.engine.freshness import freshness, newest_copy
from tasks.engine.history import from_report
from tasks.engine.overview import Overview, Slot

NOW = datetime(2026, 11, 25, 9, 12, tzinfo=UTC)
STALE_AFTER_S = 13 * 3600
STEP_SECONDS = {
    "verify_connections": 0.9,
    "dump_source": 8.4,
    "back_up_target": 5.1,
    "check_guards": 0.3,
    "restore_target": 14.2,
    "verify_target": 6.3,
    "finish": 0.6,
}
# What a step does, with its share of the step's seconds.
PHASES = {
    "dump_source": {"beginning": 0.1, "reading and dumping": 0.7, "examining the dump": 0.2},
    "back_up_target": {"reading and dumping": 0.75, "examining the dump": 0.25},
    "restore_target": {"loading": 0.6, "gathering statistics": 0.1, "proving the copy": 0.28, "publishing": 0.02},
    "verify_target": {"verifying": 0.99},
}
ERRORS = {
    "failed": "the source cannot be reached: connection refused; see that Neon runs and that DATABASE_URL is right",
    "rolled_back": "restoring failed: function polite(text) does not exist; nothing was published",
    "rollback_failed": "the target vanished; and the rollback failed: restore backup_safety_20261125_060003.sql",
    "held": "the backup database railway holds 9 tables with 412 rows and no mark of ours: it might be somebody "
    "else's; if it may be overwritten from now on: railway-neon-sync adopt",
    "missed": "it was due at 2026-11-25 06:00 UTC and nobody started it",
    "skipped": "another run holds the lock: 5f0c… (manual) on backup-1, since 2026-11-25 05:59:12 UTC",
}
FAILED_AT = {
    "failed": "dump_source",
    "rolled_back": "restore_target",
    "rollback_failed": "restore_target",
    "held": "check_guards",
}


def a_report(slot: datetime, outcome: str = "succeeded", *, number: int = 0, **others: Any) -> dict[str, Any]:
    """The report of a run that began some seconds after its slot; number: how many runs were before it."""
    began = slot + timedelta(seconds=3)
    steps = _steps(outcome, number)
    seconds = sum(step["seconds"] for step in steps) + 0.4
    ended = began + timedelta(seconds=seconds)
    stamp = f"{began:%Y%m%d_%H%M%S}"
    dumped = [step["name"] for step in steps if step["state"] == "done"]
    stats: dict[str, int | None] = {
        "users": 2 * number + 5_120,
        "escrows": number // 2 + 812,
        "wallets": 2 * number + 4_870,
        "transactions": 190 * number + 61_240,
    }
    counted = "dump_source" in dumped
    report: dict[str, Any] = {
        "success": outcome == "succeeded",
        "run_id": f"0b5e55a1-0000-4000-8000-{number:012}",
        "job_id": f"unified_db_railway_backup_{'morning' if slot.hour == 6 else 'evening'}",
        "outcome": outcome,
        "slot": slot.isoformat(),
        "stamp": stamp,
        "host": "backup-1",
        "start_time": began.isoformat(),
        "end_time": ended.isoformat(timespec="seconds"),
        "duration_seconds": round(seconds, 3),
        "source_stats": stats if counted else dict.fromkeys(stats),
        "backup_stats": stats if outcome == "succeeded" else None,
        "error": ERRORS.get(outcome),
        "warnings": [],
        "steps": steps,
    }
    size = 41_300_000 + 210_000 * number
    if counted:
        report |= {
            "method": "swap",
            "method_reason": "the role may create databases",
            "source_dump": _dump(f"source_db_backup_{stamp}.sql", size, began, stats),
        }
    if "back_up_target" in dumped:
        report["safety_dump"] = _dump(f"backup_safety_{stamp}.sql", int(size * 0.87), began, stats)
    return report | others


def a_history(now: datetime = NOW, *, days: int = 90, mishaps: Mapping[int, str] | None = None) -> list[dict[str, Any]]:
    """Two runs a day up to now; mishaps: outcomes of single runs, counted backwards from the newest (0)."""
    slots = [
        (now - timedelta(days=day)).replace(hour=hour, minute=0, second=0, microsecond=0)
        for day in range(days, -1, -1)
        for hour in (6, 18)
    ]
    slots = [slot for slot in slots if slot < now]
    outcomes = mishaps or {}
    return [
        a_report(slot, outcomes.get(len(slots) - 1 - number, "succeeded"), number=number)
        for number, slot in enumerate(slots)
    ]


def _steps(outcome: str, number: int) -> list[dict[str, Any]]:
    if outcome in {"missed", "skipped"}:
        return []
    steps = []
    for place, (name, seconds) in enumerate(STEP_SECONDS.items()):
        failed = FAILED_AT.get(outcome) == name
        wave = 1 + 0.16 * math.sin(number * 1.7 + place) + 0.002 * number
        summary = ERRORS[outcome] if failed else f"{name} did what it should"
        state = "failed" if failed else "done"
        took = round(seconds * wave, 3)
        steps.append({"name": name, "state": state, "seconds": took, "summary": summary, "phases": _phases(name, took)})
        if failed:
            break
    return steps


def _phases(step: str, took: float) -> list[dict[str, Any]]:
    counted = {"loading": (41_300_000, 0), "proving the copy": (0, 9)}
    return [
        {
            "name": name,
            "seconds": round(share * took, 3),
            "bytes": counted.get(name, (0, 0))[0],
            "tables": counted.get(name, (0, 0))[1],
            "round_trips": 0,
        }
        for name, share in PHASES.get(step, {}).items()
    ]


def a_drill(at: datetime = NOW - timedelta(days=5, hours=3), **others: Any) -> Drill:
    """A drill of the dump of the evening before."""
    values: dict[str, Any] = {
        "at": at.isoformat(timespec="seconds"),
        "dump": "source_db_backup_20261119_180003.sql",
        "run_id": "0b5e55a1-0000-4000-8000-000000000150",
        "snapshot_at": (at - timedelta(hours=12)).isoformat(timespec="seconds"),
        "server": "railway:5432",
        "size_bytes": 71_800_000,
        "tables": 9,
        "rows": 96_812,
        "load_s": 15.1,
        "prove_s": 4.2,
        "rto_s": 19.3,
        "ok": True,
        "error": None,
    }
    return Drill(**values | others)


def _dump(file: str, size: int, at: datetime, stats: Mapping[str, int | None]) -> dict[str, Any]:
    return {
        "file": file,
        "size_bytes": size,
        "sha256": "5f" * 32,
        "taken_at": at.isoformat(),
        "content_digest": "ab" * 32,
        "tables": 9,
        "rows": sum(rows or 0 for rows in stats.values()),
    }


def an_overview(
    reports: Sequence[Mapping[str, Any]], now: datetime = NOW, *, promoted_at: str | None = None, **others: Any
) -> Overview:
    """How things stand when these reports are all that is remembered."""
    runs = sorted((from_report(report) for report in reports), key=lambda run: run.started_at, reverse=True)
    copy = newest_copy(runs, now)
    known_since = min((run.started_at for run in runs), default=None)
    values: dict[str, Any] = dict.fromkeys(field.name for field in fields(Overview)) | {
        "now": now,
        "freshness": freshness(copy, known_since, now=now, stale_after_s=STALE_AFTER_S),
        "stale_after_s": STALE_AFTER_S,
        "copy": copy,
        "known_since": known_since,
        "runs": tuple(runs),
        "next_slots": tuple(Slot(job_id=job, at=at, in_s=(at - now).total_seconds()) for job, at in next_slots(now, 4)),
        "promoted_at": promoted_at,
        "dumps": (),
        "problems": (),
    }
    return Overview(**values | others)
