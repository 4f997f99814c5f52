"""What doctor asks beyond the engine: broker, result backend, workers, beat, who is told of trouble, off-site."""

from collections.abc import Callable, Iterator

from config.settings import Settings
from tasks.engine.errors import BackupError
from tasks.engine.findings import Finding, Point
from tasks.engine.history import journal_if_there
from tasks.engine.telling.delivery import untold
from tasks.engine.watch import Watch
from worker.machinery import Machinery, ask_machinery, result_backend_answers

_OFFSITE_S = 30.0


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
        Point(name="off-site", look=lambda: _offsite(settings)),
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
    lost = untold(settings, journal_if_there(settings)[0])
    yield from (Finding(name="notifications", state="bad", told=told) for told in lost)
    if lost:
        return
    names = " and ".join(name.upper() for name in ways)
    yield Finding(name="notifications", state="good", told=f"{names}; to try them: railway-neon-sync notify-test")


def _offsite(settings: Settings) -> Iterator[Finding]:
    from tasks.engine import offsite  # noqa: PLC0415 - its library, for whom needs it

    if not settings.offsite_url:
        yield Finding(name="off-site", state="note", told="no copy of a dump leaves this disk: see OFFSITE_URL")
        return
    with Watch("reading the off-site storage", _OFFSITE_S) as watch:
        stored = offsite.stored_dumps(offsite.Offsite(settings, watch).sizes())
    yield Finding(
        name="off-site", state="good", told=f"it answers, with {len(stored)} dumps at {settings.offsite_place}"
    )
