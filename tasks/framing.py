"""What surrounds every step: claim, heartbeat, deadline, log context, progress, timing, and the journal's line."""

import errno
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from config.logs import cleaned, log_context
from config.settings import Settings
from tasks.engine.beginning import HANDOVER_ALLOWANCE_S
from tasks.engine.closing import close_run
from tasks.engine.errors import BackupError, DeadlineExceeded, Held, RunLost, ServerUnreachable, StorageFull
from tasks.engine.faultpoints import fault_point
from tasks.engine.journal import JournalUnavailable, RunRecord
from tasks.engine.lease import LockUnavailable
from tasks.engine.progress import Progress
from tasks.engine.recovery import Ending, settle
from tasks.engine.run import Run, open_run
from tasks.engine.spare import release_spare
from tasks.engine.watch import Watch
from tasks.failures import BackupFailed
from tasks.means import Means
from tasks.meanwhile import Show, every, shown

log = logging.getLogger(__name__)

BEAT_S = 3.0
ALIVE_S = 20.0  # a step or a rollback that is silent for so long is dead
WAITS = "waits"
_CHECK_LIMIT_S = 120

Written = TypeVar("Written")


class NotOurs(Exception):
    """This message was handled before, or its run has ended: there is nothing to do."""


class Named(Protocol):
    """A Celery task, as far as this module knows one."""

    name: str


def name_of(task: Named) -> str:
    """A step's name in journal, log and report."""
    return task.name.removeprefix("tasks.")


def step_limit_s(settings: Settings, name: str) -> float:
    """Seconds that a step may take, what it proves included."""
    limits: dict[str, float] = {
        "dump_source": settings.dump_timeout_s,
        "back_up_target": settings.safety_timeout_s,
        "restore_target": settings.restore_timeout_s,
        "verify_target": settings.verify_timeout_s,
        "finish": _CHECK_LIMIT_S + (settings.offsite_timeout_s if settings.offsite_url else 0),
    }
    return limits.get(name, _CHECK_LIMIT_S)


def perform(
    means: Means, run_id: str, name: str, operation: Callable[[Run], str], show: Show | None = None
) -> dict[str, Any]:
    """One step of a run, once. Raises NotOurs for a message that has nothing to do, BackupFailed for a failure."""
    journal = means.journal
    if not _with_spare_room(means, lambda: journal.claim_step(run_id, name, alive_s=ALIVE_S)):
        raise NotOurs
    record = journal.run(run_id)
    if record is None:
        raise NotOurs
    began, progress = time.monotonic(), Progress()
    with log_context(run_id):
        log.info("%s begins", name, extra={"event": "step_began", "step": name})
        try:
            summary = cleaned(_work(means, record, name, operation, show, progress=progress), means.settings.secrets)
        except Exception as error:
            sentence = cleaned(_sentence(error, name), means.settings.secrets)
            ended: dict[str, Any] = {"took_s": time.monotonic() - began, "phases": progress.phases()}
            _remember_failure(means, run_id, name, sentence, held=isinstance(error, Held), ended=ended)
            raise BackupFailed(sentence) from error
        took_s = time.monotonic() - began
        done: dict[str, Any] = {"state": "done", "took_s": took_s, "summary": summary, "phases": progress.phases()}
        if _with_spare_room(means, lambda: journal.end_step(run_id, name, **done, alive_s=HANDOVER_ALLOWANCE_S)):
            _renew_lease(means, run_id, HANDOVER_ALLOWANCE_S)
        fields = {"event": "step_done", "step": name, "took_s": took_s, "summary": summary}
        log.info("%s done in %.1f s: %s", name, took_s, summary, extra=fields)
        fault_point(f"{name}.done")
        return {"step": name, "seconds": round(took_s, 3), "summary": summary}


def end_failed_run(means: Means, run_id: str, closer: str, *, silent_since: datetime | None = None) -> str:
    """Take a run and bring it to its end: rollback and reconcile alike. Returns what became of it, for people."""
    journal = means.journal

    def claim() -> bool:
        if silent_since is None:
            return journal.claim_closing(run_id, closer, alive_s=ALIVE_S)
        return journal.claim_silent(run_id, closer, now=silent_since, alive_s=ALIVE_S)

    claimed = _with_spare_room(means, claim)
    record = journal.run(run_id)
    if not claimed or record is None:
        return f"nothing to do: {_describe(record)}"
    with log_context(run_id):
        try:
            ending = _settle(means, record, closer)
        except (ServerUnreachable, DeadlineExceeded, StorageFull) as error:
            journal.release_closing(run_id, closer, alive_s=0)
            log.warning("the run cannot be ended yet: %s", error, extra={"event": "settling_waits"})
            return f"{WAITS}: {error}"
        fault_point("settled")
        report = close_run(
            run_id,
            ending,
            settings=means.settings,
            journal=journal,
            lease=means.lease,
            tell=means.tell,
            closer=closer,
        )
        return ending.outcome if report else "ended by another process"


