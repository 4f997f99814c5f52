"""What a task of this process works with: the settings, the journal, the lock. Made once, from the environment."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from config.settings import Settings, load_settings
from tasks.engine.errors import BackupError
from tasks.engine.journal import Journal
from tasks.engine.lease import Lease, open_lease
from tasks.engine.ownership import agree_on_directory
from tasks.engine.progress import Position
from tasks.engine.storage import ensure_private_dir
from tasks.failures import BackupFailed

log = logging.getLogger(__name__)

Teller = Callable[[Mapping[str, Any]], None]
Observer = Callable[[str, Position], None]


@dataclass(frozen=True, kw_only=True)
class Means:
    """Everything that a step needs from outside of its run. `tell` stores a final report in the result backend."""

    settings: Settings
    journal: Journal
    lease: Lease | None
    tell: Teller
    observe: Observer | None = None  # shown each step's position, beside the result backend


_given: ContextVar[Means | None] = ContextVar("means", default=None)


@contextmanager
def using(means: Means) -> Iterator[None]:
    """While inside, tasks that are called directly work with these means: `run --here`, and tests."""
    token = _given.set(means)
    try:
        yield
    finally:
        _given.reset(token)


def current_means() -> Means:
    """What was given, else this process's own; BackupFailed, told in the log, where it can have none."""
    if given := _given.get():
        return given
    try:
        means = worker_means()
        means.journal.demand_there()
    except BackupError as error:
        log.error("this worker cannot work: %s", error, extra={"event": "no_means"})
        raise BackupFailed(str(error)) from None
    return means


def open_means(
    settings: Settings,
    *,
    lease: Lease | None,
    tell: Teller,
    observe: Observer | None = None,
    journal_id: str | None = None,
) -> Means:
    """The journal is created where it is missing, in its private folder; journal_id: no other than this will do."""
    url = settings.journal_url.get_secret_value()
    agree_on_directory(ensure_private_dir(settings.backup_dir), url)
    pair = settings.pair
    journal = Journal.reopen(url, pair=pair, journal_id=journal_id) if journal_id else Journal(url, pair=pair)
    return Means(settings=settings, journal=journal, lease=lease, tell=tell, observe=observe)


_worker_journal: list[str] = []  # the id of the one with which this worker began, once it is known


def begin_worker() -> None:
    """Called in a worker's main process before it forks: none of its processes will begin another journal than this.

    Whatever is the matter with it is told again by each task.
    """
    try:
        _worker_journal[:] = [worker_means().journal.id]
    except BackupError as error:
        log.error("this worker cannot work: %s", error, extra={"event": "no_means"})
    worker_means.cache_clear()  # a journal is opened by each process for itself


@lru_cache(maxsize=1)
def worker_means() -> Means:
    """The means of a Celery process."""
    from tasks.results import store_report  # noqa: PLC0415 - Celery, not needed for `run --here`

    settings = load_settings()
    lease = open_lease(settings.lock_url.get_secret_value(), pair=settings.pair)
    return open_means(settings, lease=lease, tell=store_report, journal_id=next(iter(_worker_journal), None))
