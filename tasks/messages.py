"""What a message may carry: texts. Whoever writes to the broker may have put anything there."""

from tasks.failures import BackupFailed


def demand_texts(**options: object) -> None:
    """BackupFailed unless each option is a text or absent; nothing has begun then."""
    for name, value in options.items():
        if value is not None and not isinstance(value, str):
            raise BackupFailed(f"the option {name} of a run is a text, not {type(value).__name__}: no run was begun")


def demand_pair(sent: str | None, ours: str) -> None:
    """BackupFailed where the sender's settings name other databases: its backup would be believed and not be there."""
    if sent not in {None, ours}:
        raise BackupFailed(
            "this worker copies another pair of databases than the settings name from which the run was sent: start "
            "it again, so that it reads them too, or send the run to its own worker by CELERY_BROKER_URL; no run was "
            "begun"
        )


def demand_run_id(run_id: object) -> None:
    """BackupFailed for what cannot be a run's id; the journal is not even asked."""
    if not isinstance(run_id, str):
        raise BackupFailed(f"a run's id is a text, not {type(run_id).__name__}: nothing was done")
