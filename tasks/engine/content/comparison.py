"""Holding two contents against each other: what differs, in sentences, the most telling first."""

from collections.abc import Iterator, Mapping

from sqlalchemy.engine import Connection

from tasks.engine.content.deparse import Deparsed, deparse
from tasks.engine.content.inventory import read_inventory
from tasks.engine.content.sentences import both_sides, name_of, shown
from tasks.engine.content.session import pin_session
from tasks.engine.content.values import PRIVILEGE_KINDS, Content, SchemaObject

_Objects = Mapping[tuple[str, str], SchemaObject]
# A text may change once more when it is deparsed again; none is known to change more than twice.
_ROUNDS = 4
_FEW = 100  # so many are put through the parser in one round trip


def compare_content(
    expected: Content, found: Content, connection_to_found: Connection, *, unlogged: bool = True
) -> tuple[str, ...]:
    """The differences, one sentence each; empty: equal. Rows of unlogged tables count only if unlogged.

    The connection is asked only where deparsed text differs, or where owners and privileges are expected that were
    not read. It needs a transaction that may write, which is as before afterwards, or autocommit.
    """
    theirs = _by_name(expected)
    ours = _by_name(found)
    if any(kind in PRIVILEGE_KINDS for kind, _ in theirs):
        if not any(kind in PRIVILEGE_KINDS for kind, _ in ours):
            pin_session(connection_to_found)
            ours = {(each.kind, each.identity): each for each in read_inventory(connection_to_found, privileges=True)}
    else:
        ours = {key: each for key, each in ours.items() if each.kind not in PRIVILEGE_KINDS}
    sentences = [
        *_rows(expected, found, unlogged=unlogged),
        *_absent(theirs, ours, "is missing"),
        *_absent(ours, theirs, "is not expected"),
        *_different(theirs, ours, connection_to_found),
    ]
    return tuple(dict.fromkeys(map(shown, sentences)))


def compare_definitions(expected: Content, found: Content, connection_to_found: Connection) -> tuple[str, ...]:
    """Of two contents with the same digest: what differs in the deparsed text that is not in it."""
    theirs, ours = ({k: each for k, each in _by_name(c).items() if not each.canonical} for c in (expected, found))
    return tuple(dict.fromkeys(map(shown, _different(theirs, ours, connection_to_found))))


def _by_name(content: Content) -> _Objects:
    return {(each.kind, each.identity): each for each in content.objects}


def _rows(expected: Content, found: Content, *, unlogged: bool) -> Iterator[str]:
    yield from _tables(expected, found, unlogged=unlogged)
    yield from _sequences(expected, found, unlogged=unlogged)
    there, wanted = found.large_objects, expected.large_objects
    if there.count != wanted.count:
        yield f"the database holds {there.count} large objects, expected {wanted.count}"
    elif there != wanted:
        yield "large objects: their content differs"


def _tables(expected: Content, found: Content, *, unlogged: bool) -> Iterator[str]:
    theirs = {(table.schema, table.name): table for table in expected.tables}
    ours = {(table.schema, table.name): table for table in found.tables}
    yield from (f"table {name_of(key)} is missing" for key in sorted(theirs.keys() - ours.keys()))
    yield from (f"table {name_of(key)} is not expected" for key in sorted(ours.keys() - theirs.keys()))
    for key in sorted(theirs.keys() & ours.keys()):
        wanted, there = theirs[key], ours[key]
        if not unlogged and not wanted.logged:
            continue
        if there.rows != wanted.rows:
            yield f"table {name_of(key)} holds {there.rows} rows, expected {wanted.rows}"
        elif there.fingerprint != wanted.fingerprint:
            yield f"table {name_of(key)}: rows differ"


