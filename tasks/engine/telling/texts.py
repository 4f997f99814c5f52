"""The words of each notice: what, since when, is the copy usable, what to type. Pure: values in, a Notice out."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from tasks.engine.telling.notice import DIGEST, RECOVERED, RESTING, SUCCEEDED, TEST, Notice, Situation

_LONGEST_ERROR = 240
_MOST_TABLES = 4
_COMMAND = re.compile(r"railway-neon-sync [a-z-]+(?: --[a-z-]+(?: [0-9a-f-]{8,36})?)?")
_LOOK_ALIVE = "See whether beat, worker and Redis run: railway-neon-sync doctor. Then: railway-neon-sync run"
_TITLES = {
    "failed": "❌ Railway backup failed",
    "rolled_back": "❌ Railway backup failed, rolled back",
    "rollback_failed": "🚨 Railway backup: THE ROLLBACK FAILED",
    "held": "✋ Railway backup held: decide",
    "missed": "⏰ Railway backup missed",
}


def of_run(report: Mapping[str, Any], situation: Situation) -> Notice:
    """The trouble of a run that did not succeed."""
    outcome = report["outcome"]
    lines = {
        "failed": _failed,
        "rolled_back": _failed,
        "rollback_failed": _rollback_failed,
        "held": _held,
        "missed": _missed,
    }[outcome](report, situation)
    return _notice(outcome, _TITLES[outcome], [*lines, _signature(report, situation)])


def succeeded(report: Mapping[str, Any], situation: Situation) -> Notice:
    warnings = [f"Warning: {_shortened(warning)}" for warning in report.get("warnings", ())]
    took = f"Done in {span(timedelta(seconds=report['duration_seconds']))}."
    lines = [took, _usable(situation), *warnings[:2], _signature(report, situation)]
    return _notice(SUCCEEDED, "✅ Railway backup done", lines)


def recovered(report: Mapping[str, Any], situation: Situation, *, trouble: str, since: datetime) -> Notice:
    """The first success after trouble that was told, or after a promotion. trouble: its kind; since: when it began."""
    if trouble == RESTING:
        began, title = "The Railway database is a backup again; alarms are on.", "✅ Railway backup is back"
    else:
        began = f"The trouble ({trouble.replace('_', ' ')}) was told first at {instant(since)}."
        title = "✅ Railway backup works again"
    return _notice(RECOVERED, title, [began, _usable(situation), _signature(report, situation)])


def stale(situation: Situation, *, limit: timedelta, since: datetime) -> Notice:
    """No single run need have failed: the newest verified copy is too old. since: its instant, or the installation."""
    age = span(situation.now - since)
    if situation.copy is None:
        lines = [f"There is no verified copy yet, {age} after the installation; the limit is {span(limit)}."]
    else:
        lines = [f"The newest verified copy is {age} old; the limit is {span(limit)}.", _usable(situation)]
    runs = f"Runs since then: {_counted(situation.outcomes)}." if situation.outcomes else "No run since then."
    lines += [runs, _LOOK_ALIVE, _pair(situation)]
    return _notice("stale", "⏰ Railway backup is too old", lines)


def resting(promoted: str, situation: Situation) -> Notice:
    """Said once after `promote`. promoted: when, as the mark has it."""
    lines = [
        f"The Railway database was promoted at {_told_instant(promoted)}: it is production now.",
        "No run overwrites it. Alarms of runs and of an old copy rest from now on.",
        "To make it a backup again, type: railway-neon-sync adopt",
        _pair(situation),
    ]
    return _notice(RESTING, "⏸ Railway backup rests: promoted", lines)


def digest(situation: Situation, *, until: datetime) -> Notice:
    """The week before `until`; outcomes: of its runs."""
    good = set(situation.outcomes) == {"succeeded"}
    runs = f"Runs: {_counted(situation.outcomes)}." if situation.outcomes else "No run at all."
    title = f"{'✅' if good else '⚠️'} Railway backup: the week to {until:%a %d %b}"
    next_run = f"Next run: {instant(situation.next_run)}." + " What went wrong: railway-neon-sync list" * (not good)
    return _notice(DIGEST, title, [runs, _usable(situation), next_run, _pair(situation)])


def trial(situation: Situation, *, host: str) -> Notice:
    lines = ["This channel works. Nothing is wrong.", _usable(situation), f"{_pair(situation)}, asked for on {host}"]
    return _notice(TEST, "🔔 Railway backup: a test", lines)


def of_ping(report: Mapping[str, Any], situation: Situation, *, rests: bool) -> str:
    """What a dead man's switch shows beside its signal."""
    outcome, took = report["outcome"], span(timedelta(seconds=report["duration_seconds"]))
    said = f"{outcome} after {took}" + (f": {report['error']}" if report["error"] else "")
    rest = ["The Railway database was promoted: it is production, and alarms rest."] if rests else []
    return "\n".join([said, *rest, _signature(report, situation)])


