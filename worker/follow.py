"""Following a run from outside: its result says how it ended, Celery's events show its steps meanwhile.

The result under the run's id is the truth, and stays open until the run, its rollback included, is really over.
Events may be lost and are only for the eye: what they did not tell is shown from the report.
"""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Self

from celery import Celery
from celery.events import EventReceiver
from celery.result import AsyncResult

from tasks.engine.errors import BackupError
from tasks.failures import BackupFailed
from tasks.results import PROGRESS
from worker.display import TITLES, Steps
from worker.machinery import NobodyWorks, workers_answer

_POLL_S = 0.2
_READY_S = 3.0
_SILENCE_S = 30.0
_BACKEND_PATIENCE_S = 120.0
_LAST_EVENTS_S = 1.0
_REPORT_PATIENCE_S = 15.0  # behind a word of Celery's own
_OUR_PATIENCE_S = 1.0  # behind one of ours: mostly no run was begun, and no report follows


class ResultLost(BackupError):
    """The run may go on, but how it ends cannot be learned here."""


def send(options: Mapping[str, Any]) -> str:
    """Send a run to the workers; its id."""
    from tasks import run_backup  # noqa: PLC0415 - loads the application

    try:
        return str(run_backup.apply_async(kwargs=dict(options)).id)
    except Exception as error:
        raise NobodyWorks(
            f"the run could not be sent ({type(error).__name__}): see that broker and result backend answer, or make "
            "the backup in this process: railway-neon-sync run --here"
        ) from error


def result_of(app: Celery, run_id: str) -> Mapping[str, Any] | None:
    """The report of a run that has ended, None while it goes on. A run that nobody could report has a short one."""
    result = AsyncResult(run_id, app=app)
    if not result.ready():
        return None
    value = result.result
    if isinstance(value, BackupFailed) and value.report is not None:
        return value.report
    if isinstance(value, Mapping) and "outcome" in value:
        return value
    return {"success": False, "run_id": run_id, "outcome": "failed", "error": str(value), "steps": []}


class Follower:
    """Listens to what workers tell; entered before a run is sent, so that no step is missed.

    mind: called again and again while a run is followed; what it raises ends that.
    """

    def __init__(
        self,
        app: Celery,
        steps: Steps,
        *,
        mind: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app, self._steps, self._mind, self._clock = app, steps, mind, clock
        self._receiver: _Receiver | None = None
        self._events: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._names: dict[str, str] = {}
        self._heard_at = clock()

    def __enter__(self) -> Self:
        """Begin to receive events; without them a run is followed all the same."""
        ready = threading.Event()
        threading.Thread(target=self._receive, args=(ready,), name="events", daemon=True).start()
        ready.wait(_READY_S)
        return self

    def __exit__(self, *_: object) -> None:
        if self._receiver is not None:
            self._receiver.should_stop = True

    def follow(self, run_id: str) -> Mapping[str, Any]:
        """Wait for the run's real end, however long it takes; its report. Raises ResultLost."""
        failing_since: float | None = None
        while True:
            self._show_events(run_id)
            try:
                report = self._look(run_id)
                failing_since = None
            except Exception as error:
                failing_since = failing_since or self._clock()
                if self._clock() - failing_since > _BACKEND_PATIENCE_S:
                    raise ResultLost(
                        f"the result backend has not answered for two minutes ({type(error).__name__}); "
                        + how_to_look(run_id)
                    ) from error
                report = None
            if report is not None:
                return self._complete(run_id, report)
            self._mind()
            self._mind_the_silence()
            time.sleep(_POLL_S)

    def _look(self, run_id: str) -> Mapping[str, Any] | None:
        report = result_of(self._app, run_id)
        if report is None:
            result = AsyncResult(run_id, app=self._app)
            if result.state == PROGRESS and isinstance(meta := result.info, Mapping) and meta.get("step") in TITLES:
                self._working(meta["step"], str(meta.get("position") or ""))
        return report

    def _complete(self, run_id: str, report: Mapping[str, Any]) -> Mapping[str, Any]:
        """The last events may arrive after the result; and a report may follow a word of Celery's own."""
        ours = isinstance(AsyncResult(run_id, app=self._app).result, BackupFailed)
        give_up = self._clock() + (_OUR_PATIENCE_S if ours else _REPORT_PATIENCE_S)
        while "job_id" not in report and self._clock() < give_up:
            time.sleep(_POLL_S)
            report = result_of(self._app, run_id) or report
        give_up = self._clock() + _LAST_EVENTS_S
        while not self._steps.knows(report) and self._clock() < give_up:
            time.sleep(_POLL_S / 4)
            self._show_events(run_id)
        self._steps.complete(report)
        return report

    def _mind_the_silence(self) -> None:
        if self._clock() - self._heard_at < _SILENCE_S:
            return
        self._heard_at = self._clock()
        with suppress(Exception):  # the broker's absence shows in the result's
            if not workers_answer(self._app):
                self._steps.display.note("no worker answers any more; the run is ended when one is back")

    def _show_events(self, run_id: str) -> None:
        with suppress(Empty):
            while True:
                self._show(self._events.get_nowait(), run_id)

    def _show(self, event: Mapping[str, Any], run_id: str) -> None:
        kind, uuid = event["type"], event.get("uuid", "")
        if event.get("root_id") == run_id and event.get("name"):
            self._names[uuid] = event["name"].removeprefix("tasks.")
        step = self._names.get(uuid)
        if step is None or step not in TITLES:
            return
        if kind == "task-started":
            self._working(step, "")
        elif kind in {"task-succeeded", "task-failed"}:
            self._ended(step, AsyncResult(uuid, app=self._app), good=kind == "task-succeeded")

    def _ended(self, step: str, result: AsyncResult, *, good: bool) -> None:
        self._heard_at = self._clock()
        with suppress(Exception):  # the report tells it later
            found = result.result
            known: Mapping[str, Any] = found if isinstance(found, Mapping) else {"summary": found}
            self._steps.ended(step, good=good, seconds=known.get("seconds"), summary=str(known.get("summary", "")))

    def _working(self, step: str, doing: str) -> None:
        self._heard_at = self._clock()
        self._steps.working(step, doing)

    def _receive(self, ready: threading.Event) -> None:
        with suppress(Exception), self._app.connection_for_read() as connection:
            self._receiver = _Receiver(connection, handlers={"*": self._events.put}, app=self._app)
            self._receiver.ready = ready
            self._receiver.capture(wakeup=False)


class _Receiver(EventReceiver):  # type: ignore[misc] # Celery has no types
    ready: threading.Event

    def on_consume_ready(self, *_: Any, **__: Any) -> None:
        self.ready.set()


def how_to_look(run_id: str) -> str:
    """For somebody who does not wait any longer."""
    return (
        f"run {run_id} goes on; `celery -A worker result {run_id}` waits for its report, Flower shows its steps, and "
        "the report will lie in reports/ below BACKUP_DIR, where the worker is"
    )
