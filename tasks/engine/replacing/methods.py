"""Which of the methods a run uses."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from tasks.engine.changed_tables import Changed
from tasks.engine.connections import Server
from tasks.engine.errors import BackupError
from tasks.engine.replacing.in_place import Ahead, InPlace
from tasks.engine.replacing.interface import Replacement, Replacing
from tasks.engine.replacing.swap import Swap
from tasks.engine.replacing.tables import ChangedTables
from tasks.engine.run import Run


def choose_method(wanted: str, target: Server, found: Mapping[str, Any]) -> tuple[str, str]:
    """The method, and why: `swap` where the role may and no other was asked for.

    found: what servers.examine_target has found.
    """
    obstacle = _obstacle_to_swap(found)
    if wanted != "in_place" and obstacle is None:
        return "swap", "the role may create databases and owns this one"
    if wanted == "swap":
        raise BackupError(f"RESTORE_METHOD is swap, but {obstacle}; grant that, or set RESTORE_METHOD=auto")
    reason = "RESTORE_METHOD asks for it" if wanted == "in_place" else str(obstacle)
    _demand_own_schemas(target, found, reason)
    return "in_place", reason


def replacement_of(
    run: Run, what: Replacement, changed: Changed | None = None, ahead: Ahead | None = None
) -> AbstractContextManager[Replacing]:
    """The new content, to be prepared by the run's method; discarded on leaving unless it was published.

    changed: all that need be written, into the tables that stand there; ahead: the sessions for that, if they are open.
    """
    if changed is not None:
        return ChangedTables(run, what, changed, ahead)
    return Swap(run, what) if run.facts["method"] == "swap" else InPlace(run, what)


def _demand_own_schemas(target: Server, found: Mapping[str, Any], reason: str) -> None:
    """What in_place cannot drop it cannot replace: before 15, public is the superuser's, not the database owner's."""
    role, names = found["quoted_role"], found["of_others"]
    if names:
        raise BackupError(
            f"method in_place ({reason}) drops what the {target.shown} holds, and its role may not drop the schema "
            f"{names[0]}, which another role owns; as a superuser: ALTER SCHEMA {names[0]} OWNER TO {role}, or ALTER "
            f"ROLE {role} CREATEDB, so that method swap can be used"
        )


def _obstacle_to_swap(found: Mapping[str, Any]) -> str | None:
    if found["maintenance"] is None:
        return "no second database of that server can be connected to"
    if not found["may_create"]:
        return "the target's role lacks CREATEDB"
    return None if found["owned"] else "the target's role does not own the database"