def span(length: timedelta) -> str:
    """A length of time as people say it, in its two largest units: `3 days 4 h`, `13 h 4 min`, `150.5 s`."""
    seconds = max(length.total_seconds(), 0.0)
    if seconds < 180:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    minutes = int(seconds // 60)
    days, hours = divmod(minutes // 60, 24)
    if minutes < 60:
        return f"{minutes} min"
    if not days:
        return f"{hours} h" + f" {minutes % 60} min" * bool(minutes % 60)
    return f"{days} day{'s' * (days > 1)}" + f" {hours} h" * bool(hours)


def instant(when: datetime) -> str:
    """`Tue 24 Nov 18:00 UTC`."""
    return f"{when:%a %d %b %H:%M} UTC"


def commands_in(error: str) -> list[str]:
    """The commands that a sentence names, each once, in their order."""
    return list(dict.fromkeys(_COMMAND.findall(error)))


def _failed(report: Mapping[str, Any], situation: Situation) -> Iterable[str]:
    yield _shortened(report["error"])
    yield from _streak(situation)
    yield _usable(situation)
    yield f"Next try: {instant(situation.next_run)}. At once: railway-neon-sync run"


def _rollback_failed(report: Mapping[str, Any], situation: Situation) -> Iterable[str]:
    yield _shortened(report["error"])
    yield "NOT USABLE: nobody knows what the Railway database holds now."
    if situation.copy:
        yield f"The newest verified copy was of {instant(situation.copy.snapshot_at)}; its dump is kept."
    yield "Now: stop beat, then README, rollback_failed. When it is right again, type: railway-neon-sync adopt"


def _held(report: Mapping[str, Any], situation: Situation) -> Iterable[str]:
    yield _shortened(report["error"])
    yield from _streak(situation)
    yield "The Railway database was not touched."
    yield (
        f"The last verified copy is of {instant(situation.copy.snapshot_at)}."
        if situation.copy
        else "There is no verified copy yet."
    )
    if commands := commands_in(report["error"]):
        yield f"Decide, then type: {' or: '.join(commands)}"


def _missed(report: Mapping[str, Any], situation: Situation) -> Iterable[str]:
    yield f"{_shortened(report['error'])}."
    yield from _streak(situation)
    yield _usable(situation)
    yield _LOOK_ALIVE


def _streak(situation: Situation) -> Iterable[str]:
    if situation.bad_runs > 1 and situation.bad_since:
        yield f"No run has succeeded since {instant(situation.bad_since)}: {situation.bad_runs} in a row."


def _usable(situation: Situation) -> str:
    copy = situation.copy
    if copy is None:
        return "NOT USABLE: there is no verified copy yet."
    rows = [f"{count} {table}" for table, count in copy.rows.items() if count is not None][:_MOST_TABLES]
    held = f": {', '.join(rows)}" if rows else ""
    return f"The copy is usable, of {instant(copy.snapshot_at)} ({span(situation.now - copy.snapshot_at)} old){held}."


def _counted(outcomes: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {outcome.replace('_', ' ')}" for outcome, count in outcomes.items())


def _signature(report: Mapping[str, Any], situation: Situation) -> str:
    return f"Run {report['run_id'][:36]} on {report['host']}, {_pair(situation)}"


def _pair(situation: Situation) -> str:
    return f"{situation.source} → {situation.target}"


def _told_instant(text: str) -> str:
    try:
        return instant(datetime.fromisoformat(text))
    except ValueError:
        return text


def _shortened(sentence: str) -> str:
    """Cut at a word; the whole stands in the report."""
    sentence = f"{sentence[:1].upper()}{sentence[1:]}"
    if len(sentence) <= _LONGEST_ERROR:
        return sentence
    return sentence[:_LONGEST_ERROR].rpartition(" ")[0].rstrip(" ,;:") + " …"


def _notice(kind: str, title: str, lines: Iterable[str]) -> Notice:
    return Notice(kind=kind, title=title, body="\n".join(lines))
