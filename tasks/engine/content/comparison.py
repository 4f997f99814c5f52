"""Holding two contents against each other: what differs, in sentences, the most telling first."""

from collections.abc import Iterator

from sqlalchemy.engine import Connection

from tasks.engine.content.values import Content

_SHOWN = 200


def compare_content(
    expected: Content, found: Content, connection_to_found: Connection, *, unlogged: bool = True
) -> tuple[str, ...]:
    """The differences, one sentence each; empty: equal. Rows of unlogged tables count only if unlogged."""
    del connection_to_found
    return (*_tables(expected, found, unlogged=unlogged), *_sequences(expected, found), *_objects(expected, found))


def _tables(expected: Content, found: Content, *, unlogged: bool) -> Iterator[str]:
    ours = {(table.schema, table.name): table for table in found.tables}
    for table in expected.tables:
        other = ours.get((table.schema, table.name))
        if other is None or (not unlogged and not table.logged):
            continue  # a missing table is among the objects
        if other.rows != table.rows:
            yield f"table {table.schema}.{table.name} holds {other.rows} rows, expected {table.rows}"
        elif other.fingerprint != table.fingerprint:
            yield f"table {table.schema}.{table.name}: rows differ"
    if expected.large_objects != found.large_objects:
        yield f"large objects differ: {found.large_objects.count} of them, expected {expected.large_objects.count}"


def _sequences(expected: Content, found: Content) -> Iterator[str]:
    ours = {(each.schema, each.name): each for each in found.sequences}
    for each in expected.sequences:
        other = ours.get((each.schema, each.name))
        if other is not None and other != each:
            yield (
                f"sequence {each.schema}.{each.name} stands at {other.last_value} (called: {other.is_called}), "
                f"expected {each.last_value} (called: {each.is_called})"
            )


def _objects(expected: Content, found: Content) -> Iterator[str]:
    theirs = {(each.kind, each.identity): each for each in expected.objects}
    ours = {(each.kind, each.identity): each for each in found.objects}
    for kind, identity in sorted(theirs.keys() - ours.keys()):
        yield f"{kind} {identity} is missing"
    for kind, identity in sorted(ours.keys() - theirs.keys()):
        yield f"{kind} {identity} is not expected"
    for kind, identity in sorted(theirs.keys() & ours.keys()):
        wanted, there = theirs[kind, identity].definition, ours[kind, identity].definition
        if wanted != there:
            yield f"{kind} {identity}: {there[:_SHOWN]}, expected {wanted[:_SHOWN]}"
