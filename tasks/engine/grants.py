"""Grants: who may do what with which object of the target, read before a run replaces them, put back on the new.

A run loads its dump without owners and privileges: the new objects belong to us, and nobody else may read them. An
application's role must be able to, the day it fails over.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg2.extensions
from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from tasks.engine.grants_plan import OWNER, Found, Grants, Identity, ObjectGrants, Plan, Right, Statement, plan_grants

__all__ = [
    "Grants",
    "apply_grants",
    "execute_each",
    "grants_from_json",
    "grants_to_json",
    "in_transaction",
    "read_grants",
]

_QUERY = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
# Undone by what is sent next: nothing in the database may stand in for a function of PostgreSQL.
_PIN = "SAVEPOINT read_grants; SET LOCAL search_path = ''; "
_UNPIN = "ROLLBACK TO SAVEPOINT read_grants; RELEASE SAVEPOINT read_grants; "
_ROLES = "SELECT rolname FROM pg_catalog.pg_roles"
# A revoke on a table takes the rights on its columns along: the second pass gives those back.
_PASSES = 2
# Connection lost, no room or memory, statement or session ended, disk trouble: not the fault of one statement.
NOT_THE_STATEMENT = ("08", "53", "57", "58")


def read_grants(connection: Connection) -> Grants:
    """All rights in the connection's database that are not the ordinary ones; nothing is changed."""
    with in_transaction(connection):
        found, _ = _find(connection, wanted=(), everything=False)
    kept = [each.grants for each in found if not each.ordinary or (each.ours and each.grants.owner)]
    known = {each.identity for each in kept}
    ordinary: Iterable[Identity] = ()
    if any(each.kind == "default" for each in kept):
        ordinary = (each.grants.identity for each in found if each.ours and each.grants.identity not in known)
    return Grants(objects=tuple(sorted(kept, key=lambda each: each.identity)), ordinary=tuple(sorted(ordinary)))


def apply_grants(connection: Connection, grants: Grants) -> tuple[str, ...]:
    """Give the objects of the connection's database the rights of those of the same name; returns what was left out.

    Runs in the connection's transaction, which is the caller's to commit; in one of its own in autocommit mode. A
    single grant that is refused does not fail: it is in the answer, as a sentence.
    """
    if not grants.objects:
        return ()
    reasons: dict[str, str] = {}
    with in_transaction(connection):
        plan = _plan(connection, grants)
        for _ in range(_PASSES):
            if not plan.statements:
                break
            reasons = execute_each(connection, plan.statements)
            plan = _plan(connection, grants)
    refused = tuple(
        f"the grants of {each.about} are not whole: {each.sql} "
        + f"was refused: {reasons.get(each.sql, 'this role may not grant it')}"
        for each in plan.statements
    )
    return plan.notes + refused


@contextmanager
def in_transaction(connection: Connection) -> Iterator[None]:
    """The connection's own transaction, or one of these statements alone where it commits each by itself."""
    driver: psycopg2.extensions.connection = connection.connection.driver_connection  # type: ignore[assignment]
    if not driver.autocommit or driver.info.transaction_status != TRANSACTION_STATUS_IDLE:
        yield
        return
    connection.exec_driver_sql("BEGIN")
    try:
        yield
    except BaseException:
        with suppress(DBAPIError):  # the first error is the one to tell
            connection.exec_driver_sql("ROLLBACK")
        raise
    connection.exec_driver_sql("COMMIT")


def _plan(connection: Connection, grants: Grants) -> Plan:
    wanted = [each.identity for each in grants.objects]
    wanted += [("schema", (schema,)) for _, schema, _ in grants.defaults if schema]
    found, roles = _find(connection, wanted=wanted, everything=bool(grants.defaults))
    return plan_grants(grants, found, roles)


def execute_each(connection: Connection, statements: Sequence[Statement]) -> dict[str, str]:
    """All in one round trip; when one is refused, each half by itself. Returns what was refused, with the reason.

    Needs a transaction; what was refused leaves no trace in it.
    """
    connection.exec_driver_sql("SAVEPOINT execute_each")
    try:
        script = ";\n".join([*(each.sql for each in statements), "RELEASE SAVEPOINT execute_each"])
        # Without parameters: the driver must not take a % in a name for one.
        connection.exec_driver_sql(script, execution_options={"no_parameters": True})
    except DBAPIError as error:
        state = getattr(error.orig, "pgcode", None)
        if not state or state.startswith(NOT_THE_STATEMENT):
            raise
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT execute_each; RELEASE SAVEPOINT execute_each")
        if len(statements) == 1:
            return {statements[0].sql: str(error.orig).strip().splitlines()[0]}
        middle = len(statements) // 2
        return execute_each(connection, statements[:middle]) | execute_each(connection, statements[middle:])
    return {}


def _find(
    connection: Connection, *, wanted: Sequence[Identity], everything: bool
) -> tuple[list[Found], frozenset[str]]:
    """The objects whose rights are not the ordinary ones, those wanted and, if asked for, all that users made.

    And the names of all roles.
    """
    parameters = {"wanted": json.dumps([[kind, *name] for kind, name in wanted]), "everything": everything}
    rows = connection.exec_driver_sql(_PIN + _QUERY, parameters).mappings().all()
    roles = connection.exec_driver_sql(_UNPIN + _ROLES).scalars()
    return [_found(**row) for row in rows], frozenset(roles)


def _found(
    *, kind: str, name: str, owner: str, mine: bool, ours: bool, no_acl: bool, no_initial: bool, rights: str
) -> Found:
    lists: dict[str, dict[tuple[str, str], bool]] = {"acl": {}, "normal": {}, "initial": {}}
    for which, grantee, privilege, grantable in json.loads(rights):
        # Two grantors may have given the same; an owner's grant options are implied.
        option = lists[which].get((grantee, privilege), False) or (grantable and grantee != OWNER)
        lists[which][grantee, privilege] = option
    acl, normal, initial = (frozenset(Right(*pair, option) for pair, option in each.items()) for each in lists.values())
    acl = normal if no_acl else acl
    return Found(
        grants=ObjectGrants(
            kind=kind,
            name=tuple(json.loads(name)),
            added=tuple(sorted(acl - normal)),
            removed=tuple(sorted(normal - acl)),
            owner=None if mine or not ours else owner,
        ),
        owner=owner,
        ours=ours,
        ordinary=no_acl or acl == (normal if no_initial else initial),
        normal=normal,
    )


def grants_to_json(grants: Grants) -> str:
    """One line of JSON, from which `grants_from_json` makes an equal value."""
    objects = [
        [each.kind, each.name, *([_listed(rights) for rights in (each.added, each.removed)]), each.owner]
        for each in grants.objects
    ]
    return json.dumps({"objects": objects, "ordinary": grants.ordinary}, separators=(",", ":"))


def _listed(rights: Iterable[Right]) -> list[tuple[str, str, bool]]:
    return [(right.grantee, right.privilege, right.grantable) for right in rights]


def grants_from_json(text: str) -> Grants:
    """The value that `grants_to_json` wrote."""
    read = json.loads(text)
    objects = (
        ObjectGrants(
            kind=kind,
            name=tuple(name),
            added=tuple(Right(*right) for right in added),
            removed=tuple(Right(*right) for right in removed),
            owner=owner,
        )
        for kind, name, added, removed, owner in read["objects"]
    )
    return Grants(objects=tuple(objects), ordinary=tuple((kind, tuple(name)) for kind, name in read["ordinary"]))
