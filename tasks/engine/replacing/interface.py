"""What both methods promise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tasks.engine.content import Content
from tasks.engine.manifest import Manifest
from tasks.engine.mark import TargetState


@dataclass(frozen=True, kw_only=True)
class Replacement:
    """What is to be put where: the dump and its manifest, over a target that was read at the safety backup."""

    dump: Path
    manifest: Manifest
    expected: TargetState  # the fence: the target must still be this
    overwrites: Content | None  # what may be dropped; anything else there holds the run. None: not looked at again
    properties: Mapping[str, Any]  # of the target database, to be carried over
    grants: str | None  # of the target's objects, to be put back
    comment: str | None  # the target's comment afterwards: the new mark
    keys: Sequence[str] = ()  # secret keys of age, for an encrypted dump
    read_only: bool | None = None  # make it refuse ordinary writes, or allow them again; None: as it was


class Replacing(Protocol):
    """New content on its way: nothing is seen by anybody before `publish` has returned."""

    notes: list[str]
    what: Replacement

    def prepare(self) -> None:
        """Bring the new content to the server, where no reader sees it."""

    def prove(self) -> Content:
        """Hold it against the manifest, there; NotEqual names what differs."""

    def publish(self) -> None:
        """Let it take the old content's place, in one atomic act."""
