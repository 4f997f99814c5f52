"""The third way, where nothing changed: the content stays as it stands, and only its mark becomes a new one."""

from contextlib import AbstractContextManager

from tasks.engine.connections import Opened, opened_ahead
from tasks.engine.faultpoints import fault_point
from tasks.engine.mark import TargetState, set_mark_statement
from tasks.engine.replacing import fence
from tasks.engine.replacing.filling import read_only_statement
from tasks.engine.run import Run


def fence_opened_ahead(run: Run) -> AbstractContextManager[Opened]:
    """The session that renews the mark, while it is still judged whether nothing else is to be done."""
    return opened_ahead(run.target, run.facts["maintenance"], autocommit=True)


def renew_mark(
    run: Run, expected: TargetState, comment: str | None, *, read_only: bool | None, opened: Opened | None = None
) -> None:
    """Publish under the same fence as the other ways: FenceBroken unless the target is still what was expected.

    read_only: as Replacement has it. opened: a session that was opened ahead, by `fence_opened_ahead`.
    """
    name, change = run.target_name, read_only_statement(read_only, run.target_name)
    statements = [*([change] if change else []), set_mark_statement(name, comment)]
    fault_point("publish.before")
    with opened() if opened else run.target.open(run.facts["maintenance"], autocommit=True) as connection:
        run.still_ours()  # after the session was opened: see there
        fence.publish(connection, name, expected, statements)
    fault_point("publish.after")
