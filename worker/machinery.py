"""Whether broker, workers and beat answer: asked by Celery's own means, within seconds."""

from dataclasses import dataclass
from typing import Any

from config.celery import QUEUE
from tasks.engine.errors import BackupError

_ANSWER_S = (0.7, 2.5)
_BEAT = "celerybeat@"


@dataclass(frozen=True, kw_only=True)
class Machinery:
    """Who answered. problem: why nobody could be asked."""

    workers: tuple[str, ...] = ()  # those that take our messages
    beats: tuple[str, ...] = ()
    problem: str | None = None


def ask_machinery() -> Machinery:
    """Everybody who answers within a moment; a little more is waited when somebody is missing."""
    from worker.follow import demand_broker, impatient_app  # noqa: PLC0415 - Celery

    app = impatient_app()
    try:
        demand_broker(app)
    except BackupError as error:
        return Machinery(problem=str(error))
    found = Machinery()
    for timeout_s in _ANSWER_S:
        found = _ask(app, timeout_s)
        if found.workers and found.beats:
            break
    return found


def _ask(app: Any, timeout_s: float) -> Machinery:
    names = sorted(app.control.inspect(timeout=timeout_s).ping() or {})
    workers = [name for name in names if not name.startswith(_BEAT)]
    queues: dict[str, Any] = {}
    if workers:  # a limit: they have just answered, and nobody else need be waited for
        asked = app.control.inspect(destination=workers, limit=len(workers), timeout=_ANSWER_S[-1])
        queues = asked.active_queues() or {}
    ours = {name for name, taken in queues.items() if any(queue["name"] == QUEUE for queue in taken)}
    return Machinery(
        workers=tuple(name for name in workers if name in ours),
        beats=tuple(name for name in names if name.startswith(_BEAT)),
    )
