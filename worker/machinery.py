"""Whether broker, workers and beat answer: asked by Celery's own means, within seconds whatever is the matter.

A peer that takes connections and says nothing would keep Celery busy for minutes: each read has the patience that a
worker needs, and is tried four times. So a question is asked in the background, and given up.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from celery import Celery
from redis.exceptions import AuthenticationError

from config.celery import QUEUE, impatient_options
from tasks.engine.background import in_background
from tasks.engine.errors import BackupError

PATIENCE_S = 15.0
_ANSWER_S = (0.7, 2.5)
_BEAT = "celerybeat@"

_Answer = TypeVar("_Answer")


class NobodyWorks(BackupError):
    """There is no broker, or no worker that would take the run."""


@dataclass(frozen=True, kw_only=True)
class Machinery:
    """Who answered. problem: why nobody could be asked."""

    workers: tuple[str, ...] = ()  # those that take our messages
    beats: tuple[str, ...] = ()
    problem: str | None = None


def impatient_app() -> Celery:
    """The application for a process in which a person waits."""
    from worker.celery_app import app  # noqa: PLC0415 - reads the settings when it is imported

    app.conf.update(impatient_options())
    # A question goes out through the connection that waits for its answer. Celery takes a second one from a pool whose
    # size is one number for the whole process: where another application had set that to 1, both waited for ever.
    app.control.mailbox.producer_pool = None
    return app


def ask_machinery(*, patience_s: float = PATIENCE_S) -> Machinery:
    """Everybody who answers within a moment; a little more is waited when somebody is missing."""
    app = impatient_app()
    try:
        return _answered(lambda: _ask(app, lambda found: bool(found.workers and found.beats)), patience_s)
    except NobodyWorks as error:
        return Machinery(problem=str(error))


def demand_worker(app: Celery, *, patience_s: float = PATIENCE_S) -> None:
    """Raise NobodyWorks, within seconds, unless a worker that takes runs answers; told with what to do about it."""
    if not workers_answer(app, patience_s=patience_s):
        raise NobodyWorks(
            "no worker answers: start one with `celery -A worker worker`, or make the backup in this process: "
            "railway-neon-sync run --here"
        )


def workers_answer(app: Celery, *, patience_s: float = PATIENCE_S) -> bool:
    """Whether anybody takes messages from our queue; an application that shares the Redis has workers too."""
    return bool(_answered(lambda: _ask(app, lambda found: bool(found.workers)), patience_s).workers)


def result_backend_answers(*, patience_s: float = PATIENCE_S) -> None:
    """Raise BackupError, within seconds, unless it does."""
    app = impatient_app()
    try:
        in_background(lambda: app.backend.get_state("railway-neon-sync doctor"), name="asking").result(patience_s)
    except Exception as error:
        raise BackupError(
            f"the result backend does not answer ({type(error).__name__}): see CELERY_RESULT_BACKEND"
        ) from error


def _answered(question: Callable[[], _Answer], patience_s: float) -> _Answer:
    try:
        return in_background(question, name="asking").result(patience_s)
    except TimeoutError as error:
        raise NobodyWorks(
            f"the broker takes connections and has not answered for {patience_s:.0f} s: see that what listens at "
            "CELERY_BROKER_URL is Redis and is well; without any of it: railway-neon-sync run --here"
        ) from error


def _ask(app: Celery, enough: Callable[[Machinery], bool]) -> Machinery:
    found = Machinery()
    with _broker(app) as connection:
        for timeout_s in _ANSWER_S:
            found = _ask_once(app, connection, timeout_s)
            if enough(found):
                break
    return found


@contextmanager
def _broker(app: Celery) -> Iterator[Any]:
    """A connection to it; NobodyWorks unless it answers."""
    with app.connection_for_write() as connection:
        try:
            connection.ensure_connection(max_retries=1, interval_start=0.1, timeout=5)
        except Exception as error:
            if isinstance(error.__cause__, AuthenticationError):
                problem = f"the broker refuses user and password ({error.__cause__}): set CELERY_BROKER_URL right"
            else:
                problem = (
                    f"the broker does not answer ({type(error).__name__}): start Redis, or set CELERY_BROKER_URL right"
                )
            raise NobodyWorks(f"{problem}; without any of it: railway-neon-sync run --here") from error
        yield connection


def _ask_once(app: Celery, connection: Any, timeout_s: float) -> Machinery:
    asking = {"connection": connection, "timeout": timeout_s}
    names = sorted(app.control.inspect(**asking).ping() or {})
    workers = [name for name in names if not name.startswith(_BEAT)]
    queues: dict[str, Any] = {}
    if workers:  # a limit: they have just answered, and nobody else need be waited for
        asking |= {"destination": workers, "limit": len(workers), "timeout": _ANSWER_S[-1]}
        queues = app.control.inspect(**asking).active_queues() or {}
    ours = {name for name, taken in queues.items() if any(queue["name"] == QUEUE for queue in taken)}
    return Machinery(
        workers=tuple(name for name in workers if name in ours),
        beats=tuple(name for name in names if name.startswith(_BEAT)),
    )
