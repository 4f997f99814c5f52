"""What `verify`, `restore` and `drill` share: which dump is meant, and the means to work upon a database with it."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import click
from click.shell_completion import CompletionItem

from config.logs import configure_logging, harmless, mask
from config.settings import URLS, Settings, load_settings
from config.urls import DatabaseUrl
from worker.commands.boundary import debugging, say
from worker.commands.interruption import NOTHING, Entrust, Interrupted, stoppable, when_interrupted

if TYPE_CHECKING:
    from pathlib import Path

    from tasks.engine.kept import DumpOnDisk
    from tasks.engine.run import Run

Done = TypeVar("Done")

_LIMIT_S = 6 * 3600.0  # a person waits, and may interrupt it at any time
_REMOVING_S = 15.0


def complete_dumps(_ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """For the shell: dump files, and `last`."""
    try:
        items = [CompletionItem(dump.file, help=dump.state) for dump in dumps_of(load_settings(without=URLS))]
    except Exception:  # noqa: BLE001 - a shell that completes has no place for a message
        return []
    return [item for item in [*items, CompletionItem("last")] if item.value.startswith(begun)]


def dumps_of(settings: Settings) -> "list[DumpOnDisk]":
    """Those in the backup directory, the oldest first."""
    from tasks.engine.history import journal_if_there  # noqa: PLC0415 - no other command waits for the engine
    from tasks.engine.kept import kept_dumps  # noqa: PLC0415

    return kept_dumps(settings, journal_if_there(settings)[0], now=datetime.now(UTC))


def path_of(settings: Settings, dump: str) -> "Path":
    """The dump that a person means by these words."""
    from tasks.engine.examining import find_dump  # noqa: PLC0415

    return find_dump(dumps_of(settings), dump, settings.backup_dir)


def demand_quiet_now(settings: Settings) -> None:
    """BackupError while a run works, as far as the journal knows."""
    from tasks.engine.by_hand import demand_quiet  # noqa: PLC0415
    from tasks.engine.history import journal_if_there  # noqa: PLC0415

    demand_quiet(settings, journal_if_there(settings)[0], now=datetime.now(UTC))


def by_hand(
    settings: Settings,
    purpose: str,
    place: DatabaseUrl,
    work: "Callable[[Run], Done]",
    *,
    interrupted: str = NOTHING,
    lonely: bool = True,
    stamp: str | None = None,
) -> "Done":
    """What work returns, which gets a run's means and is shown meanwhile; Ctrl-C cuts it, also while a server hangs.

    interrupted: what is so when that happens after the work has begun. lonely: no other of its kind works there
    meanwhile, and what a dead or interrupted one left there is removed.
    """
    from tasks.engine.by_hand import alone, open_by_hand  # noqa: PLC0415
    from worker.progress_bar import progress_shown  # noqa: PLC0415

    begun: list[str] = []

    @contextmanager
    def means(entrust: Entrust, limit_s: float) -> "Iterator[Run]":
        with open_by_hand(settings, purpose, place, limit_s=limit_s, stamp=stamp) as run, progress_shown(run.progress):
            entrust(run.watch)
            with alone(run, purpose) if lonely else nullcontext():
                yield run

    def begin(entrust: Entrust) -> "Done":
        with means(entrust, _LIMIT_S) as run:
            begun.append(run.incoming_name)
            return work(run)

    def remove(entrust: Entrust) -> None:
        with means(entrust, _REMOVING_S):
            pass  # whoever comes next removes what was left there

    told = when_interrupted(lambda: interrupted if begun else NOTHING)
    with _warnings_told((*settings.secrets, *place.secrets)), told:
        try:
            return stoppable(begin)
        except KeyboardInterrupt:
            if not (begun and lonely):
                raise
            left = _remove(remove, begun[0], purpose)
        raise Interrupted(f"{interrupted}; {left}")


def _remove(remove: Callable[[Entrust], None], scratch: str, purpose: str) -> str:
    """What became of the database in which the new content was prepared."""
    from tasks.engine.errors import BackupError  # noqa: PLC0415

    try:
        say(f"interrupted: what was made beside the database is removed (Ctrl-C leaves that to the next {purpose}) ...")
        stoppable(remove)
    except (BackupError, KeyboardInterrupt):
        return f"a database {scratch} may be left beside it, which the next {purpose} there removes"
    return "what was made beside it is gone again"


class _Notes(logging.Handler):
    """Our own warnings as lines for a person; a library's, as of a connection that was cut, are for --debug."""

    def __init__(self, secrets: Sequence[str]) -> None:
        super().__init__(logging.WARNING)
        self._secrets = secrets

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith("tasks."):
            say(f"note: {harmless(mask(record.getMessage(), self._secrets))}")


@contextmanager
def _warnings_told(secrets: Sequence[str]) -> Iterator[None]:
    if debugging():
        configure_logging("DEBUG", "text", secrets)
        yield
        return
    notes, root = _Notes(secrets), logging.getLogger()
    root.addHandler(notes)
    try:
        yield
    finally:
        root.removeHandler(notes)
