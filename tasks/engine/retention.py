"""Retention: which dump files expire, with a reason for each that a person understands. Pure: it deletes nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from tasks.engine.names import PART_SUFFIX, DumpKind

RunState = Literal["succeeded", "failed", "open"]


@dataclass(frozen=True, kw_only=True)
class KeptDump:
    """A dump file on disk. stamp: when its run started (aware, UTC); state: of its run, "failed" where unknown."""

    run_id: str
    stamp: datetime
    path: Path
    kind: DumpKind
    state: RunState

    @property
    def verified(self) -> bool:
        """Only a dump of the source whose run succeeded was proved right; a safety backup or a part never was."""
        return self.kind == "source" and self.state == "succeeded" and not self.partial

    @property
    def partial(self) -> bool:
        return self.path.name.endswith(PART_SUFFIX)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a file stays, and why, as the end of a sentence that begins with its name."""

    dump: KeptDump
    keep: bool
    reason: str


@dataclass(frozen=True, kw_only=True)
class _Rules:
    keep_days: int
    keep_last: int
    now: datetime
    held: bool
    last: frozenset[KeptDump]
    verified: frozenset[KeptDump]
    safety: frozenset[KeptDump]
    stopgap: frozenset[KeptDump]


def plan(
    dumps: Sequence[KeptDump],
    *,
    keep_days: int,
    keep_last: int,
    now: datetime,
    newest_run_held: bool,
    newest_run_id: str | None,
    last_succeeded_run_id: str | None = None,
) -> list[Verdict]:
    """One verdict for each file, in the order given: it expires when older than keep_days (24 h each) and not needed.

    Needed are: everything while the newest run is held; every file of an open run; the newest keep_last verified
    dumps, the newest of all among them whatever keep_last is; the dump of the run that succeeded last, whose stamp is
    not the newest when a clock was set back; the safety backup of the newest run, and the newest
    safety backup there is; a file stamped in the future, since a clock that is wrong proves no age. A dump stamped
    in the future protects itself only: it does not push another out of the newest keep_last.

    Failed and partial files count for nothing and expire by age, with one exception: while no verified dump exists
    at all (an installation whose runs never succeeded), the newest keep_last whole files of each kind stay, since
    they may be all that anybody has. Their number is bounded, so that failing runs do not fill the disk.
    """
    at_least = max(keep_last, 1)
    verified = [dump for dump in dumps if dump.verified]
    safety = [dump for dump in dumps if dump.kind == "safety" and not dump.partial]
    whole = [dump for dump in dumps if dump.kind == "source" and not dump.partial]
    rules = _Rules(
        keep_days=keep_days,
        keep_last=at_least,
        now=now,
        held=newest_run_held,
        last=frozenset(dump for dump in verified if dump.run_id == last_succeeded_run_id),
        verified=_newest(verified, at_least) | _newest(_past(verified, now), at_least),
        safety=_newest(_past(safety, now), 1) | {dump for dump in safety if dump.run_id == newest_run_id},
        stopgap=frozenset() if verified else _newest(whole, at_least) | _newest(safety, at_least),
    )
    return [_verdict(dump, rules) for dump in dumps]


def _newest(dumps: Iterable[KeptDump], count: int) -> frozenset[KeptDump]:
    return frozenset(sorted(dumps, key=lambda dump: (dump.stamp, dump.path), reverse=True)[:count])


def _past(dumps: Iterable[KeptDump], now: datetime) -> list[KeptDump]:
    return [dump for dump in dumps if dump.stamp <= now]


def _verdict(dump: KeptDump, rules: _Rules) -> Verdict:
    needed = _needed(dump, rules)
    if needed:
        return Verdict(dump=dump, keep=True, reason=needed)
    age = rules.now - dump.stamp
    days = f"{age / timedelta(days=1):.1f} days old"
    if age <= timedelta(days=rules.keep_days):
        return Verdict(dump=dump, keep=True, reason=f"{days}, and files are kept for {rules.keep_days} days")
    return Verdict(dump=dump, keep=False, reason=f"{days}, more than {rules.keep_days}, and {_worth(dump, rules)}")


def _needed(dump: KeptDump, rules: _Rules) -> str | None:
    """Why a file stays whatever its age; None where nothing but its age speaks for it."""
    because = (
        (rules.held, "the newest run is held: nothing expires until somebody has decided"),
        (dump.state == "open", "its run is still going"),
        (dump.stamp > rules.now, "stamped in the future: a clock is or was wrong, so its age is not known"),
        (dump in rules.verified, f"among the newest {rules.keep_last} verified dumps"),
        (dump in rules.last, "the dump of the run that succeeded last"),
        (dump in rules.safety, "the newest safety backup"),
        (dump in rules.stopgap, f"no verified dump exists, and it is among the newest {rules.keep_last} of its kind"),
    )
    return next((reason for holds, reason in because if holds), None)


def _worth(dump: KeptDump, rules: _Rules) -> str:
    if dump.partial:
        return "never finished"
    if dump.verified:
        return f"not among the newest {rules.keep_last} verified dumps"
    return "a safety backup of an earlier run" if dump.kind == "safety" else "its run failed"
