"""Grants: who may do what with which object of the target, read before a run replaces them and put back on the new.

A run loads its dump without owners and privileges, so that the new objects belong to us and nobody else may read
them; an application's role must be able to, the day it fails over.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

PUBLIC = "public"  # everybody; no role can be called so
OWNER = ""  # the object's owner, whoever that is where the rights are put back

_QUERY = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
# In one string, and undone: nothing in the database may stand in for a function of PostgreSQL.
_PIN = "SAVEPOINT read_grants; SET LOCAL search_path = ''; "
_UNPIN = "ROLLBACK TO SAVEPOINT read_grants; RELEASE SAVEPOINT read_grants"
# A revoke on a table takes the rights on its columns along: the second pass gives those back.
_PASSES = 2
# Connection lost, server stopping or statement ended, no room or memory: not the fault of one grant.
_NOT_THE_GRANT = ("08", "53", "57", "58")
_KEYWORDS = {
    "schema": "SCHEMA",
    "table": "TABLE",  # views, materialised views and foreign tables too
    "column": "TABLE",
    "sequence": "SEQUENCE",
    "function": "ROUTINE",  # procedures and aggregates too
    "type": "TYPE",  # domains too
    "language": "LANGUAGE",
    "large object": "LARGE OBJECT",
    "foreign server": "FOREIGN SERVER",
    "foreign data wrapper": "FOREIGN DATA WRAPPER",
}
_DEFAULT_CODES = {
    "r": "TABLES",
    "S": "SEQUENCES",
    "f": "ROUTINES",
    "T": "TYPES",
    "n": "SCHEMAS",
    "L": "LARGE OBJECTS",
}
_CODES = {"table": "r", "sequence": "S", "function": "f", "type": "T", "schema": "n", "large object": "L"}

Identity = tuple[str, tuple[str, ...]]  # kind and name


@dataclass(frozen=True, order=True)
class Right:
    """One privilege of one role (or PUBLIC, or OWNER); who granted it is of no interest."""

    grantee: str
    privilege: str
    grantable: bool = False


@dataclass(frozen=True, kw_only=True)
class ObjectGrants:
    """How the rights on one object differ from what PostgreSQL gives by itself.

    kind: one of those above, or "default" for ALTER DEFAULT PRIVILEGES, whose name is role, schema (or ""), code.
    owner: where it was not the role that read; it keeps an owner's rights on an object that is ours afterwards.
    """

    kind: str
    name: tuple[str, ...]
    added: tuple[Right, ...] = ()
    removed: tuple[Right, ...] = ()
    owner: str | None = None

    @property
    def identity(self) -> Identity:
        return self.kind, self.name


@dataclass(frozen=True, kw_only=True)
class Grants:
    """All rights in a database that are not the ordinary ones.

    ordinary: objects with ordinary rights, known only where default privileges exist: what is neither here nor in
    objects is new, and gets the rights that those defaults give to new objects.
    """

    objects: tuple[ObjectGrants, ...] = ()
    ordinary: tuple[Identity, ...] = ()

    @property
    def defaults(self) -> dict[tuple[str, ...], ObjectGrants]:
        return {each.name: each for each in self.objects if each.kind == "default"}


@dataclass(frozen=True, kw_only=True)
class Found:
    """One object as it stands in a database now."""

    grants: ObjectGrants
    owner: str
    ours: bool  # made by a user, no member of an extension
    normal: frozenset[Right]
    ordinary: bool


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What must be said to the server, and what cannot be said, as sentences."""

    statements: tuple[str, ...]
    notes: tuple[str, ...]


def grants_to_json(grants: Grants) -> str:
    """One line of JSON, from which `grants_from_json` makes an equal value."""
    objects = [[each.kind, each.name, _plain(each.added), _plain(each.removed), each.owner] for each in grants.objects]
    return json.dumps({"objects": objects, "ordinary": grants.ordinary}, separators=(",", ":"))


def _plain(rights: Iterable[Right]) -> list[tuple[str, str, bool]]:
    return [(right.grantee, right.privilege, right.grantable) for right in rights]


def grants_from_json(text: str) -> Grants:
    """The value that `grants_to_json` wrote."""
    found = json.loads(text)
    objects = (
        ObjectGrants(
            kind=kind,
            name=tuple(name),
            added=tuple(Right(*right) for right in added),
            removed=tuple(Right(*right) for right in removed),
            owner=owner,
        )
        for kind, name, added, removed, owner in found["objects"]
    )
    return Grants(objects=tuple(objects), ordinary=tuple((kind, tuple(name)) for kind, name in found["ordinary"]))


def read_grants(connection: Connection) -> Grants:
    """All rights that differ from the ordinary ones in the connection's database; needs an open transaction."""
    found = list(_find(connection, wanted=(), everything=False))
    kept = [each.grants for each in found if not each.ordinary or (each.ours and each.grants.owner is not None)]
    ordinary: list[Identity] = []
    if any(each.kind == "default" for each in kept):
        ordinary = [each.grants.identity for each in found if each.ours and each.ordinary and not each.grants.owner]
    return Grants(objects=tuple(sorted(kept, key=lambda each: each.identity)), ordinary=tuple(sorted(ordinary)))


def _find(connection: Connection, *, wanted: Sequence[Identity], everything: bool) -> Iterator[Found]:
    parameters = {"wanted": json.dumps([[kind, *name] for kind, name in wanted]), "everything": everything}
    rows = connection.exec_driver_sql(_PIN + _QUERY, parameters).all()
    connection.exec_driver_sql(_UNPIN)
    for kind, name, owner, mine, ours, no_acl, no_initial, rights in rows:
        lists: dict[str, dict[tuple[str, str], bool]] = {"acl": {}, "normal": {}, "initial": {}}
        for which, grantee, privilege, grantable in json.loads(rights):
            known = lists[which].get((grantee, privilege), False)
            lists[which][grantee, privilege] = known or (grantable and grantee != OWNER)
        normal = _rights(lists["normal"])
        acl = normal if no_acl else _rights(lists["acl"])
        grants = ObjectGrants(
            kind=kind,
            name=tuple(json.loads(name)),
            added=tuple(sorted(acl - normal)),
            removed=tuple(sorted(normal - acl)),
            owner=None if mine or not ours else owner,
        )
        initial = normal if no_initial else _rights(lists["initial"])
        yield Found(grants=grants, owner=owner, ours=ours, normal=normal, ordinary=acl == initial or no_acl)


def _rights(items: dict[tuple[str, str], bool]) -> frozenset[Right]:
    return frozenset(Right(grantee, privilege, grantable) for (grantee, privilege), grantable in items.items())
