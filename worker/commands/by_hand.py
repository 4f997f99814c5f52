"""What `verify`, `restore` and `drill` share: which dump is meant, and the means to work upon a database with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from config.settings import URLS, Settings, load_settings

if TYPE_CHECKING:
    from pathlib import Path

    from tasks.engine.kept import DumpOnDisk
    from tasks.engine.run import Run

_LIMIT_S = 6 * 3600.0  # a person waits, and may interrupt it at any time


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


@contextmanager
def by_hand(
    settings: Settings, purpose: str, place: Any, *, lonely: bool = True, stamp: str | None = None
) -> "Iterator[Run]":
    """A run's means for one command, shown while it works; lonely: no other of its kind works there meanwhile."""
    from contextlib import nullcontext  # noqa: PLC0415

    from tasks.engine.by_hand import alone, open_by_hand  # noqa: PLC0415
    from worker.progress_bar import progress_shown  # noqa: PLC0415

    with (
        open_by_hand(settings, purpose, place, limit_s=_LIMIT_S, stamp=stamp) as run,
        progress_shown(run.progress),
        alone(run, purpose) if lonely else nullcontext(),
    ):
        yield run
