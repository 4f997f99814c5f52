"""The safety backup, made while the source is dumped: over a distance the two servers need not wait for each other.

Whatever keeps it from being made so is no failure of the run: its own step makes it then, and says what is wrong.
"""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

from tasks.engine import dumping
from tasks.engine.background import beside
from tasks.engine.errors import BackupError
from tasks.engine.linking import link_last_dump
from tasks.engine.manifest import Manifest, read_own, summary
from tasks.engine.names import manifest_path
from tasks.engine.progress import PHASES, Phase, Progress
from tasks.engine.run import Run
from tasks.engine.snapshot import SOON_BYTES
from tasks.engine.storage import is_regular, remove_file
from tasks.engine.watch import Watch

log = logging.getLogger(__name__)

_AHEAD = "safety_ahead"  # the fact: its summary, and what it took
_POLL_S = 0.05
_SHARE_OF_LIMIT = 3  # it may take a third of the time that the source's dump has


@dataclass(frozen=True, kw_only=True)
class _Aside(Run):
    """The run as the second thread sees it: what it finds goes to the first, which alone writes to the journal."""

    def keep(self, **facts: Any) -> None:
        self.facts.update(facts)


def make_safety_backup(run: Run, *, before_probing: Callable[[], None] = lambda: None) -> Manifest:
    """The mark is read before the snapshot: whoever publishes later breaks the fence.

    before_probing: called before anything is tried out at the target, if only to be undone.
    """
    return dumping.back_up_target(
        run,
        seen=lambda state: run.keep(expected=asdict(state)),
        instead=partial(link_last_dump, run, before_probing=before_probing),
    )


@contextmanager
def target_backed_up(run: Run) -> Iterator[None]:
    """While inside, the target is backed up as well; leaving waits for that, and keeps it for its own step.

    Until the work inside is done the target is only read: a source that cannot be dumped is no reason to touch it. When
    that work fails the other is given up, and nothing of it stays.
    """
    # Of a larger one it is the bytes that take long, and the two would share the line.
    if run.facts["target"]["size_bytes"] > SOON_BYTES or any(path.exists() for path in _files(run)):
        yield
        return
    limits_s = (run.settings.dump_timeout_s / _SHARE_OF_LIMIT, run.settings.safety_timeout_s, run.watch.remaining_s)
    aside, dumped = _aside(run, Watch("the safety backup beside the dump", min(limits_s))), Event()
    with (
        run.watch.covering(lambda: aside.watch.fail(run.watch.reason or BackupError("the step has ended"))),
        beside(partial(_watched, aside, dumped), name="backing up the target") as making,
    ):
        try:
            yield
            dumped.set()
            if not making.done():
                run.progress.begin("waiting for the safety backup")
                wait([making])
            run.watch.check()
            _keep(run, aside, making)
        except BaseException:
            aside.watch.fail(BackupError("the source was not dumped"))
            wait([making])
            _forget(aside)
            raise


def taken_over(run: Run) -> Manifest | None:
    """What was made beside the dump of the source, with the phases of its making; None: nothing."""
    ahead = run.facts.get(_AHEAD)
    if ahead is None:
        return None
    dump = ahead["dump"]
    file = run.paths.directory / dump["file"]
    if not is_regular(file) or file.stat().st_size != (dump["stored_bytes"] or dump["size_bytes"]):
        return None
    run.progress.adopt(Phase(**phase) for phase in ahead[PHASES])
    return read_own(file, run_id=run.id, known=dump)


def _keep(run: Run, aside: Run, making: "Future[Manifest]") -> None:
    if (error := making.exception()) is not None:
        _forget(aside)
        log.info("the safety backup is left to its own step: %s", error, extra={"event": "not_ahead"})
        return
    ways = {**run.facts.get("dump_ways", {}), **aside.facts["dump_ways"]}
    made = {"dump": summary(making.result()), PHASES: [phase.as_json() for phase in aside.progress.phases()]}
    run.keep(expected=aside.facts["expected"], dump_ways=ways, **{_AHEAD: made})


def _aside(run: Run, watch: Watch) -> _Aside:
    return _Aside(**{**vars(run), "watch": watch, "progress": Progress(), "facts": dict(run.facts)})


def _watched(aside: Run, source_dumped: Event) -> Manifest:
    def wait_for_source() -> None:
        while not source_dumped.wait(_POLL_S):
            aside.watch.check()

    with aside.watch:
        return make_safety_backup(aside, before_probing=wait_for_source)


def _files(run: Run) -> tuple[Path, Path]:
    dump = run.paths.safety_dump
    return dump, manifest_path(dump)


def _forget(aside: Run) -> None:
    for path in _files(aside):
        if path.exists():
            remove_file(path)
            log.info("BACKUP_STORAGE removed %s: it is not needed", path.name, extra={"event": "file_removed"})
