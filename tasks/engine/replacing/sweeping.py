"""Databases beside the target that ended runs could not drop, because the target was out of reach just then."""

import logging
from collections.abc import Collection

from tasks.engine.mark import identifier
from tasks.engine.run import Run, name_beside, short_id_of

log = logging.getLogger(__name__)


def sweep(run: Run, beside: Collection[str]) -> list[str]:
    """Drop them; returns their names. beside: the databases of the target's server that bear such a name.

    Only what this journal's own runs made, and never after a rollback that failed: people need it then.
    """
    ours = sorted(_of_ended_runs(run).intersection(beside)) if beside else []
    if not ours:
        return []
    with run.target.open(autocommit=True) as connection:
        for name in ours:
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {identifier(name)} WITH (FORCE)")
            log.info("dropped %s, which an earlier run left", name, extra={"event": "swept"})
    return ours


def _of_ended_runs(run: Run) -> set[str]:
    return {
        name_beside(run.target_name, what, short_id_of(record.run_id))
        for record in run.journal.runs()
        if record.state == "ended" and record.outcome != "rollback_failed"
        for what in ("incoming", "previous")
    }
