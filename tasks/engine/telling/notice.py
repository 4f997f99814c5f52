"""What people are told, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

# After one of these something is wrong until a run succeeds.
TROUBLES = frozenset({"failed", "rolled_back", "rollback_failed", "held", "missed", "stale"})
RECOVERED, SUCCEEDED, DIGEST, RESTING, TEST = "recovered", "succeeded", "digest", "resting", "test"
PING = "ping"  # for the dead man's switch, not for people: its title is a signal, its cause the run's id


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A message short enough for a phone. kind: one of TROUBLES or of the words beside them."""

    kind: str
    title: str
    body: str

    @property
    def is_trouble(self) -> bool:
        return self.kind in TROUBLES


@dataclass(frozen=True, kw_only=True)
class Told:
    """A notice that was made earlier. cause: what made it, without the numbers that change from run to run."""

    kind: str
    cause: str
    made_at: datetime


@dataclass(frozen=True, kw_only=True)
class Copy:
    """The newest verified copy."""

    snapshot_at: datetime
    rows: Mapping[str, int | None]


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What a notice tells beside the run that it is about.

    bad_runs: so many runs in a row have not succeeded, this one among them; bad_since: the first of them began then.
    """

    source: str
    target: str
    now: datetime
    next_run: datetime
    copy: Copy | None = None
    bad_runs: int = 0
    bad_since: datetime | None = None
    outcomes: Mapping[str, int] = field(default_factory=dict)  # of the runs since the copy, or of the week
