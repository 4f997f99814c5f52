"""Step 1: can this run work at all? Both databases are connected to and read; nothing is changed."""

import logging
from dataclasses import dataclass
from typing import Any

from tasks.engine.clients import choose_client
from tasks.engine.connections import Server
from tasks.engine.errors import BackupError, Held, StorageFull
from tasks.engine.faultpoints import fault_point
from tasks.engine.mark import parse_mark
from tasks.engine.replacing.methods import choose_method
from tasks.engine.run import Run
from tasks.engine.servers import are_the_same, examine_both, kept, the_same
from tasks.engine.storage import free_bytes

log = logging.getLogger(__name__)

# A plain dump leaves out indexes and free space: half the databases' sizes is what both dumps rarely exceed.
_SHARE_OF_SIZE = 2


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What both servers are, and how the target will be replaced."""

    source: dict[str, Any]
    target: dict[str, Any]
    method: str
    reason: str
    needed_bytes: int  # on the target's volume, while this run goes on

    def summary(self) -> str:
        return (
            f"source PostgreSQL {self.source['version']}, target PostgreSQL {self.target['version']}, "
            f"method {self.method}: {self.reason}; the target's volume must hold the old and the new content at once, "
            f"about {self.needed_bytes / 2**20:.0f} MB"
        )


def verify_connections(run: Run) -> Checked:
    """Connect to both, refuse what cannot work, and choose the method."""
    for url in (run.settings.database_url, run.settings.railway_backup_db_url):
        if note := url.direct()[1]:
            log.info("%s", note, extra={"event": "direct_host"})
    source, target = examine_both(run)
    demand_source_is_no_copy(source, target)
    fault_point("verify_connections.middle")
    demand_clients(run, source, target)
    if older := demand_versions(source, target, allow_older=run.settings.allow_older_target):
        run.warn(older)
    demand_writable(target, run.target)
    _tell_of_superuser(target)
    demand_no_prepared_transaction(target, run.target)
    demand_extensions(source, target, run.target)
    needed_bytes = demand_room(run, source, target)
    method, reason = choose_method(run.settings.restore_method, run.target, target)
    run.keep(
        source=kept(source),
        target=kept(target),
        method=method,
        method_reason=reason,
        maintenance=target["maintenance"],
    )
    log.info("method %s: %s", method, reason, extra={"event": "method_chosen", "method": method})
    return Checked(source=source, target=target, method=method, reason=reason, needed_bytes=needed_bytes)


def demand_two_databases(run: Run) -> None:
    """Refuse to copy a database onto itself, however differently its URLs are spelt."""
    if are_the_same(run.source, run.target):
        raise the_same(run)


def demand_source_is_no_copy(source: dict[str, Any], target: dict[str, Any]) -> None:
    """Held when DATABASE_URL names a database that carries our mark: most likely the two URLs are swapped.

    A promoted copy is production, and may well be the source of the next one.
    """
    mark = parse_mark(source["comment"])
    if mark is None or mark.promoted is not None:
        return
    if mark.source == target["identity"]:
        found = f"a copy of the very database that RAILWAY_BACKUP_DB_URL names ({target['database']}): they are swapped"
    else:
        found = f"a copy, by run {mark.run_id} of {mark.snapshot_at}: perhaps they are swapped"
    raise Held(
        f"DATABASE_URL names {source['database']}, which carries our mark as {found}; correct DATABASE_URL and "
        "RAILWAY_BACKUP_DB_URL; if that database is production now, set RAILWAY_BACKUP_DB_URL to it once and: "
        "railway-neon-sync promote"
    )


def demand_clients(run: Run, source: dict[str, Any], target: dict[str, Any]) -> None:
    for what, server in (("source", source), ("target", target)):
        client = choose_client(server["major"], bin_dir=run.settings.pg_bin_dir, what=what, schema_only=True)
        server["client"] = client.version
        log.info(
            "%s server PostgreSQL %s, pg_dump %s from %s",
            what,
            server["version"],
            client.version,
            client.path,
            extra={"event": "client_chosen"},
        )


def demand_versions(source: dict[str, Any], target: dict[str, Any], *, allow_older: bool) -> str | None:
    """A warning where an older target is allowed, and is older."""
    if source["major"] <= target["major"]:
        return None
    if not allow_older:
        raise BackupError(
            f"the source is PostgreSQL {source['major']}, the backup database only {target['major']}, which may not "
            f"know what the source uses; upgrade the backup server to {source['major']} or newer, or set "
            "ALLOW_OLDER_TARGET=true: then it is tried, and published only if it is proved equal"
        )
    return (
        f"the backup server is PostgreSQL {target['major']}, older than the source's {source['major']}: as soon as the "
        "source uses what only the newer one knows, runs are rolled back"
    )


def demand_extensions(source: dict[str, Any], target: dict[str, Any], server: Server) -> None:
    """Refuse early what CREATE EXTENSION would refuse in the middle of the restore."""
    missing = sorted(set(source["extensions"]) - set(target["offered"]))
    if missing:
        raise BackupError(
            f"the source uses {_extensions(missing)}, which the {server.shown} does not offer; install what is "
            "missing on that server, or drop it from the source if nothing needs it"
        )


def _extensions(names: list[str]) -> str:
    return f"the extension{'s' * (len(names) > 1)} {', '.join(names)}"


def demand_writable(target: dict[str, Any], server: Server) -> None:
    if not target["writable"]:
        raise BackupError(f"the {server.shown} cannot be written to (a standby, or read-only); use its primary")


def _tell_of_superuser(target: dict[str, Any]) -> None:
    """What is restored brings functions that the restore itself runs: an index, a check, a generated column."""
    if target["superuser"]:
        log.info(
            "the target's role %s is a superuser: functions of the source run with its rights while the copy is "
            "loaded; give it a role of its own, see docs/security.md",
            target["role"],
            extra={"event": "target_superuser"},
        )


def demand_no_prepared_transaction(target: dict[str, Any], server: Server) -> None:
    """It holds its locks until somebody ends it, and no session of ours can wait or end it."""
    name = target["prepared"]
    if name is not None:
        raise BackupError(
            f"the {server.shown} has a prepared transaction, {name!r}, which keeps it from being replaced; end it "
            "there with ROLLBACK PREPARED or COMMIT PREPARED"
        )


def demand_room(run: Run, source: dict[str, Any], target: dict[str, Any]) -> int:
    """Refuse early what cannot suffice: the dumps' disk is seen; the target's is not visible by SQL.

    Returns what the target's volume must hold during the run, in bytes.
    """
    folder = run.settings.backup_dir
    needed, free = (source["size_bytes"] + target["size_bytes"]) // _SHARE_OF_SIZE, free_bytes(folder)
    log.info("BACKUP_STORAGE %.0f MB free in %s", free / 2**20, folder, extra={"event": "room", "free_bytes": free})
    if free < needed:
        raise StorageFull(
            f"BACKUP_STORAGE {folder} has {free / 2**20:.0f} MB free, the two dumps may need {needed / 2**20:.0f} MB; "
            "make room, or set BACKUP_DIR to a larger disk"
        )
    capacity = run.settings.target_capacity_bytes
    wanted = source["size_bytes"] + target["size_bytes"]
    if capacity is not None and wanted > capacity:
        raise StorageFull(
            f"the target must hold the old and the new content at once, about {wanted / 2**20:.0f} MB, and "
            f"TARGET_CAPACITY_BYTES allows {capacity / 2**20:.0f} MB; enlarge its volume"
        )
    if capacity is None:
        log.info(
            "the target's volume needs about %.0f MB during this run; whether it has them cannot be seen by SQL: "
            "set TARGET_CAPACITY_BYTES to its size",
            wanted / 2**20,
            extra={"event": "room", "needed_bytes": wanted},
        )
    return int(wanted)
