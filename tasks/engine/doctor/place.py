"""Points about what is around the databases: folder, journal, lock, timetable, the copy that there is."""

import os
from collections.abc import Iterator
from datetime import datetime

from config import schedule
from config.settings import Settings
from tasks.engine.doctor.patient import Patient
from tasks.engine.errors import BackupError, SettingsError
from tasks.engine.findings import Finding
from tasks.engine.history import journal_if_there
from tasks.engine.overview import Overview
from tasks.engine.ownership import demand_ours
from tasks.engine.storage import ensure_private_dir, free_bytes

_SLOTS = 4


def see_directory(settings: Settings) -> str:
    path = settings.backup_dir.absolute()
    if path.exists() or path.is_symlink():
        demand_ours(ensure_private_dir(path), settings.journal_url.get_secret_value())
        return f"{path}, {free_bytes(path) / 2**20:.0f} MB free"
    above = next(parent for parent in path.parents if parent.exists())
    if not os.access(above, os.W_OK | os.X_OK):
        raise SettingsError(f"{path} cannot be made in {above} by this user: make it, or set BACKUP_DIR to another one")
    return f"{path} is not there yet; the first run makes it"


def see_journal(settings: Settings) -> Iterator[Finding]:
    journal, problem = journal_if_there(settings)
    if journal is None and problem and "there is no journal" not in problem:
        raise BackupError(problem)
    state = "it can be read and written" if journal else f"{problem}; the first run makes it"
    yield Finding(name="journal", state="good" if journal else "note", told=state)


def see_pooler(settings: Settings) -> str:
    notes = [url.direct()[1] for url in (settings.database_url, settings.railway_backup_db_url)]
    return "; ".join(note for note in notes if note) or "none stands in between"


def see_lock(patient: Patient) -> str:
    holder = patient.lease.holder()
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
