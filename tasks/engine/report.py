"""The report of a run: one JSON document, built from what the journal remembers."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from tasks.engine.journal import RunRecord, StepRecord
from tasks.engine.progress import PHASES

SHOWN_FACTS = (
    "method",
    "method_reason",
    "way",
    "way_reason",
    "source",
    "target",
    "source_dump",
    "safety_dump",
    "expired",
    "shrink",
    "dump_ways",
    "offsite",
)

_TOLD_BY_NAME = {
    *("success", "run_id", "job_id", "outcome", "slot", "stamp", "host", "start_time", "end_time", "duration_seconds"),
    *("source_stats", "backup_stats", "error", "warnings", "steps"),
    *("method", "method_reason", "source", "target", "source_dump", "safety_dump", "expired", "shrink", "offsite"),
}


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
    ended_at = max(ended_at, record.started_at)  # which lies ahead where the second was another run's: reserve_stamp
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
        "steps": [_step(step, facts.get(PHASES, {}).get(step.name, [])) for step in steps],
        **{name: facts[name] for name in SHOWN_FACTS if name in facts},
    }


def _step(step: StepRecord, phases: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    seconds = None if step.took_s is None else round(step.took_s, 3)
    known = {"name": step.name, "state": step.state, "seconds": seconds, "summary": step.summary}
    return {**known, PHASES: list(phases)}


def more_facts(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What a report tells beside what everybody knows of, as a name and words: `way`, `swap: the schema differs`.

    A reason stands with what it is the reason of. What is neither a word, a number, nor a few of them is passed over.
    """
    for key, value in report.items():
        reason_of = key.removesuffix("_reason")
        if key in _TOLD_BY_NAME or (reason_of != key and reason_of in report):
            continue
        told, reason = _words(value), _words(report.get(f"{key}_reason"))
        if told:
            yield key.replace("_", " "), f"{told}: {reason}" if reason else told


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {each}" for key, each in value.items() if isinstance(each, str | int | float))
    if isinstance(value, Sequence):
        return ", ".join(str(each) for each in value if isinstance(each, str | int | float))
    return ""


def _iso(instant: datetime | None) -> str | None:
    return instant.isoformat(timespec="seconds") if instant else None
