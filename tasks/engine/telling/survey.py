"""What a notice tells beside its run, out of how things stand. Pure."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from itertools import takewhile

from config.settings import Settings
from tasks.engine.history import PastRun
from tasks.engine.overview import Overview
from tasks.engine.telling.notice import Copy, Situation

_NO_RUN = {None, "skipped"}  # of a run that is going, or that let another one work


def survey(overview: Overview, settings: Settings) -> Situation:
    """overview: with all its runs; outcomes are counted since the newest verified copy."""
    since = list(takewhile(lambda run: run.outcome != "succeeded", overview.runs))
    bad = [run for run in since if run.outcome not in _NO_RUN]
    copy = overview.copy
    return Situation(
        source=settings.source.dbname,
        target=settings.target.dbname,
        now=overview.now,
        next_run=overview.next_slots[0].at,
        copy=Copy(snapshot_at=copy.snapshot_at, rows=copy.stats) if copy else None,
        bad_runs=len(bad),
        bad_since=bad[-1].started_at if bad else None,
        outcomes=count_outcomes(since),
    )


def count_outcomes(runs: Sequence[PastRun]) -> dict[str, int]:
    """The most frequent first."""
    return dict(Counter(run.outcome for run in runs if run.outcome is not None).most_common())


def week_before(due: datetime, runs: Sequence[PastRun], *, days: int = 7) -> list[PastRun]:
    return [run for run in runs if 0 <= (due - run.started_at).total_seconds() < days * 86_400]


def later_one_was_missed(run_id: str, runs: Sequence[PastRun]) -> bool:
    """Slots that nobody started are written down together and told one by one: only the newest is worth a notice."""
    slots = {run.run_id: run.slot for run in runs if run.run_id.startswith("missed-")}
    ours = slots.get(run_id)
    return ours is not None and any(slot is not None and slot > ours for slot in slots.values())
