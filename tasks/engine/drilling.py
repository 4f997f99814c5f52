"""The drill: a kept dump is restored into a scratch database, proved, and dropped; how long it took is measured."""

import random
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from tasks.engine.drills import Drill
from tasks.engine.dumping import server_major
from tasks.engine.errors import BackupError, StorageFull
from tasks.engine.examining import demand_whole
from tasks.engine.kept import DumpOnDisk
from tasks.engine.manifest import Manifest
from tasks.engine.mark import TargetState
from tasks.engine.names import form_of
from tasks.engine.replacing.interface import Replacement
from tasks.engine.replacing.swap import Swap
from tasks.engine.run import Run

_pick_any = random.SystemRandom().choice


def choose_dump(
    dumps: Sequence[DumpOnDisk],
    pick: Callable[[Sequence[DumpOnDisk]], DumpOnDisk] = _pick_any,
    *,
    encrypted: bool = False,
) -> DumpOnDisk:
    """Any verified dump that has its manifest; BackupError when there is none. encrypted: those can be read too."""
    verified = [dump for dump in dumps if dump.state == "verified" and dump.has_manifest]
    fitting = [dump for dump in verified if encrypted or not form_of(dump.file).encrypted]
    if verified and not fitting:
        raise BackupError("all verified dumps are encrypted: --identity FILE names the file of the secret key")
    if not fitting:
        raise BackupError("there is no verified dump to restore; make one: railway-neon-sync run")
    return pick(fitting)


def drill(run: Run, dump: Path, *, now: datetime, keys: Sequence[str] = ()) -> Drill:
    """Restore, prove, drop. What goes wrong with the dump is in the answer; BackupError when it cannot be tried."""
    manifest = demand_whole(dump, run.progress, keys)
    _demand_possible(run, manifest)
    what = Replacement(
        dump=dump,
        manifest=manifest,
        expected=TargetState(oid=0, comment=None),  # nothing is published
        overwrites=None,
        properties=manifest.properties,
        grants=None,
        comment=None,
        keys=keys,
    )
    times: dict[str, float] = {}
    error: str | None = None
    began = time.monotonic()
    with Swap(run, what) as scratch:  # left without publishing, which drops it
        try:
            scratch.prepare()
            times["load_s"] = round(time.monotonic() - began, 3)
            run.progress.begin("proving it")
            scratch.prove()
            times["rto_s"] = round(time.monotonic() - began, 3)
            times["prove_s"] = round(times["rto_s"] - times["load_s"], 3)
        except BackupError as failed:
            run.watch.check()
            error = str(failed)
    return Drill(
        at=now.isoformat(timespec="seconds"),
        dump=dump.name,
        run_id=manifest.run_id,
        snapshot_at=manifest.taken_at,
        server=f"{run.target.url.host}:{run.target.url.port}",
        size_bytes=manifest.size_bytes,
        tables=len(manifest.content.tables),
        rows=sum(table.rows for table in manifest.content.tables),
        load_s=times.get("load_s"),
        prove_s=times.get("prove_s"),
        rto_s=times.get("rto_s"),
        ok=error is None,
        error=error,
    )


def _demand_possible(run: Run, manifest: Manifest) -> None:
    with run.target.open(autocommit=True) as connection:
        may, size = connection.exec_driver_sql(
            "SELECT (SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user), "
            "pg_database_size(current_database())"
        ).one()
        major = server_major(connection)
    if not may:
        raise BackupError(
            f"the role of the {run.target.shown} may not create databases; grant it CREATEDB, or hold the drill on "
            "another server: railway-neon-sync drill --on URL"
        )
    if major < int(manifest.server_version.split(".", maxsplit=1)[0]):
        raise BackupError(
            f"the server is PostgreSQL {major}, the dump is of {manifest.server_version}; hold the drill on a newer one"
        )
    capacity = run.settings.target_capacity_bytes
    if capacity is not None and size + 2 * manifest.size_bytes > capacity:
        raise StorageFull(
            f"a scratch database of about {manifest.size_bytes / 2**19:.0f} MB beside {size / 2**20:.0f} MB is more "
            "than TARGET_CAPACITY_BYTES allows; hold the drill on another server: railway-neon-sync drill --on URL"
        )
