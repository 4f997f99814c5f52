"""The third way, where nothing changed: the content stays as it stands, and only its mark becomes a new one."""

import psycopg2

from tasks.engine.connections import raw_connection
from tasks.engine.faultpoints import fault_point
from tasks.engine.mark import TargetState, set_mark_statement
from tasks.engine.replacing import fence
from tasks.engine.replacing.filling import read_only_statement
from tasks.engine.run import Run

_LOCK_TIMEOUT_MS = 10_000


def renew_mark(run: Run, expected: TargetState, comment: str | None, *, read_only: bool | None) -> None:
    """Publish under the same fence as the other ways: FenceBroken unless the target is still what was expected.

    One string, one round trip, in the database where both methods take the lock. read_only: as Replacement has it.
    """
    name, change = run.target_name, read_only_statement(read_only, run.target_name)
    statements = [
        "BEGIN",
        f"SET LOCAL lock_timeout = {_LOCK_TIMEOUT_MS}",
        fence.take_lock_statement(name),
        fence.compare_statement(name, expected),
        *([change] if change else []),
        set_mark_statement(name, comment),
        "COMMIT",
    ]
    fault_point("publish.before")
    with run.target.open(run.facts["maintenance"], autocommit=True) as connection:
        run.still_ours()  # after the session was opened: see there
        try:
            with raw_connection(connection).cursor() as cursor:
                cursor.execute(";\n".join(statements))
        except psycopg2.Error as error:
            if error.pgcode == fence.BROKEN:
                raise fence.broken(name) from error
            raise
    fault_point("publish.after")
