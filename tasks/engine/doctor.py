"""What could fail tonight, point by point. What a run refuses is asked by the same functions as in a run."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from config import schedule
from config.settings import Settings
from tasks.engine import checking
from tasks.engine.connections import Server
from tasks.engine.content.catalog import read_relations
from tasks.engine.content.session import pin_session
from tasks.engine.errors import BackupError, SettingsError
from tasks.engine.findings import Finding, Point
from tasks.engine.history import journal_if_there
from tasks.engine.lease import Lease
from tasks.engine.mark import parse_mark
from tasks.engine.overview import Overview, read_overview
from tasks.engine.ownership import demand_ours
from tasks.engine.replacing.clearing import demand_locks
from tasks.engine.replacing.methods import choose_method
from tasks.engine.run import Run
from tasks.engine.storage import ensure_private_dir, free_bytes

_SLOTS = 4
_PINGS = 5
_NEAR_THE_LIMIT = 0.8
_BOTH = ("source", "target")


class Patient:
    """What is examined, and what was learned of it so far."""

    def __init__(self, run: Run, *, now: datetime, lease: Lease) -> None:
        self.run, self.settings, self.now, self.lease = run, run.settings, now, lease
        self.known: dict[str, dict[str, Any]] = {}  # by role: see checking.examine_server

    def look_at(self, server: Server) -> str:
        found = self.known[server.role] = checking.examine_server(server)
        return f"PostgreSQL {found['version']}, {found['size_bytes'] / 2**20:.0f} MB, as {found['role']}"

    @property
    def both(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return self.known["source"], self.known["target"]


def points(patient: Patient, step_limit_s: Callable[[str], float]) -> tuple[Point, ...]:
    """In the order in which they hang on each other. step_limit_s: seconds that a step may take."""
    run, settings = patient.run, patient.settings

    def said(demand: Callable[[], object], good: str) -> Callable[[], str]:
        def look() -> str:
            demand()
            return good

        return look

    return (
        Point(name="backup directory", look=lambda: _directory(settings)),
        Point(name="journal", look=lambda: _journal(settings)),
        Point(name="pooler", look=lambda: _pooler(settings)),
        Point(name="source", look=lambda: patient.look_at(run.source)),
        Point(name="target", look=lambda: patient.look_at(run.target)),
        Point(
            name="two databases",
            look=said(lambda: checking.demand_two_databases(run), "source and target are not the same"),
            needs=_BOTH,
        ),
        Point(
            name="right way round",
            look=said(
                lambda: checking.demand_source_is_no_copy(*({**each} for each in patient.both)),
                "the source carries no mark of a copy",
            ),
            needs=_BOTH,
        ),
        Point(name="round trip", look=lambda: _round_trips(run), needs=_BOTH),
        Point(name="source's tables", look=lambda: _tables(run.source), needs=("source",)),
        Point(name="statistics", look=lambda: _statistics(run.source, settings), needs=("source's tables",)),
        Point(name="target's tables", look=lambda: _tables(run.target), needs=("target",)),
        Point(name="versions", look=lambda: _versions(patient), needs=_BOTH),
        Point(name="pg_dump", look=lambda: _clients(patient), needs=_BOTH),
        Point(
            name="extensions",
            look=said(
                lambda: checking.demand_extensions(patient.known["source"], run.target), "the target offers all of them"
            ),
            needs=_BOTH,
        ),
        Point(
            name="target is writable",
            look=said(lambda: checking.demand_writable(patient.known["target"], run.target), "it is no standby server"),
            needs=("target",),
        ),
        Point(
            name="open transactions",
            look=said(
                lambda: checking.demand_no_prepared_transaction(run.target), "no prepared transaction on the target"
            ),
            needs=("target",),
        ),
        Point(name="method", look=lambda: _method(patient), needs=_BOTH),
        Point(name="room", look=lambda: _room(patient), needs=("backup directory", *_BOTH)),
        Point(name="mark", look=lambda: _mark(patient), needs=("target's tables",)),
        Point(name="lock", look=lambda: _lock(patient)),
        Point(name="schedule", look=lambda: _schedule(patient.now)),
        Point(name="copy", look=lambda: _copy(_overview(patient))),
        Point(name="duration", look=lambda: _duration(_overview(patient), step_limit_s)),
    )


def _versions(patient: Patient) -> Iterator[Finding]:
    older = checking.demand_versions(*patient.both, allow_older=patient.settings.allow_older_target)
    yield Finding(
        name="versions", state="note" if older else "good", told=older or "the target is as new as the source"
    )


def _directory(settings: Settings) -> str:
    path = settings.backup_dir.absolute()
    if path.exists() or path.is_symlink():
        demand_ours(ensure_private_dir(path), settings.journal_url.get_secret_value())
        return f"{path}, {free_bytes(path) / 2**20:.0f} MB free"
    above = next(parent for parent in path.parents if parent.exists())
    if not os.access(above, os.W_OK | os.X_OK):
        raise SettingsError(f"{path} cannot be made in {above} by this user: make it, or set BACKUP_DIR to another one")
    return f"{path} is not there yet; the first run makes it"


def _journal(settings: Settings) -> Iterator[Finding]:
    journal, problem = journal_if_there(settings)
    if journal is None and problem and "there is no journal" not in problem:
        raise BackupError(problem)
    state = "it can be read and written" if journal else f"{problem}; the first run makes it"
    yield Finding(name="journal", state="good" if journal else "note", told=state)


def _pooler(settings: Settings) -> str:
    notes = [url.direct()[1] for url in (settings.database_url, settings.railway_backup_db_url)]
    return "; ".join(note for note in notes if note) or "none stands in between"


def _round_trips(run: Run) -> str:
    return ", ".join(f"{server.role} {_round_trip_s(server) * 1000:.1f} ms" for server in (run.source, run.target))


def _round_trip_s(server: Server) -> float:
    with server.open(autocommit=True) as connection:
        times = []
        for _ in range(_PINGS):
            began = time.monotonic()
            connection.exec_driver_sql("SELECT 1")
            times.append(time.monotonic() - began)
    return min(times)


def _tables(server: Server) -> str:
    with server.open() as connection:
        pin_session(connection)
        tables = [relation for relation in read_relations(connection) if relation.kind == "r"]
    return f"the role may read every row of {len(tables)} tables"


def _statistics(server: Server, settings: Settings) -> Iterator[Finding]:
    with server.open() as connection:
        names = {".".join(relation.key) for relation in read_relations(connection)}
    bare = {name.partition(".")[2] for name in names}
    missing = [name for name in settings.stats_tables if name not in names | bare]
    told = f"not in the source, and counted as null: {', '.join(missing)}" if missing else "every table is there"
    yield Finding(name="statistics", state="note" if missing else "good", told=told)


def _clients(patient: Patient) -> str:
    checking.demand_clients(patient.run, *patient.both)
    return ", ".join(f"{found['client']} for the {role}" for role, found in patient.known.items())


def _method(patient: Patient) -> str:
    method, reason, _ = choose_method(patient.settings.restore_method, patient.run.target)
    if method == "in_place":
        with patient.run.target.open() as connection:
            demand_locks(connection, to_make=patient.known["source"]["objects"])
    return f"{method}: {reason}"


def _room(patient: Patient) -> Iterator[Finding]:
    if not patient.settings.backup_dir.is_dir():
        yield Finding(name="room", state="note", told="not looked at: the backup directory is not there yet")
        return
    wanted = checking.demand_room(patient.run, *patient.both)
    seen = "allowed by TARGET_CAPACITY_BYTES" if patient.settings.target_capacity_bytes else "which SQL cannot see"
    told = f"enough on disk; the target's volume needs about {wanted / 2**20:.0f} MB, {seen}"
    yield Finding(name="room", state="good", told=told)


def _mark(patient: Patient) -> str:
    mark = parse_mark(patient.known["target"]["comment"])
    if mark is None:
        with patient.run.target.open() as connection:
            tables = len(read_relations(connection))
        if tables:
            raise BackupError(
                f"the target holds {tables} tables or sequences and no mark of ours: the next run will be held; if "
                "they may be overwritten: railway-neon-sync adopt"
            )
        return "none yet, and the target is empty"
    if mark.promoted or mark.restored:
        what = "promoted" if mark.promoted else "restored by hand"
        raise BackupError(
            f"the target was {what} on {mark.promoted or mark.restored}: runs are held; if it may be overwritten "
            "again: railway-neon-sync adopt"
        )
    return f"run {mark.run_id}, as of {mark.snapshot_at}; whether it was written to since: railway-neon-sync verify"


def _lock(patient: Patient) -> str:
    holder = patient.lease.holder()
    return f"held by run {holder}" if holder else "free"


def _schedule(now: datetime) -> str:
    slots = [at for _, at in schedule.next_slots(now, _SLOTS)]
    return "; ".join(f"{at:%a %H:%M} UTC = {at.astimezone():%a %H:%M %Z}" for at in slots)


def _overview(patient: Patient) -> Overview:
    return read_overview(patient.settings, journal_if_there(patient.settings)[0], now=patient.now)


def _copy(found: Overview) -> str:
    if found.freshness == "stale":
        raise BackupError("the newest verified copy is too old, or there is none; make one: railway-neon-sync run")
    if found.copy is None:
        return "none yet"
    return f"{found.freshness}, {found.copy.age_s / 3600:.1f} h old, by run {found.copy.run_id}"


def _duration(found: Overview, step_limit_s: Callable[[str], float]) -> str:
    """Foretold from the last run that succeeded: data grows slowly, limits do not grow at all."""
    run = next((run for run in found.runs if run.outcome == "succeeded"), None)
    if run is None:
        return "not known before the first run"
    near = near_the_limit({step.name: step.seconds or 0.0 for step in run.steps}, step_limit_s)
    if near:
        raise BackupError(f"the last run came near its limits: {', '.join(near)}; raise them before they are reached")
    return f"about {run.duration_s or 0:.0f} s, as the last one; every step is far from its limit"


def near_the_limit(seconds: Mapping[str, float], step_limit_s: Callable[[str], float]) -> list[str]:
    """Steps that took more than four fifths of what they may."""
    return [
        f"{name} took {took:.0f} of {step_limit_s(name):.0f} s"
        for name, took in seconds.items()
        if took > _NEAR_THE_LIMIT * step_limit_s(name)
    ]


def now_utc() -> datetime:
    return datetime.now(UTC)
