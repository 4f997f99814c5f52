"""Rights on a database's objects, as values, and what must be said to a server so that it gives them again. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

PUBLIC = "public"  # everybody; no role can be called so
OWNER = ""  # the object's owner, whoever that is where the rights are put back

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
    "database": "DATABASE",
}
# pg_default_acl's letters.
_DEFAULT_KEYWORDS = {
    "r": "TABLES",
    "S": "SEQUENCES",
    "f": "ROUTINES",
    "T": "TYPES",
    "n": "SCHEMAS",
    "L": "LARGE OBJECTS",
}
_DEFAULT_LETTERS = {
    "table": "r",
    "sequence": "S",
    "function": "f",
    "type": "T",
    "schema": "n",
    "large object": "L",
}

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

    kind: one of those above, or "default" for ALTER DEFAULT PRIVILEGES, whose name is role, schema (or ""), letter.
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

    ordinary: the objects with ordinary rights, known only where default privileges exist: what is neither here nor
    in `objects` is new, and gets what those defaults give to new objects.
    """

    objects: tuple[ObjectGrants, ...] = ()
    ordinary: tuple[Identity, ...] = ()

    @property
    def defaults(self) -> dict[tuple[str, ...], ObjectGrants]:
        return {each.name: each for each in self.objects if each.kind == "default"}


@dataclass(frozen=True, kw_only=True)
class Found:
    """One object as it stands in a database now; normal: the rights that PostgreSQL gives by itself."""

    grants: ObjectGrants
    owner: str
    ours: bool = False  # made by a user, and no member of an extension
    ordinary: bool = True  # its rights are those that it was made with
    normal: frozenset[Right] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement, and the object that it is about, as people call it."""

    sql: str
    about: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What must be said to the server, in this order, and as sentences what was left out."""

    statements: tuple[Statement, ...]
    notes: tuple[str, ...]


def plan_grants(grants: Grants, found: Iterable[Found], roles: AbstractSet[str]) -> Plan:
    """The statements after which the objects found have the rights that those of the same name had.

    An object that is new gets what the default privileges give. What an object or a role lost by being gone is told.
    """
    present = {each.grants.identity: each for each in found}
    # An owner may have revoked its own USAGE on a schema: that ends what can be said about the objects in it.
    first, revokes, additions, last = (list[Statement]() for _ in range(4))
    notes: list[str] = []
    gone: Counter[str] = Counter()
    inherited: Counter[tuple[str, str]] = Counter()
    for wish in _wishes(grants, present):
        place = _place(wish, present, roles)
        if place is None:
            if wish.added or wish.removed:
                notes.append(_gone(wish))
            continue
        gone.update({right.grantee for right in wish.added} - roles - {PUBLIC, OWNER})
        kept = _fitted(wish, place, roles)
        if wish.owner in roles and wish.owner != place.owner:
            inherited[str(wish.owner), place.owner] += 1
        schema = wish.kind == "schema"
        (last if schema else revokes).extend(_revokes(kept, place))
        (first if schema else additions).extend(_additions(kept, place))
    notes += [
        f"the role {quoted(role)} does not exist any more: its grants on {_objects(count)} are left out"
        for role, count in sorted(gone.items())
    ]
    notes += [
        f"the role {quoted(old)} owned {_objects(count)} that {quoted(new)} owns now: it keeps an owner's privileges,"
        " not the ownership"
        for (old, new), count in sorted(inherited.items())
    ]
    return Plan(statements=(*first, *revokes, *additions, *last), notes=tuple(notes))


def _gone(wish: ObjectGrants) -> str:
    if wish.kind == "default":
        return f"the {shown(wish.identity)} are left out: that role or schema does not exist any more"
    return f"{shown(wish.identity)} does not exist any more: its grants are left out"


def _objects(count: int) -> str:
    return "1 object" if count == 1 else f"{count} objects"


def _wishes(grants: Grants, present: Mapping[Identity, Found]) -> Iterator[ObjectGrants]:
    yield from grants.objects
    if not grants.defaults:
        return
    known = {each.identity for each in grants.objects}
    ordinary = set(grants.ordinary)
    for identity, place in present.items():
        if identity in known or not place.ours:
            continue
        yield ObjectGrants(kind=identity[0], name=identity[1]) if identity in ordinary else _by_default(grants, place)


def _by_default(grants: Grants, place: Found) -> ObjectGrants:
    """As the server does when an object is made: the general entry, and those of the schema on top of it."""
    kind, name = place.grants.identity
    letter = _DEFAULT_LETTERS.get(kind, "")
    general = grants.defaults.get((place.owner, "", letter), ObjectGrants(kind=kind, name=name))
    schema = name[0] if kind in ("table", "sequence", "function", "type") else ""
    special = grants.defaults.get((place.owner, schema, letter)) if schema else None
    added = {(right.grantee, right.privilege): right.grantable for right in general.added}
    removed = set(general.removed)
    for right in special.added if special else ():
        pair = right.grantee, right.privilege
        removed.discard(replace(right, grantable=False))
        if replace(right, grantable=False) not in place.normal:
            added[pair] = added.get(pair, False) or right.grantable
    return replace(
        place.grants, added=tuple(Right(*pair, option) for pair, option in added.items()), removed=tuple(removed)
    )


