"""The fence: publishing is a compare-and-set on the target's mark, under one advisory lock for both methods.

Redis can forget its lock and a paused worker can wake late; the server's own memory decides who may publish.
"""

import secrets
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress

import psycopg2
from sqlalchemy.engine import Connection

from tasks.engine.connections import Server, raw_connection
from tasks.engine.errors import FenceBroken, Refused, ServerUnreachable
from tasks.engine.mark import TargetState, literal, read_state, state_found, state_query

_CLASS = 0x726E73  # "rns"
MAINTENANCE_DATABASES = """
    SELECT datname::text FROM pg_database WHERE datallowconn AND datname <> current_database()
        AND datname IN ('postgres', 'template1', 'defaultdb', 'railway') AND has_database_privilege(oid, 'CONNECT')
    ORDER BY array_position(ARRAY['postgres', 'template1', 'defaultdb', 'railway'], datname::text)
"""
_LOCK_TIMEOUT_MS = 10_000
BROKEN = "RNS01"  # the SQLSTATE of a broken fence


def lock_key(database: str) -> tuple[int, int]:
    """The advisory lock of a target; two 32-bit integers. Advisory locks are per database, so say where it is taken."""
    return _CLASS, zlib.crc32(database.encode()) - 2**31


def take_lock_statement(database: str) -> str:
    """Held until the transaction ends."""
    return "SELECT pg_advisory_xact_lock({}, {})".format(*lock_key(database))


def compare_statement(database: str, expected: TargetState) -> str:
    """Fails with SQLSTATE RNS01 unless the database is the one that was read, with the mark that was read."""
    tag = f"$rns_{secrets.token_hex(8)}$"  # unguessable: the comment is somebody else's text
    condition = (
        f"datname = {literal(database)} AND oid = {expected.oid} "
        f"AND shobj_description(oid, 'pg_database') IS NOT DISTINCT FROM {literal(expected.comment)}"
    )
    return (
        f"DO {tag} BEGIN IF NOT EXISTS (SELECT FROM pg_catalog.pg_database WHERE {condition}) THEN "
        f"RAISE EXCEPTION 'the mark is another one' USING ERRCODE = '{BROKEN}'; END IF; END {tag}"
    )


def take_lock_and_check(connection: Connection, database: str, expected: TargetState) -> None:
    """FenceBroken unless the target is still what it was at the safety backup. One round trip."""
    answer = connection.exec_driver_sql(f"{take_lock_statement(database)}; {state_query(database)}")
    if state_found(answer) != expected:
        raise broken(database)


def commit(connection: Connection, database: str, expected: TargetState, statements: Sequence[str]) -> None:
    """These, then COMMIT, of a transaction that holds the lock; FenceBroken unless the target is what was expected.

    Asked by a plain SELECT: the target itself need not have plpgsql.
    """
    if read_state(connection, database) != expected:
        raise broken(database)
    for statement in statements:
        raw_connection(connection).put_off(statement)
    connection.commit()


def publish(connection: Connection, database: str, expected: TargetState, statements: Sequence[str]) -> None:
    """All in one transaction, in the database where the lock is taken: FenceBroken unless it is what was expected.

    One string, one round trip: a death before its COMMIT leaves everything as it was.
    """
    script = [
        "BEGIN",
        f"SET LOCAL lock_timeout = {_LOCK_TIMEOUT_MS}",
        take_lock_statement(database),
        compare_statement(database, expected),
        *statements,
        "COMMIT",
    ]
    try:
        with raw_connection(connection).cursor() as cursor:
            cursor.execute(";\n".join(script))
    except psycopg2.errors.LockNotAvailable as error:
        raise Refused(
            f"somebody else kept the backup database {database} locked for {_LOCK_TIMEOUT_MS // 1000} s when the copy "
            "was to be published: another installation that writes to it, adopt or promote, or an administrator's "
            "ALTER DATABASE; see that only one installation copies to it, then run again"
        ) from error
    except psycopg2.Error as error:
        if error.pgcode == BROKEN:
            raise broken(database) from error
        raise


def broken(database: str) -> FenceBroken:
    return FenceBroken(
        f"since this run's safety backup somebody else published to the backup database {database}, decided about it "
        "(adopt, promote) or replaced it; this run changes nothing; see that only one installation copies to it"
    )


def find_maintenance_database(server: Server) -> str | None:
    """A database of the same server, other than the target, in which the fence's lock can be taken; None: none may."""
    with server.open(autocommit=True) as connection:
        names = connection.exec_driver_sql(MAINTENANCE_DATABASES).scalars().all()
    return first_entered(server, names)


def first_entered(server: Server, names: Iterable[str]) -> str | None:
    """The first that lets us in: pg_hba.conf may refuse one although the privileges allow it. None: none does."""
    for name in names:
        with suppress(ServerUnreachable), server.open(name, autocommit=True):
            return name
    return None
