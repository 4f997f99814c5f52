"""What somebody changed in a database, in a few words: for a person who must decide whether it may be lost. Pure."""

from collections.abc import Iterator

from tasks.engine.content.sentences import name_of, shown
from tasks.engine.content.values import PRIVILEGE_KINDS, Content

_SHOWN = 5


def describe_changes(before: Content, after: Content) -> str:
    """Tables with their numbers of rows, sequences, objects that came or went; the first few, and how many more."""
    return _first(list(dict.fromkeys(_changes(before, after)))) or "definitions only"


def describe_tables(content: Content) -> str:
    """The largest tables, with their rows."""
    largest = sorted(content.tables, key=lambda table: (-table.rows, table.schema, table.name))
    return _first([f"{name_of((table.schema, table.name))} {table.rows}" for table in largest])


def describe_losses(before: Content, after: Content) -> str:
    """The tables that would hold fewer rows, the largest loss first: `public.users 57 to 3`."""
    left = {(table.schema, table.name): table.rows for table in after.tables}
    losses = [
        (key, table.rows, left.get(key, 0))
        for table in before.tables
        if left.get(key := (table.schema, table.name), 0) < table.rows
    ]
    largest = sorted(losses, key=lambda loss: (loss[2] - loss[1], loss[0]))
    return _first([f"{name_of(key)} {had} to {has}" for key, had, has in largest])


def _changes(before: Content, after: Content) -> Iterator[str]:
    old = {(table.schema, table.name): table for table in before.tables}
    new = {(table.schema, table.name): table for table in after.tables}
    for key in sorted(old.keys() | new.keys()):
        name = name_of(key)
        if key not in old:
            yield f"table {name} is new, with {new[key].rows} rows"
        elif key not in new:
            yield f"table {name} is gone, it had {old[key].rows} rows"
        elif old[key].rows != new[key].rows:
            yield f"table {name} had {old[key].rows} rows and has {new[key].rows}"
        elif old[key].fingerprint != new[key].fingerprint:
            yield f"table {name}: some of its {new[key].rows} rows were changed"
    yield from _sequences(before, after)
    if before.large_objects != after.large_objects:
        yield f"large objects: there were {before.large_objects.count}, there are {after.large_objects.count}"
    yield from _objects(before, after)


def _sequences(before: Content, after: Content) -> Iterator[str]:
    old = {(each.schema, each.name): (each.last_value, each.is_called) for each in before.sequences}
    for each in after.sequences:
        stood = old.get((each.schema, each.name))
        if stood is not None and stood != (each.last_value, each.is_called):
            yield f"sequence {name_of((each.schema, each.name))} moved from {stood[0]} to {each.last_value}"


def _objects(before: Content, after: Content) -> Iterator[str]:
    """By name only: definitions of the same object may be spelt differently. A table's are told with the table."""
    tables = {(table.schema, table.name) for table in (*before.tables, *after.tables)}
    names = {name_of(key) for key in tables}
    old, new = ({(e.kind, e.identity) for e in c.objects if e.kind not in PRIVILEGE_KINDS} for c in (before, after))
    for kind, identity in sorted(old ^ new):
        if kind != "table" and not any(identity.startswith((f"{name}.", f"on table {name}")) for name in names):
            yield f"{kind} {identity} {'is new' if (kind, identity) in new else 'is gone'}"


def _first(sentences: list[str]) -> str:
    more = f" and {len(sentences) - _SHOWN} more" if len(sentences) > _SHOWN else ""
    return ", ".join(map(shown, sentences[:_SHOWN])) + more
