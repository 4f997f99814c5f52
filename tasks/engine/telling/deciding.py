"""Whether an event is worth a notice: the same trouble is told once, and again after a day. Pure."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.engine.telling.notice import DIGEST, RECOVERED, RESTING, SUCCEEDED, TROUBLES, Told

# A little less than a day, so that the run of the same hour on the next day is the reminder.
REMIND_AFTER = timedelta(hours=23)
_DIGEST_HOUR = 8
_CHANGING = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|__(?:incoming|previous)_[0-9a-f]{8}|\d+(?:\.\d+)?")


def kind_for_run(
    report: Mapping[str, Any], told: Sequence[Told], *, now: datetime, each_success: bool, superseded: bool = False
) -> str | None:
    """The kind of notice that a run is worth; None: none. told: earlier notices, the newest first.

    superseded: a later run was missed too, and will be told together with this one.
    """
    outcome: str = report["outcome"]
    if outcome == "succeeded":
        return RECOVERED if open_trouble(told) else SUCCEEDED if each_success else None
    if outcome not in TROUBLES or superseded:
        return None
    if outcome == "rollback_failed":
        return outcome  # people are needed: never too often
    return None if is_repeated(outcome, cause_of(report), told, now=now) else outcome


def kind_at_rest(told: Sequence[Told]) -> str | None:
    """What to say instead of a trouble while the target is promoted: that alarms rest, once."""
    current = open_trouble(told)
    return None if current is not None and current.kind == RESTING else RESTING


def open_trouble(told: Sequence[Told]) -> Told | None:
    """What was told last and is not over: the newest trouble, or that alarms rest."""
    for notice in told:
        if notice.kind == RECOVERED:
            return None
        if notice.kind in TROUBLES or notice.kind == RESTING:
            return notice
    return None


def trouble_began(told: Sequence[Told]) -> datetime | None:
    """When the trouble that is open now was told first."""
    began = None
    for notice in told:
        if notice.kind in {RECOVERED, RESTING}:
            break
        if notice.kind in TROUBLES:
            began = notice.made_at
    return began


def is_repeated(kind: str, cause: str, told: Sequence[Told], *, now: datetime) -> bool:
    """Was the same told within a day, and nothing recovered since?"""
    for notice in told:
        if notice.kind == RECOVERED or now - notice.made_at >= REMIND_AFTER:
            return False
        if (notice.kind, notice.cause) == (kind, cause):
            return True
    return False


def cause_of(report: Mapping[str, Any]) -> str:
    """What makes two troubles the same: the error without what changes from run to run."""
    return "" if report["outcome"] == "missed" else _CHANGING.sub("#", report["error"] or "")


def stale_day(now: datetime, *, since: datetime, limit: timedelta) -> int:
    """For how many whole days the copy has been too old: each of them is told once."""
    return max(timedelta(0), now - since - limit) // timedelta(days=1)


def digest_due(now: datetime, *, installed: datetime) -> datetime | None:
    """The Monday whose digest is due since 08:00 UTC, None on other days and in the first days of an installation."""
    now = now.astimezone(UTC)
    due = (now - timedelta(days=now.weekday())).replace(hour=_DIGEST_HOUR, minute=0, second=0, microsecond=0)
    return due if now >= due and due - installed >= timedelta(days=1) else None


def digest_key(due: datetime) -> str:
    return f"{DIGEST}:{due:%Y-%m-%d}"
