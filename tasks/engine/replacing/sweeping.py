"""Databases beside the target that ended runs could not drop, because the target was out of reach just then."""

import logging

from tasks.engine.mark import identifier
from tasks.engine.run import Run, name_beside, short_id_of

log = logging.getLogger(__name__)

_BESIDE = r"SELECT datname FROM pg_database WHERE datname ~ '__(incoming|previous)_[0-9a-f]{8}$'"


def sweep(run: Run) -> list[str]:
    """Drop them; returns their names.

    Only what this journal's own runs made, and never after a rollback that failed: people need it then.
    """
    with run.target.open(autocommit=True) as connection:
        found = set(connection.exec_driver_sql(_BESIDE).scalars())
        ours = sorted(found & _of_ended_runs(run)) if found else []
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
