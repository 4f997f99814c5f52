"""What doctor asks beyond the engine: broker, result backend, workers, beat, and who is told of trouble."""

from collections.abc import Callable, Iterator

from config.settings import Settings
from tasks.engine.errors import BackupError
from tasks.engine.findings import Finding, Point
from worker.machinery import Machinery, ask_machinery, result_backend_answers


def points(settings: Settings) -> tuple[Point, ...]:
    """Whoever has something more to ask appends it here."""
    asked: list[Machinery] = []

    def machinery() -> Machinery:
        if not asked:
            asked.append(ask_machinery())
        return asked[0]

    return (
        Point(name="broker", look=lambda: _broker(machinery)),
        Point(name="result backend", look=_result_backend, needs=("broker",)),
        Point(name="workers", look=lambda: _workers(machinery()), needs=("broker",)),
        Point(name="beat", look=lambda: _beat(machinery()), needs=("broker",)),
        Point(name="notifications", look=lambda: _notifications(settings)),
    )


def _broker(machinery: Callable[[], Machinery]) -> str:
    if problem := machinery().problem:
        raise BackupError(problem)
    return "it answers"


def _result_backend() -> str:
    result_backend_answers()
    return "it answers"


def _workers(machinery: Machinery) -> str:
    if not machinery.workers:
        raise BackupError("no worker answers: start one with `celery -A worker worker`")
    return ", ".join(machinery.workers)


def _beat(machinery: Machinery) -> str:
    if not machinery.beats:
        raise BackupError("beat does not answer, so no run starts by itself: start it with `celery -A worker beat`")
    return ", ".join(machinery.beats)


def _notifications(settings: Settings) -> Iterator[Finding]:
    ways = [name for name in ("notify_urls", "heartbeat_url") if getattr(settings, name)]
    if not ways:
        told = "nobody is told of trouble: set NOTIFY_URLS or HEARTBEAT_URL"
        yield Finding(name="notifications", state="note", told=told)
        return
    names = " and ".join(name.upper() for name in ways)
    yield Finding(name="notifications", state="good", told=f"{names}; to try them: railway-neon-sync notify-test")
