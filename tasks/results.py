"""A run's result, under its own id: progress while it works, the report once, when it has really ended.

Celery would mark the whole chain failed before the rollback has run; so the entry task leaves its result open
(`Ignore`), and only the end of the run, whoever brings it about, fills it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from celery import current_app, current_task, states
from celery.exceptions import BackendError, SecurityError
from kombu.exceptions import DecodeError, OperationalError
from redis.exceptions import RedisError, ResponseError

from tasks.engine.errors import BackupError
from tasks.failures import BackupFailed

PROGRESS = "PROGRESS"
_GOOD = {"succeeded", "skipped", "missed"}
_BACKEND_ERRORS = (OperationalError, OSError, ConnectionError, RedisError, BackendError)
# What reading raises when somebody else wrote under the run's key; Celery may wrap it, as it wraps an outage.
_GARBAGE = (DecodeError, ValueError, TypeError, LookupError, AttributeError, ResponseError, SecurityError)


class BackendUnavailable(BackupError):
    """The result backend does not take the report now; it is stored later."""


def raise_or_return(report: Mapping[str, Any]) -> dict[str, Any]:
    """The report of a run that a caller may be content with; BackupFailed for the others."""
    if report["outcome"] in _GOOD:
        return dict(report)
    raise BackupFailed(report["error"], dict(report))


def store_report(report: Mapping[str, Any]) -> None:
    """Fill the result of run_id, and tell Flower."""
    run_id, good = report["run_id"], report["outcome"] in _GOOD
    result = dict(report) if good else BackupFailed(report["error"], dict(report))
    state = states.SUCCESS if good else states.FAILURE
    with _explained():
        _fill(run_id, result, state)
        if not is_stored(report):
            # Something that is no result lies there, or a success that is not this run's, which Celery protects.
            current_app.backend.forget(run_id)
            _fill(run_id, result, state)
        if report["outcome"] not in {"skipped", "missed"}:  # those end inside the entry task, which Celery tells of
            _send_event(report, good=good)


def is_stored(report: Mapping[str, Any]) -> bool:
    """Does the backend hold this report? Celery's own word of a killed process may have taken its place."""
    with _explained():
        try:
            found = current_app.backend.get_result(report["run_id"])
            stored = found.report if isinstance(found, BackupFailed) else found
        except (*_GARBAGE, BackendError) as error:
            if not _is_garbage(error):
                raise
            return False
    return isinstance(stored, dict) and stored.get("outcome") == report["outcome"]


def show_progress(task_id: str, name: str, meta: Mapping[str, Any], *, worker: str | None) -> None:
    """Show how far a task is to whoever asks for its result, and in Flower. Never worth a failure."""
    with suppress(*_BACKEND_ERRORS):
        current_app.backend.store_result(task_id, dict(meta), PROGRESS)
        _send("task-progress", task_id, worker, name=name, result=f"{meta['step']}: {meta['position']}")


def _fill(run_id: str, result: object, state: str) -> None:
    try:
        current_app.backend.store_result(run_id, result, state)
    except (*_GARBAGE, BackendError) as error:
        if not _is_garbage(error):  # else is_stored finds it
            raise


def _is_garbage(error: BaseException) -> bool:
    cause = (error.__cause__ or error.__context__) if isinstance(error, BackendError) else error
    return isinstance(cause, _GARBAGE)


def _send_event(report: Mapping[str, Any], *, good: bool) -> None:
    fields: dict[str, Any] = {"result": report["outcome"], "runtime": report["duration_seconds"]}
    failure = {"result": report["outcome"], "exception": report["error"]}
    worker = current_task.request.hostname if current_task else None
    _send("task-succeeded" if good else "task-failed", report["run_id"], worker, **(fields if good else failure))


def _send(kind: str, task_id: str, worker: str | None, **fields: Any) -> None:
    """In the worker's name: else Flower would list each of its processes as a worker of its own, gen1234@host."""
    with suppress(*_BACKEND_ERRORS), current_app.events.default_dispatcher(worker) as dispatcher:
        dispatcher.send(kind, uuid=task_id, **fields)


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except _BACKEND_ERRORS as error:
        raise BackendUnavailable(f"the result backend cannot be used now ({type(error).__name__})") from error