def _place(wish: ObjectGrants, present: Mapping[Identity, Found], roles: AbstractSet[str]) -> Found | None:
    if wish.kind != "default" or wish.identity in present:
        return present.get(wish.identity)
    role, schema, _ = wish.name
    if role not in roles or (schema and ("schema", (schema,)) not in present):
        return None
    return Found(grants=ObjectGrants(kind=wish.kind, name=wish.name), owner=role)


def _fitted(wish: ObjectGrants, place: Found, roles: AbstractSet[str]) -> ObjectGrants:
    """The wish where the object stands now: without roles that are gone, and with the old owner among the grantees."""
    added = {right for right in wish.added if right.grantee in roles | {PUBLIC, OWNER} and right.grantee != place.owner}
    if wish.owner in roles and wish.owner != place.owner:
        lost = {right.privilege for right in wish.removed if right.grantee == OWNER}
        given = {right.privilege for right in {*place.normal, *added} if right.grantee in (PUBLIC, wish.owner)}
        owned = {right.privilege for right in place.normal if right.grantee == OWNER}
        added |= {Right(str(wish.owner), privilege) for privilege in owned - lost - given}
    return replace(wish, added=tuple(added))


def _revokes(wish: ObjectGrants, place: Found) -> Iterator[Statement]:
    have = {(right.grantee, right.privilege): right.grantable for right in place.grants.added}
    want = {(right.grantee, right.privilege): right.grantable for right in wish.added}
    lost = {(right.grantee, right.privilege) for right in {*wish.removed} - {*place.grants.removed}}
    yield from _statements(place, "REVOKE {what} FROM {whom} CASCADE", {*have} - {*want} | lost)
    options = {pair for pair, option in have.items() if option and want.get(pair) is False}
    yield from _statements(place, "REVOKE GRANT OPTION FOR {what} FROM {whom} CASCADE", options)


def _additions(wish: ObjectGrants, place: Found) -> Iterator[Statement]:
    have = {(right.grantee, right.privilege): right.grantable for right in place.grants.added}
    again = {(right.grantee, right.privilege) for right in {*place.grants.removed} - {*wish.removed}}
    plain = {(right.grantee, right.privilege) for right in wish.added if not right.grantable} - {*have}
    yield from _statements(place, "GRANT {what} TO {whom}", plain | again)
    wanted = {(right.grantee, right.privilege) for right in wish.added if right.grantable}
    options = {pair for pair in wanted if not have.get(pair, False)}
    yield from _statements(place, "GRANT {what} TO {whom} WITH GRANT OPTION", options)


def _statements(place: Found, form: str, pairs: AbstractSet[tuple[str, str]]) -> Iterator[Statement]:
    """One statement for all grantees who get or lose the same privileges."""
    kind, name = place.grants.identity
    privileges = {grantee: tuple(sorted(what for whom, what in pairs if whom == grantee)) for grantee, _ in pairs}
    for what in sorted(set(privileges.values())):
        grantees = sorted(grantee for grantee, its in privileges.items() if its == what)
        whom = ", ".join("PUBLIC" if each == PUBLIC else quoted(each or place.owner) for each in grantees)
        listed = ", ".join(f"{each} ({quoted(name[2])})" if kind == "column" else each for each in what)
        yield Statement(sql=_with_prefix(place, form, listed, whom), about=shown(place.grants.identity))


def _with_prefix(place: Found, form: str, privileges: str, whom: str) -> str:
    kind, name = place.grants.identity
    if kind != "default":
        return form.format(what=f"{privileges} ON {_KEYWORDS[kind]} {_called(kind, name)}", whom=whom)
    role, schema, letter = name
    where = f" IN SCHEMA {quoted(schema)}" if schema else ""
    said = form.format(what=f"{privileges} ON {_DEFAULT_KEYWORDS[letter]}", whom=whom)
    return f"ALTER DEFAULT PRIVILEGES FOR ROLE {quoted(role)}{where} {said}"


def _called(kind: str, name: tuple[str, ...]) -> str:
    if kind == "large object":
        return name[0]
    if kind == "function":
        return f"{quoted(name[0])}.{quoted(name[1])}({name[2]})"
    return ".".join(quoted(part) for part in name[:2])


def shown(identity: Identity) -> str:
    """An object as people call it: `table "public"."users"`."""
    kind, name = identity
    if kind == "column":
        return f"column {quoted(name[2])} of table {_called(kind, name)}"
    if kind == "default":
        where = f" in schema {quoted(name[1])}" if name[1] else ""
        return f"default privileges of {quoted(name[0])} on {_DEFAULT_KEYWORDS[name[2]].lower()}{where}"
    return f"{kind} {_called(kind, name)}"


def quoted(name: str) -> str:
    """An identifier in double quotes, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'
