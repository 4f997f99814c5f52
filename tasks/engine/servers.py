"""What both servers say of themselves, each in one question, at the same time."""

import json
import secrets
import threading
from collections.abc import Mapping
from typing import Any

from sqlalchemy.engine import Connection

from tasks.engine.background import beside
from tasks.engine.connections import Server, ask, raw_connection
from tasks.engine.dumping import CLUSTER, DATABASE, identity_of
from tasks.engine.errors import BackupError
from tasks.engine.replacing import fence
from tasks.engine.replacing.clearing import COUNT_OBJECTS
from tasks.engine.run import Run

_LIKELY_MAINTENANCE = "postgres"
_FACTS = f"""
    SELECT current_database() AS database, current_setting('server_version') AS version,
        current_setting('server_version_num')::int / 10000 AS major,
        pg_database_size(current_database()) AS size_bytes, current_user AS role,
        (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser,
        NOT (pg_is_in_recovery() OR current_setting('transaction_read_only')::bool) AS writable,
        ({COUNT_OBJECTS}) AS objects,
        (SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()) AS comment,
        ARRAY(SELECT extname FROM pg_extension ORDER BY 1) AS extensions
"""  # noqa: S608 - our own text
_OF_A_TARGET = rf"""
    SELECT ARRAY(SELECT name FROM pg_available_extensions) AS offered,
        (SELECT gid FROM pg_prepared_xacts WHERE database = current_database() ORDER BY prepared LIMIT 1) AS prepared,
        ARRAY({fence.MAINTENANCE_DATABASES}) AS maintenance,
        (SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user) AS may_create,
        (SELECT pg_has_role(datdba, 'USAGE') FROM pg_database WHERE datname = current_database()) AS owned,
        quote_ident(current_user) AS quoted_role,
        ARRAY(SELECT quote_ident(nspname) FROM pg_namespace WHERE nspname !~ '^pg_'
            AND nspname <> 'information_schema' AND NOT pg_has_role(nspowner, 'USAGE') ORDER BY nspname) AS of_others,
        ARRAY(SELECT datname FROM pg_database WHERE datname ~ '__(incoming|previous)_[0-9a-f]{{8}}$') AS beside
"""  # noqa: S608 - our own text
_SEES_LOCK = """
    SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE l.locktype = 'advisory'
        AND l.classid = {key} AND l.objid = {key} AND d.datname = current_database()) AS sees_lock
"""
_PASSING = {
    "comment",
    "offered",
    "prepared",
    "maintenance",
    "may_create",
    "owned",
    "quoted_role",
    "of_others",
    "beside",
}


def examine_server(server: Server) -> dict[str, Any]:
    """What a run must know of a server; of a target more than of a source."""
    with server.open() as connection:
        return _examine(server, connection)


def examine_target(server: Server) -> dict[str, Any]:
    """The same of a target, its `maintenance` being a database that was entered, or None."""
    found = examine_server(server)
    return {**found, "maintenance": fence.first_entered(server, found["maintenance"])}


def kept(found: Mapping[str, Any]) -> dict[str, Any]:
    """What later steps and the report need of it."""
    return {name: value for name, value in found.items() if name not in _PASSING}


def examine_both(run: Run) -> tuple[dict[str, Any], dict[str, Any]]:
    """Source and target, BackupError when they are one database. The target's `maintenance` is one that was entered.

    URLs prove nothing, and a provider's branch shares its system identifier: so a lock is taken in the one and
    looked for in the other.
    """
    key, locked = secrets.randbits(31), threading.Event()

    def examine_source() -> dict[str, Any]:
        with run.source.open() as connection:
            locked.wait()
            found = _examine(run.source, connection, _SEES_LOCK.format(key=key))
        if found.pop("sees_lock"):
            raise the_same(run)
        return found

    with (
        beside(lambda: fence.first_entered(run.target, [_LIKELY_MAINTENANCE]), name="maintenance") as likely,
        beside(examine_source, name="source") as source,
    ):
        try:
            with run.target.open() as connection:
                raw_connection(connection).put_off(f"SELECT pg_advisory_xact_lock({key}, {key})")
                target = _examine(run.target, connection)
                locked.set()
                found = source.result()
        finally:
            locked.set()
        names = target["maintenance"]
        entered = likely.result()
        target["maintenance"] = entered if entered in names else fence.first_entered(run.target, names)
    return found, target


def are_the_same(one: Server, other: Server) -> bool:
    """Whether two addresses lead to one database."""
    key = secrets.randbits(31)
    with other.open() as locking, one.open() as looking:
        locking.exec_driver_sql(f"SELECT pg_advisory_xact_lock({key}, {key})")
        return bool(looking.exec_driver_sql(_SEES_LOCK.format(key=key)).scalar_one())


def the_same(run: Run) -> BackupError:
    return BackupError(
        f"DATABASE_URL and RAILWAY_BACKUP_DB_URL are the same database ({run.target.shown}); "
        "the backup would overwrite production; correct RAILWAY_BACKUP_DB_URL"
    )


def _examine(server: Server, connection: Connection, *more: str) -> dict[str, Any]:
    """What the server says. more: SELECTs of more columns."""
    of_its_role = (_FACTS,) if server.role == "source" else (_FACTS, _OF_A_TARGET)
    questions = [f"SELECT to_json(f) FROM ({each}) f" for each in (*of_its_role, *more)]  # noqa: S608 - our own
    *answers, cluster, database = ask(connection, CLUSTER, DATABASE, must=questions)
    found: dict[str, Any] = {"identity": identity_of(cluster, database)}
    for answer in answers:
        found |= json.loads(answer or "{}")
    return found
