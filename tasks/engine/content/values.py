"""What a database holds, as values: rows, sequences, objects. Compared, hashed, and kept in a manifest."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from sys import intern

TableName = tuple[str, str]  # (schema, name), unquoted
Holds = tuple[int, str]  # what stands in a table: number and fingerprint of its rows

PRIVILEGE_KINDS = ("owner", "privileges")  # who may do what: read for the safety manifest only
_FRESH = (("schema", "public"), ("comment", "on schema public"))  # in every database from template0


@dataclass(frozen=True, kw_only=True, slots=True)
class TableContent:
    """The rows of one ordinary table, its children not counted in."""

    schema: str
    name: str
    rows: int
    fingerprint: str  # the sum of the rows' 64-bit hashes, as decimal text; "0" for no rows
    logged: bool  # False: unlogged, a crash empties it
    parents: tuple[TableName, ...] = ()  # partitioned table or inheritance parents

    def __post_init__(self) -> None:
        _intern(self, "schema", "name", "fingerprint")


@dataclass(frozen=True, kw_only=True, slots=True)
class SequenceContent:
    """Where a sequence stands."""

    schema: str
    name: str
    last_value: int
    is_called: bool
    logged: bool = True  # False: unlogged itself or owned by an unlogged table, a crash resets it

    def __post_init__(self) -> None:
        _intern(self, "schema", "name")


@dataclass(frozen=True, kw_only=True, slots=True)
class SchemaObject:
    """One object of the schema: what it is, its name independent of any search path, and what makes it so.

    canonical: the definition means the same in every server, so it is part of the content digest.
    Otherwise it is deparsed text, which a server may spell differently after a restore or an upgrade:
    `recreate` then says how the found side's parser can be asked.
    """

    kind: str
    identity: str
    definition: str
    canonical: bool = True
    recreate: str | None = None  # for deparsed text: what comparison needs to have it deparsed anew

    def __post_init__(self) -> None:
        _intern(self, "kind", "identity", "definition", "recreate")


def _intern(entry: TableContent | SequenceContent | SchemaObject, *names: str) -> None:
    """Equal texts once in memory: there are two contents at a time, and they are mostly equal."""
    for name in names:
        if type(text := getattr(entry, name)) is str:
            object.__setattr__(entry, name, intern(text))


@dataclass(frozen=True, kw_only=True)
class LargeObjects:
    """All large objects together."""

    count: int = 0
    fingerprint: str = "0"


@dataclass(frozen=True, kw_only=True)
class Content:
    """Everything that a copy must have alike, and notes that are told but never compared."""

    server_version: int  # server_version_num
    tables: tuple[TableContent, ...]
    sequences: tuple[SequenceContent, ...]
    objects: tuple[SchemaObject, ...]
    large_objects: LargeObjects = LargeObjects()
    partitioned: tuple[TableName, ...] = ()  # tables that hold rows only in their partitions
    partition_parents: tuple[tuple[TableName, TableName], ...] = ()  # (partitioned child, its parent)
    notes: Mapping[str, str] | None = None  # extension and collation versions, encoding, locale
    # Which transactions were seen when the reading began (unwritten.SNAPSHOT).
    snapshot: str | None = field(default=None, compare=False)


def with_sequences(content: Content, values: Mapping[TableName, tuple[int, bool]]) -> Content:
    """The same content with the sequences at these values: the dump's own, since sequences ignore snapshots."""
    sequences = tuple(
        replace(sequence, last_value=values[key][0], is_called=values[key][1])
        if (key := (sequence.schema, sequence.name)) in values
        else sequence
        for sequence in content.sequences
    )
    return replace(content, sequences=sequences)


def holding(tables: Iterable[TableContent]) -> dict[TableName, Holds]:
    """What stands in each: number and fingerprint of its rows."""
    return {(each.schema, each.name): (each.rows, each.fingerprint) for each in tables}


def standing(sequences: Iterable[SequenceContent]) -> dict[TableName, tuple[int, bool]]:
    """Where each stands, and whether it was called."""
    return {(each.schema, each.name): (each.last_value, each.is_called) for each in sequences}


def with_rows(content: Content, tables: Iterable[TableContent], sequences: Iterable[SequenceContent]) -> Content:
    """The same content with the rows and standings of these, where it has a table or sequence of their name."""
    rows = holding(tables)
    filled = tuple(
        replace(each, rows=rows[key][0], fingerprint=rows[key][1])
        if (key := (each.schema, each.name)) in rows
        else each
        for each in content.tables
    )
    return with_sequences(replace(content, tables=filled), standing(sequences))


def statistics(content: Content, names: Sequence[str]) -> dict[str, int | None]:
    """Row counts for names such as `users` or `billing.invoices`, as SELECT count(*) would answer; None: no table.

    Without a schema the one in `public` is meant, else the only one of that name (None where several have it).
    """
    rows = {(table.schema, table.name): table.rows for table in content.tables}
    children = _children(content)
    known = {*rows, *content.partitioned}
    return {
        name: None
        if (table := _resolve(name, known)) is None
        else sum(rows.get(member, 0) for member in _family(table, children))
        for name in names
    }


def _resolve(name: str, known: AbstractSet[TableName]) -> TableName | None:
    """The table that is meant. A dot may also be part of a name."""
    exact = [table for table in known if ".".join(table) == name]
    if exact:
        return exact[0] if len(exact) == 1 else None
    if ("public", name) in known:
        return ("public", name)
    alike = [table for table in known if table[1] == name]
    return alike[0] if len(alike) == 1 else None


def _children(content: Content) -> Mapping[TableName, Sequence[TableName]]:
    children: dict[TableName, list[TableName]] = {}
    for table in content.tables:
        for parent in table.parents:
            children.setdefault(parent, []).append((table.schema, table.name))
    for child, parent in content.partition_parents:
        children.setdefault(parent, []).append(child)
    return children


def _family(table: TableName, children: Mapping[TableName, Sequence[TableName]]) -> AbstractSet[TableName]:
    """The table and all its descendants, each once, however many ways lead to it."""
    family, waiting = {table}, [table]
    while waiting:
        new = set(children.get(waiting.pop(), ())) - family
        family |= new
        waiting += new
    return family


def is_empty(content: Content) -> bool:
    """True where nothing is that a user made: as a database fresh from template0, or a provider's new one.

    Extensions alone are not content (Railway's images create pgvector in the database that they make), nor are
    owners and privileges.
    """
    rows = sum(table.rows for table in content.tables)
    return rows == content.large_objects.count == 0 and all(_not_made_by_a_user(entry) for entry in content.objects)


def _not_made_by_a_user(entry: SchemaObject) -> bool:
    return (
        entry.kind in (*PRIVILEGE_KINDS, "extension")
        or (entry.kind, entry.identity) in _FRESH
        or (entry.kind == "comment" and entry.identity.startswith("on extension "))
    )
