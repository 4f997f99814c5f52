"""Points about what is around the databases: folder, journal, lock, timetable, the copy that there is."""

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from config import schedule
from config.settings import Settings
from tasks.engine.doctor.patient import Patient
from tasks.engine.errors import BackupError, SettingsError
from tasks.engine.findings import Finding
from tasks.engine.history import journal_if_there
from tasks.engine.names import REPORTS_DIR
from tasks.engine.overview import Overview
from tasks.engine.ownership import demand_ours
from tasks.engine.storage import ensure_private_dir, free_bytes, is_regular, may_read

_SLOTS = 4


def see_directory(settings: Settings) -> str:
    path = settings.backup_dir.absolute()
    if path.exists() or path.is_symlink():
        demand_ours(ensure_private_dir(path), settings.journal_url.get_secret_value())
        demand_readable(path)
        return f"{path}, {free_bytes(path) / 2**20:.0f} MB free"
    above = next(parent for parent in path.parents if parent.exists())
    if not os.access(above, os.W_OK | os.X_OK):
        raise SettingsError(f"{path} cannot be made in {above} by this user: make it, or set BACKUP_DIR to another one")
    return f"{path} is not there yet; the first run makes it"


def demand_readable(folder: Path) -> None:
    """SettingsError when files of ours may not be read: such a dump cannot be restored, and stops the off-site copy."""
    files = [path for path in (*folder.iterdir(), *(folder / REPORTS_DIR).glob("*.json")) if is_regular(path)]
    if closed := sorted(path.name for path in files if not may_read(path)):
        raise SettingsError(
            f"{len(closed)} file(s) of {folder} this user may not read ({', '.join(closed[:3])}); give them to the "
            f"folder's owner, as root: chown --recursive --reference={folder} {folder}"
        )


def see_journal(settings: Settings) -> Iterator[Finding]:
    journal, problem = journal_if_there(settings)
    if journal is None and problem and not _is_missing(problem):
        raise BackupError(problem)
    if journal:
        journal.demand_writable()
    state = "it can be read and written" if journal else f"{problem}; the first run makes it"
    yield Finding(name="journal", state="good" if journal else "note", told=state)


def _is_missing(problem: str | None) -> bool:
    return problem is not None and "there is no journal" in problem


def see_pooler(settings: Settings) -> str:
    notes = [url.direct()[1] for url in (settings.database_url, settings.railway_backup_db_url)]
    return "; ".join(note for note in notes if note) or "none stands in between"


def see_lock(patient: Patient) -> str:
    journal, problem = journal_if_there(patient.settings)
    holder = patient.lease.holder()
    if journal or _is_missing(problem):
        patient.lease.demand_agreed(journal.id if journal else None)
    return f"held by run {holder}" if holder else "free"


def tell_schedule(now: datetime) -> str:
    slots = [at for _, at in schedule.next_slots(now, _SLOTS)]
    return "; ".join(f"{at:%a %H:%M} UTC = {at.astimezone():%a %H:%M %Z}" for at in slots)


def judge_copy(found: Overview) -> str:
    if found.freshness == "stale":
        raise BackupError("the newest verified copy is too old, or there is none; make one: railway-neon-sync run")
    if found.copy is None:
        return "none yet"
    return f"{found.freshness}, {found.copy.age_s / 3600:.1f} h old, by run {found.copy.run_id}"