def _settle(means: Means, record: RunRecord, closer: str) -> Ending:
    settings = means.settings
    limit_s = settings.restore_timeout_s + settings.safety_timeout_s + settings.verify_timeout_s
    failure = record.facts.get("failure") or {}
    cause = failure.get("error") or _cause_of_death(means, record)
    try:
        with Watch("ending the run", limit_s) as watch:
            run = open_run(record, settings=settings, journal=means.journal, watch=watch, closer=closer)
            with _heartbeat(means, run):
                return settle(run, cause, held=bool(failure.get("held")))
    except (ServerUnreachable, DeadlineExceeded, JournalUnavailable, StorageFull):
        raise  # nothing is known yet: reconcile tries again
    except BackupError as error:
        log.critical("the run could not be undone: %s", error, extra={"event": "rollback_failed"})
        return Ending(outcome="rollback_failed", error=f"{cause}; and the rollback failed: {error}")


def _cause_of_death(means: Means, record: RunRecord) -> str:
    steps = means.journal.steps(record.run_id)
    where = f"during {steps[-1].name}" if steps and steps[-1].state == "working" else "between two steps"
    return f"the worker on {record.host} died or was cut off {where}"


def _work(
    means: Means,
    record: RunRecord,
    name: str,
    operation: Callable[[Run], str],
    show: Show | None,
    *,
    progress: Progress,
) -> str:
    with Watch(name, step_limit_s(means.settings, name)) as watch:
        run = open_run(record, settings=means.settings, journal=means.journal, watch=watch, progress=progress)
        with _heartbeat(means, run), shown(run, name, show, means.observe):
            fault_point(f"{name}.begin")
            summary = operation(run)
            fault_point(f"{name}.end")
            return summary


def _remember_failure(
    means: Means, run_id: str, name: str, sentence: str, *, held: bool, ended: Mapping[str, Any]
) -> None:
    """For the rollback, which learns the cause from the journal. It must not fail when the disk is full."""
    level = logging.WARNING if held else logging.ERROR
    log.log(level, "%s failed: %s", name, sentence, extra={"event": "step_failed", "step": name})

    def remember() -> None:
        means.journal.keep(run_id, failure={"step": name, "error": sentence, "held": held})
        means.journal.end_step(run_id, name, state="failed", summary=sentence, alive_s=ALIVE_S, **ended)

    try:
        _with_spare_room(means, remember)
    except JournalUnavailable as error:
        log.error("the journal did not take it: %s", error)


def _with_spare_room(means: Means, write: Callable[[], Written]) -> Written:
    """Write to the journal; when it cannot, because the disk is full it seems, once more with the spare room."""
    try:
        return write()
    except JournalUnavailable:
        if not release_spare(means.settings.backup_dir):
            raise
        log.warning("BACKUP_STORAGE the spare room is used to end the run", extra={"event": "spare_room_used"})
        return write()


def _sentence(error: Exception, name: str) -> str:
    if isinstance(error, BackupError):
        return str(error)
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "BACKUP_STORAGE the disk of BACKUP_DIR is full; make room there, then run again"
    log.error("an unexpected error in %s", name, exc_info=error)
    return f"unexpected in {name}: {type(error).__name__}: {error}"


@contextmanager
def _heartbeat(means: Means, run: Run) -> Iterator[None]:
    """While inside, a thread tells journal and lock that the run lives, and cuts the work when it is lost."""
    state = "open" if run.closer is None else "closing"

    def beat() -> None:
        try:
            if not means.journal.beat(run.id, state=state, closer=run.closer, alive_s=ALIVE_S):
                run.watch.fail(RunLost("another process has ended this run meanwhile; this one stops"))
        except JournalUnavailable as error:
            log.warning("the heartbeat was not written: %s", error)

    def renew() -> None:
        try:
            _renew_lease(means, run.id, HANDOVER_ALLOWANCE_S)
        except RunLost as error:
            run.watch.fail(error)

    # The lock by a thread of its own: a Redis that does not answer must not make the run look dead.
    with every(BEAT_S, beat, "heartbeat"), every(BEAT_S, renew, "renewal of the lock"):
        yield


def _renew_lease(means: Means, run_id: str, ttl_s: float) -> None:
    """RunLost when another run has the lock."""
    if means.lease is None:
        return
    try:
        means.lease.renew(run_id, ttl_s=ttl_s)
        # Asked afterwards: a process that was paused finds its lock gone, takes it again, and has no run any more.
        record = means.journal.run(run_id)
        if record is None or record.state == "ended":
            means.lease.release(run_id)
    except (LockUnavailable, JournalUnavailable) as error:
        log.warning("the lock was not renewed: %s", error)  # journal and fence keep others out meanwhile


def _describe(record: RunRecord | None) -> str:
    if record is None:
        return "the journal does not know this run"
    return f"the run ended as {record.outcome}" if record.state == "ended" else "another process is ending the run"


def now() -> datetime:
    return datetime.now(UTC)