def _sequences(expected: Content, found: Content, *, unlogged: bool) -> Iterator[str]:
    theirs = {(each.schema, each.name): each for each in expected.sequences}
    ours = {(each.schema, each.name): each for each in found.sequences}
    yield from (f"sequence {name_of(key)} is missing" for key in sorted(theirs.keys() - ours.keys()))
    yield from (f"sequence {name_of(key)} is not expected" for key in sorted(ours.keys() - theirs.keys()))
    for key in sorted(theirs.keys() & ours.keys()):
        wanted, there = theirs[key], ours[key]
        if not unlogged and not wanted.logged:
            continue
        if (there.last_value, there.is_called) != (wanted.last_value, wanted.is_called):
            called = {True: "", False: ", not called yet"}
            yield (
                f"sequence {name_of(key)} stands at {there.last_value}{called[there.is_called]}, "
                f"expected {wanted.last_value}{called[wanted.is_called]}"
            )


def _absent(these: _Objects, those: _Objects, how: str) -> Iterator[str]:
    """What only these have, without what goes with its table or is a part of it."""
    absent = sorted(these.keys() - those.keys(), key=_rank)
    known: set[str] = set()
    for kind, identity in absent:
        if not any(whole in known for whole in _wholes(kind, identity)):
            yield f"{kind} {identity} {how}"
        known.add(f"{kind} {identity}")


_FIRST = ("schema", "extension", "type", "domain", "table", "foreign table", "view", "materialized view")
_TABLES = _FIRST[4:]
_WITH_A_TABLE = ("column", "constraint", "not null constraint", "trigger", "rule", "policy")
_ABOUT = ("comment", "owner", "privileges")  # of `table public.users`, say


def _rank(key: tuple[str, str]) -> tuple[int, str, str]:
    """What holds others before these, what is said about them last."""
    kind, identity = key
    place = _FIRST.index(kind) if kind in _FIRST else len(_FIRST) + (kind in _ABOUT)
    return (place, kind, identity)


def _wholes(kind: str, identity: str) -> Iterator[str]:
    """What this may be a part of, or be said about: `index x` for `index predicate x`, `table x` for `column x.y`."""
    words = kind.split()
    yield from (f"{' '.join(words[:length])} {identity}" for length in range(1, len(words)))
    if kind in _ABOUT:
        yield identity.partition(" ")[2]
    if kind.startswith(_WITH_A_TABLE):
        ends = [place for place, sign in enumerate(identity) if sign == "."]
        yield from (f"{table} {identity[:end]}" for end in ends for table in _TABLES)


def _different(theirs: _Objects, ours: _Objects, connection: Connection) -> Iterator[str]:
    keys = [key for key in theirs if key in ours and theirs[key].definition != ours[key].definition]
    texts = [(theirs[key], ours[key]) for key in keys if theirs[key].recreate and ours[key].recreate]
    alike = _alike(texts, connection)
    for key in sorted(keys, key=_rank):
        if key not in alike:
            kind, identity = key
            there, wanted = both_sides(ours[key].definition, theirs[key].definition)
            yield f"{kind} {identity}: {there}, expected {wanted}"


def _alike(pairs: list[tuple[SchemaObject, SchemaObject]], connection: Connection) -> set[tuple[str, str]]:
    """Those of the pairs whose texts the found side's parser brings to one and the same spelling.

    Both are deparsed anew, again and again, until one has a spelling that the other has had.
    """
    alike: set[tuple[str, str]] = set()
    chains = {(wanted.kind, wanted.identity): ([_deparsed(wanted)], [_deparsed(there)]) for wanted, there in pairs}
    for number in range(_ROUNDS):
        # Of many, at first what is expected alone: that is what the restore has done, and mostly enough.
        asked = [pair[:1] if number == 0 and len(chains) > _FEW else pair for pair in chains.values()]
        going = [chain for pair in asked for chain in pair if chain[-1] is not None]
        for chain, spelt in zip(going, deparse(connection, [each[-1] for each in going if each[-1]]), strict=True):
            chain.append(spelt)
        for key, (wanted_texts, there_texts) in list(chains.items()):
            if {each.text for each in wanted_texts if each} & {each.text for each in there_texts if each}:
                alike.add(key)
                del chains[key]
            elif all(len(each) > 1 and each[-1] in (None, each[-2]) for each in (wanted_texts, there_texts)):
                del chains[key]
        if not chains:
            break
    return alike


def _deparsed(entry: SchemaObject) -> Deparsed | None:
    return Deparsed(recreate=entry.recreate or "", text=entry.definition)
