"""What both methods promise, and how one is chosen."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tasks.engine.connections import Server
from tasks.engine.content import Content
from tasks.engine.errors import BackupError
from tasks.engine.manifest import Manifest
from tasks.engine.mark import TargetState
from tasks.engine.replacing import fence
from tasks.engine.run import Run


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
    read_only: bool | None = None  # make it refuse ordinary writes, or allow them again; None: as it was


class Replacing(Protocol):
    """New content on its way: nothing is seen by anybody before `publish` has returned."""

    notes: list[str]

    def prepare(self) -> None:
        """Bring the new content to the server, where no reader sees it."""

    def prove(self) -> Content:
        """Hold it against the manifest, there; NotEqual names what differs."""

    def publish(self) -> None:
        """Let it take the old content's place, in one atomic act."""


def choose_method(wanted: str, target: Server) -> tuple[str, str, str | None]:
    """The method, why, and the maintenance database: `swap` where the role may and no other was asked for."""
    maintenance = fence.find_maintenance_database(target)
    obstacle = _obstacle_to_swap(target, maintenance)
    if wanted == "in_place":
        return "in_place", "RESTORE_METHOD asks for it", maintenance
    if obstacle is None:
        return "swap", "the role may create databases and owns this one", maintenance
    if wanted == "swap":
        raise BackupError(f"RESTORE_METHOD is swap, but {obstacle}; grant that, or set RESTORE_METHOD=auto")
    return "in_place", obstacle, maintenance


def replacement_of(run: Run, what: Replacement) -> AbstractContextManager[Replacing]:
    """The new content, to be prepared by the run's method; discarded on leaving unless it was published."""
    from tasks.engine.replacing.in_place import InPlace  # noqa: PLC0415 - both stand on this module
    from tasks.engine.replacing.swap import Swap  # noqa: PLC0415

    return Swap(run, what) if run.facts["method"] == "swap" else InPlace(run, what)


def _obstacle_to_swap(target: Server, maintenance: str | None) -> str | None:
    if maintenance is None:
        return "no second database of that server can be connected to"
    with target.open(autocommit=True) as connection:
        may_create, owns = connection.exec_driver_sql(
            "SELECT (SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user), "
            "(SELECT pg_has_role(datdba, 'USAGE') FROM pg_database WHERE datname = current_database())"
        ).one()
    if not may_create:
        return "the target's role lacks CREATEDB"
    return None if owns else "the target's role does not own the database"
