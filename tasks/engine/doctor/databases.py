"""Points about the two databases; what a run refuses is asked by the same functions as in a run."""

import time
from collections.abc import Iterator
from statistics import median

from sqlalchemy.engine import Connection

from config.settings import Settings
from tasks.engine import checking, servers
from tasks.engine.connections import Server
from tasks.engine.content.catalog import read_relations
from tasks.engine.content.session import pin_session
from tasks.engine.doctor.patient import Patient
from tasks.engine.errors import BackupError
from tasks.engine.findings import Finding
from tasks.engine.mark import parse_mark
from tasks.engine.replacing.clearing import demand_locks
from tasks.engine.replacing.methods import choose_method

_PINGS = 5


def compare_versions(patient: Patient) -> Iterator[Finding]:
    older = checking.demand_versions(*patient.both, allow_older=patient.settings.allow_older_target)
    yield Finding(
        name="versions", state="note" if older else "good", told=older or "the target is as new as the source"
    )


def count_tables(patient: Patient, server: Server) -> str:
    with server.open() as connection:
        patient.round_trips_s[server.role] = measure_round_trip_s(connection)
        pin_session(connection)
        tables = [relation for relation in read_relations(connection) if relation.kind == "r"]
    patient.tables[server.role] = len(tables)
    return f"the role may read every row of {len(tables)} tables"


def measure_round_trip_s(connection: Connection) -> float:
    """The median of a few: one may wait for something else, and a session's first carries its settings."""
    times = []
    for _ in range(_PINGS):
        began = time.monotonic()
        connection.exec_driver_sql("SELECT 1")
        times.append(time.monotonic() - began)
    return median(times)


def tell_round_trips(patient: Patient) -> str:
    """Measured on the sessions that read the tables: the source is not woken once more for it."""
    if missing := [role for role in ("source", "target") if role not in patient.round_trips_s]:
        raise BackupError(f"not measured: no session at the {' and '.join(missing)} could be used")
    return ", ".join(f"{role} {seconds * 1000:.1f} ms" for role, seconds in patient.round_trips_s.items())


def find_statistics(server: Server, settings: Settings) -> Iterator[Finding]:
    with server.open() as connection:
        names = {".".join(relation.key) for relation in read_relations(connection)}
    bare = {name.partition(".")[2] for name in names}
    missing = [name for name in settings.stats_tables if name not in names | bare]
    told = f"not in the source, and counted as null: {', '.join(missing)}" if missing else "every table is there"
    yield Finding(name="statistics", state="note" if missing else "good", told=told)


def choose_clients(patient: Patient) -> str:
    checking.demand_clients(patient.run, *patient.both)
    return ", ".join(f"{found['client']} for the {role}" for role, found in patient.known.items())


def decide_method(patient: Patient) -> str:
    target = patient.run.target
    method, reason = choose_method(patient.settings.restore_method, target, servers.examine_target(target))
    if method == "in_place":
        with patient.run.target.open() as connection:
            demand_locks(connection, to_make=patient.known["source"]["objects"])
    return f"{method}: {reason}"


def see_room(patient: Patient) -> Iterator[Finding]:
    if not patient.settings.backup_dir.is_dir():
        yield Finding(name="room", state="note", told="not looked at: the backup directory is not there yet")
        return
    wanted = checking.demand_room(patient.run, *patient.both)
    seen = "allowed by TARGET_CAPACITY_BYTES" if patient.settings.target_capacity_bytes else "which SQL cannot see"
    told = f"enough on disk; the target's volume needs about {wanted / 2**20:.0f} MB, {seen}"
    yield Finding(name="room", state="good", told=told)


def read_mark(patient: Patient) -> str:
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
