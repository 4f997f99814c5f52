"""Which of the two methods a run uses."""

from contextlib import AbstractContextManager

from tasks.engine.connections import Server
from tasks.engine.errors import BackupError
from tasks.engine.replacing import fence
from tasks.engine.replacing.in_place import InPlace
from tasks.engine.replacing.interface import Replacement, Replacing
from tasks.engine.replacing.swap import Swap
from tasks.engine.run import Run

_SCHEMAS_OF_OTHERS = """
    SELECT quote_ident(current_user), ARRAY(SELECT quote_ident(nspname) FROM pg_namespace
        WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND NOT pg_has_role(nspowner, 'USAGE')
        ORDER BY nspname)
"""


def choose_method(wanted: str, target: Server) -> tuple[str, str, str | None]:
    """The method, why, and the maintenance database: `swap` where the role may and no other was asked for."""
    maintenance = fence.find_maintenance_database(target)
    obstacle = _obstacle_to_swap(target, maintenance)
    if wanted != "in_place" and obstacle is None:
        return "swap", "the role may create databases and owns this one", maintenance
    if wanted == "swap":
        raise BackupError(f"RESTORE_METHOD is swap, but {obstacle}; grant that, or set RESTORE_METHOD=auto")
    reason = "RESTORE_METHOD asks for it" if wanted == "in_place" else str(obstacle)
    _demand_own_schemas(target, reason)
    return "in_place", reason, maintenance


def replacement_of(run: Run, what: Replacement) -> AbstractContextManager[Replacing]:
    """The new content, to be prepared by the run's method; discarded on leaving unless it was published."""
    return Swap(run, what) if run.facts["method"] == "swap" else InPlace(run, what)


def _demand_own_schemas(target: Server, reason: str) -> None:
    """What in_place cannot drop it cannot replace: before 15, public is the superuser's, not the database owner's."""
    with target.open(autocommit=True) as connection:
        role, names = connection.exec_driver_sql(_SCHEMAS_OF_OTHERS).one()
    if names:
        raise BackupError(
            f"method in_place ({reason}) drops what the {target.shown} holds, and its role may not drop the schema "
            f"{names[0]}, which another role owns; as a superuser: ALTER SCHEMA {names[0]} OWNER TO {role}, or ALTER "
            f"ROLE {role} CREATEDB, so that method swap can be used"
        )


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
