"""The report of a run: one JSON document, built from what the journal remembers."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tasks.engine.journal import RunRecord, StepRecord

SHOWN_FACTS = (
    "method",
    "method_reason",
    "source",
    "target",
    "source_dump",
    "safety_dump",
    "expired",
    "shrink",
    "offsite",
)


def build_report(
    record: RunRecord,
    steps: Sequence[StepRecord],
    *,
    outcome: str,
    error: str | None,
    ended_at: datetime,
    stats_tables: Sequence[str],
) -> dict[str, Any]:
    """Keys and meanings as the README's table of them; only JSON values."""
    facts = record.facts
    return {
        "success": outcome == "succeeded",
        "run_id": record.run_id,
        "job_id": record.job_id,
        "outcome": outcome,
        "slot": _iso(record.slot),
        "stamp": record.stamp,
        "host": record.host,
        "start_time": _iso(record.started_at),
        "end_time": _iso(ended_at),
        "duration_seconds": round((ended_at - record.started_at).total_seconds(), 3),
        "source_stats": facts.get("source_stats") or dict.fromkeys(stats_tables),
        "backup_stats": facts.get("backup_stats"),
        "error": error,
        "warnings": list(facts.get("warnings", [])),
        "steps": [_step(step) for step in steps],
        **{name: facts[name] for name in SHOWN_FACTS if name in facts},
    }


def _step(step: StepRecord) -> Mapping[str, Any]:
    seconds = None if step.took_s is None else round(step.took_s, 3)
    return {"name": step.name, "state": step.state, "seconds": seconds, "summary": step.summary}


def _iso(instant: datetime | None) -> str | None:
    return instant.isoformat(timespec="seconds") if instant else None
