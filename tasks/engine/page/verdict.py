"""Is the copy good, and what to do when it is not: decided from an overview, in words for the person who looks."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tasks.engine.freshness import Freshness
from tasks.engine.history import PastRun
from tasks.engine.overview import Overview
from tasks.engine.telling.texts import commands_in

Tone = Literal["good", "warn", "bad", "new"]


@dataclass(frozen=True, kw_only=True)
class Advice:
    """One thing to do, and the command for it when there is one."""

    text: str
    command: str | None = None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What stands in the largest letters, why, and what to do."""

    tone: Tone
    headline: str
    says: str
    advice: tuple[Advice, ...] = ()


# What the newest run says of the copy: headline and sentence, when a verified copy is there and not too old.
_TOLD = {
    "succeeded": ("The copy is good", "It was proved equal to Neon as it was dumped."),
    "failed": ("The copy is good, but the last run failed", "The backup database was not touched by that run."),
    "rolled_back": (
        "The copy is good, but the last run was rolled back",
        "The backup database is proved to hold what it held before that run.",
    ),
    "held": (
        "A run is held: a person must decide",
        "A guard forbade overwriting the backup database. It was not touched, and nothing expires meanwhile.",
    ),
    "missed": ("The copy is good, but a run was missed", "It could not start in time."),
}
_RETRY = Advice(text="Mend what the error names, then make a copy now:", command="railway-neon-sync run")
_PROMOTE = Advice(
    text="Is Neon lost? Make the Railway database production; no run overwrites it from then on:",
    command="railway-neon-sync promote",
)
_LOOK_ALIVE = Advice(text="See what is wrong, that worker and beat run:", command="railway-neon-sync doctor")
_NOW = Advice(text="Make a copy now:", command="railway-neon-sync run")
_DECISIONS = {
    "railway-neon-sync promote": ("", "The Railway database is production now?"),
    "railway-neon-sync adopt": ("", "What it holds may be overwritten?"),
    "railway-neon-sync run --accept-shrink": (
        "Look at Neon first: somebody may have destroyed data, and the backup may be the only copy left.",
        "The loss is right?",
    ),
    "railway-neon-sync": ("", "Or:"),
}
_ADVICE = {
    "failed": (_RETRY,),
    "rolled_back": (_RETRY, Advice(text="The same error twice will not mend itself.")),
    "missed": (_LOOK_ALIVE, _NOW),
    "rollback_failed": (
        Advice(text="Stop beat, so that no run follows:", command="docker compose stop beat"),
        Advice(
            text="Look at the databases of the Railway server (\\l in psql). One called …__previous_… is the old "
            "content: put it back. Otherwise restore the safety backup that the error names. Both are described in "
            "docs/recovery-without-the-tool.md."
        ),
        Advice(text="Then say that the database may be overwritten again:", command="railway-neon-sync adopt"),
        Advice(text="Start beat, and make a copy:", command="railway-neon-sync run"),
    ),
}


def judge(overview: Overview, *, freshness: Freshness | None = None) -> Verdict:
    """freshness: another than the overview's, to know what will be said once the copy is too old."""
    newest = newest_that_tells(overview)
    outcome, advice = newest.outcome if newest else None, advice_for(newest)
    if outcome == "rollback_failed":
        return Verdict(
            tone="bad",
            headline="People are needed now",
            says="A run failed, and the backup database could not be put right.",
            advice=advice,
        )
    if overview.promoted_at:
        return Verdict(
            tone="new",
            headline="The backup database is production now",
            says=f"It was promoted on {overview.promoted_at}. No run overwrites it: each is held.",
            advice=(Advice(text="May it be a backup again?", command="railway-neon-sync adopt"),),
        )
    if overview.copy is None:
        return _without_copy(newest, advice)
    if (freshness or overview.freshness) == "stale":
        return Verdict(
            tone="bad",
            headline="The copy is too old",
            says="No run has made a verified copy for too long.",
            advice=(*(advice or (_LOOK_ALIVE, _NOW)), _PROMOTE),
        )
    headline, says = _TOLD.get(outcome or "succeeded", _TOLD["failed"])
    tone: Tone = "good" if outcome in {None, "succeeded"} else "warn"
    return Verdict(tone=tone, headline=headline, says=says, advice=advice)


def newest_that_tells(overview: Overview) -> PastRun | None:
    """The newest run that has ended and was not merely skipped: another run was at work then, and tells more."""
    return next((run for run in overview.runs if run.outcome and run.outcome != "skipped"), None)


def advice_for(newest: PastRun | None) -> tuple[Advice, ...]:
    """What the outcome of the newest run asks people to do."""
    if newest is None:
        return ()
    if newest.outcome != "held":
        return _ADVICE.get(newest.outcome or "", ())
    return tuple(_to_decide(str(newest.report.get("error")))) or (_RETRY,)


def _to_decide(error: str) -> Iterator[Advice]:
    """What a held run leaves to people: the commands that its sentence names."""
    for command in commands_in(error):
        before, question = next(words for start, words in _DECISIONS.items() if command.startswith(start))
        if before:
            yield Advice(text=before)
        yield Advice(text=question, command=command)


def _without_copy(newest: PastRun | None, advice: tuple[Advice, ...]) -> Verdict:
    if newest is None:
        return Verdict(
            tone="new",
            headline="There is no copy yet",
            says="No run has ended so far. The first one shows here what it made.",
            advice=(Advice(text="Make the first copy now:", command="railway-neon-sync run"),),
        )
    return Verdict(
        tone="bad",
        headline="There is no verified copy",
        says="No run has succeeded so far.",
        advice=advice or (_NOW,),
    )
