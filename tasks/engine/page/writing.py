"""The page's way to the disk: from how things stand now, whole or not at all."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from config.settings import Settings
from tasks.engine.errors import SettingsError
from tasks.engine.journal import Journal
from tasks.engine.overview import Overview, read_overview
from tasks.engine.storage import atomic_write
from tasks.engine.telling.delivery import untold

log = logging.getLogger(__name__)

STATUS_PAGE = "status.html"
# Of runs that end at the same time, the one that writes last must not have read first: whoever wrote looks again.
_MOST_LOOKS = 3


def page_path(directory: Path) -> Path:
    return directory / STATUS_PAGE


def write_page(settings: Settings, journal: Journal | None) -> Path:
    """Write the page anew beside the dumps, for its owner only; returns where. journal: None when it was lost."""
    if not settings.backup_dir.is_dir():
        raise SettingsError(
            f"there is no folder {settings.backup_dir.absolute()} for the status page: set BACKUP_DIR right, or make "
            "a backup: railway-neon-sync run"
        )
    path, overview = page_path(settings.backup_dir), _overview(settings, journal)
    for _ in range(_MOST_LOOKS):
        atomic_write(path, page_of(overview, untold(settings, journal)).encode())
        before, overview = overview, _overview(settings, journal)
        if _ended(before) == _ended(overview):
            break
    return path


def write_page_or_tell(settings: Settings, journal: Journal | None) -> None:
    """The same after a run or a drill: a page that cannot be written is told, and harms nothing."""
    try:
        write_page(settings, journal)
    except Exception as error:  # noqa: BLE001 - it only shows what is known: no fault in it is worth a run
        log.warning("the status page could not be written: %s", error, extra={"event": "page_failed"})


def page_of(overview: Overview, untold: Sequence[str] = ()) -> str:
    """The page as text; the overview must hold every run that is remembered. untold: notices that did not arrive."""
    # Here, since whatever only imports the engine need not load a template engine.
    from tasks.engine.page.rendering import render  # noqa: PLC0415
    from tasks.engine.page.view import view  # noqa: PLC0415

    return render(view(overview, untold))


def _overview(settings: Settings, journal: Journal | None) -> Overview:
    return read_overview(settings, journal, now=datetime.now(UTC), last_runs=None)


def _ended(overview: Overview) -> set[str]:
    return {run.run_id for run in overview.runs if run.outcome}
