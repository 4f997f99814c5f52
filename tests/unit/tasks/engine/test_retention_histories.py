"""Whole histories: runs of every outcome, clocks that jump, expiry after each success and by hand; what must hold."""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.engine.names import DumpKind
from tasks.engine.retention import KeptDump, RunState, plan
from tests.faults.figures import RecordFigure

_OUTCOMES = ("succeeded", "succeeded", "succeeded", "failed", "rolled_back", "held", "died")
_JUMPS_H = (-5_000, -200, -24, -1, 1, 24, 200, 5_000)
_KEEP_LAST = (3, 3, 4, 5)  # the setting has no less than 3
_EVENTS = range(6, 30)


@dataclass
class History:
    """What lies in the folder, and the truth about it, which no clock can change. runs: ids in their real order."""

    chance: random.Random
    now: datetime = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
    files: list[KeptDump] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    last_outcome: str = "failed"
    last_succeeded: str | None = None
    deleted: int = 0

    def play(self) -> None:
        keep_last, keep_days = self.chance.choice(_KEEP_LAST), self.chance.randrange(1, 15)
        for _ in range(self.chance.choice(_EVENTS)):
            self.now += timedelta(hours=self.chance.choice((1, 12, 12, 12, 48)))
            if self.chance.random() < 0.15:
                self.now += timedelta(hours=self.chance.choice(_JUMPS_H))
            self.run(self.chance.choice(_OUTCOMES))
            if self.last_outcome == "succeeded" or self.chance.random() < 0.3:
                self.expire(keep_last, keep_days)

    def run(self, outcome: str) -> None:
        while any(file.stamp == self.now for file in self.files):  # no two runs get the same stamp
            self.now += timedelta(seconds=1)
        run_id = f"run{len(self.runs)}"
        self.runs.append(run_id)
        self.last_outcome = outcome
        self.files = [self._ended(file) for file in self.files]
        state: RunState = "succeeded" if outcome == "succeeded" else "open" if outcome == "died" else "failed"
        kinds: list[DumpKind] = ["source", "safety"]
        if outcome in {"failed", "died"}:
            kinds = kinds[: self.chance.randrange(3)]
        for kind in kinds:
            part = outcome in {"failed", "died"} and kind == kinds[-1] and self.chance.random() < 0.5
            path = Path(f"{kind}_{run_id}.sql" + ".part" * part)
            self.files.append(KeptDump(run_id=run_id, stamp=self.now, path=path, kind=kind, state=state))
        if outcome == "succeeded":
            self.last_succeeded = run_id

    def _ended(self, file: KeptDump) -> KeptDump:
        """A run that died is ended by the next one."""
        if file.state != "open":
            return file
        return KeptDump(run_id=file.run_id, stamp=file.stamp, path=file.path, kind=file.kind, state="failed")

    def expire(self, keep_last: int, keep_days: int) -> None:
        verdicts = plan(
            self.files,
            keep_days=keep_days,
            keep_last=keep_last,
            now=self.now,
            newest_run_held=self.last_outcome == "held",
            newest_run_id=self.runs[-1],
            last_succeeded_run_id=self.last_succeeded,
        )
        gone = [verdict.dump for verdict in verdicts if not verdict.keep]
        left = [verdict.dump for verdict in verdicts if verdict.keep]
        verified = sorted(filter(_is_verified, self.files), key=lambda file: file.stamp)
        assert len([*filter(_is_verified, left)]) >= min(3, len(verified)), "fewer than three verified dumps are left"
        assert not set(gone) & set(verified[-3:]), "one of the newest three verified dumps"
        assert self.last_outcome != "held" or not gone, "something while the newest run is held"
        assert all(verdict.reason for verdict in verdicts)
        for file in gone:
            assert file.state != "open", "a file of an open run"
            assert not (_is_verified(file) and file.run_id == self.last_succeeded), "the last succeeded run's dump"
            assert file.kind != "safety" or file.run_id != self.runs[-1], "the last run's safety backup"
            assert self.now - file.stamp > timedelta(days=keep_days), "a young file"
        self.files, self.deleted = left, self.deleted + len(gone)


def _is_verified(file: KeptDump) -> bool:
    return file.kind == "source" and file.state == "succeeded" and file.path.suffix == ".sql"


def play(seeds: range) -> tuple[int, list[str]]:
    """How many files expired in all, and what went wrong."""
    deleted, wrong = 0, []
    for seed in seeds:
        history = History(random.Random(seed))  # noqa: S311 - histories, no secrets
        try:
            history.play()
        except AssertionError as error:
            wrong.append(f"seed {seed} deleted or left: {error}")
        deleted += history.deleted
    return deleted, wrong


def test_no_history_makes_retention_delete_what_somebody_needs() -> None:
    deleted, wrong = play(range(1_000))
    assert wrong == []
    assert deleted > 2_000  # the histories are such that something expires


@pytest.mark.figures
@pytest.mark.long
@pytest.mark.timeout(900)
def test_none_of_ten_thousand_histories_makes_retention_delete_what_somebody_needs(record_figure: RecordFigure) -> None:
    seeds = range(1_000, 11_000)
    deleted, wrong = play(seeds)
    record_figure(
        section="Retention",
        what=f"histories with jumping clocks after which nothing needed had expired ({deleted} files did)",
        held=len(seeds) - len(wrong),
        of=len(seeds),
    )
    assert wrong == []
    assert deleted > 20_000
