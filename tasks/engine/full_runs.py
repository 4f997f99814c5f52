"""Which runs do everything anew: ask pg_dump for the schema, dump the target, load the whole dump.

The short ways prove all that they leave as it stands. What no proof looks at, such as an index that a disk has
damaged, they leave too, for ever: so one run in some days goes the whole way.
"""

from datetime import timedelta

from tasks.engine.journal import RunRecord
from tasks.engine.run import KEEPING, SCHEMA_KEPT, Run

_EARLIER = timedelta(hours=1)  # a run that begins a little earlier in its slot than its predecessor did is due as well


def why_full(run: Run) -> str | None:
    """Why this run does everything anew, as the end of a sentence; None: it may go a shorter way.

    The answer is the same at each step of a run.
    """
    if run.settings.full_runs:
        return "FULL_RUNS asks for it"
    days = run.settings.full_run_days
    earlier = [each for each in run.journal.runs() if each.started_at <= run.started_at and each.run_id != run.id]
    full = max((each.started_at for each in earlier if each.outcome == "succeeded" and _was_full(each)), default=None)
    if not days or (full is not None and run.started_at - full < timedelta(days=days) - _EARLIER):
        return None
    since = f"the last one that did was on {full:%Y-%m-%d}" if full else "none is known that did"
    return f"one run in {days} days does everything anew (FULL_RUN_DAYS), and {since}"


def _was_full(record: RunRecord) -> bool:
    facts = record.facts
    short = facts.get("way") in KEEPING or SCHEMA_KEPT in facts or (facts.get("safety_dump") or {}).get("same_as")
    return not short
