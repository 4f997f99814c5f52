"""What an examination found, point by point: for doctor and verify, for people and programs."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from tasks.engine.errors import BackupError

State = Literal["good", "bad", "note", "open"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One point: good; bad, and what is told names the remedy; a note, no fault; open: it could not be examined."""

    name: str
    state: State
    told: str


@dataclass(frozen=True, kw_only=True)
class Point:
    """One thing to examine.

    look: returns what is good about it as a sentence, or Findings; raises a BackupError whose sentence names the
    remedy. needs: names of points; when one of them is bad or open, this one cannot be examined.
    """

    name: str
    look: Callable[[], str | Iterable[Finding]]
    needs: tuple[str, ...] = ()


def examine(
    points: Iterable[Point],
    told: Callable[[Finding], None] = lambda _: None,
    looking: Callable[[str], None] = lambda _: None,
) -> list[Finding]:
    """Every point in its order; told: is given each finding as it comes, looking: each point's name before that."""
    findings: list[Finding] = []
    lost: set[str] = set()
    for point in points:
        looking(point.name)
        missing = [name for name in point.needs if name in lost]
        for finding in [_not_examined(point, missing[0])] if missing else _look(point):
            findings.append(finding)
            told(finding)
            if finding.state in {"bad", "open"}:
                lost.add(point.name)
    return findings


def all_good(findings: Iterable[Finding]) -> bool:
    """No point is bad. A point that could not be examined has one that is before it."""
    return not any(finding.state in {"bad", "open"} for finding in findings)


def _look(point: Point) -> list[Finding]:
    try:
        found = point.look()
        return [Finding(name=point.name, state="good", told=found)] if isinstance(found, str) else list(found)
    except BackupError as error:
        return [Finding(name=point.name, state="bad", told=str(error))]
    except PermissionError as error:
        told = f"this user may not open {error.filename}: type it as the user who runs the worker (sudo -u)"
        return [Finding(name=point.name, state="bad", told=told)]


def _not_examined(point: Point, missing: str) -> Finding:
    return Finding(name=point.name, state="open", told=f"cannot be examined while this fails: {missing}")
