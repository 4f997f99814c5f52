"""Contents as JSON text and back, entry by entry: of twenty thousand tables there are too many to hold them twice."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from tasks.engine.content.values import Content, LargeObjects, SchemaObject, SequenceContent, TableContent

_ENTRIES = (TableContent, SequenceContent, SchemaObject)
_BY_KEYS = {frozenset(field.name for field in fields(entry)): entry for entry in _ENTRIES}

Entry = TypeVar("Entry", TableContent, SequenceContent, SchemaObject)


def to_json(value: Any) -> Iterator[str]:
    """The pieces of a JSON text, keys sorted. value: a dataclass or plain values, to any depth."""
    value = _shallow(value) if is_dataclass(value) else value
    if isinstance(value, Mapping):
        yield "{"
        for number, name in enumerate(sorted(value)):
            yield f"{', ' if number else ''}{_text(name)}: "
            yield from to_json(value[name])
        yield "}"
    elif isinstance(value, list | tuple) and value and is_dataclass(value[0]):
        yield "["
        for number, each in enumerate(value):
            yield (", " if number else "") + _text(each)
        yield "]"
    else:
        yield _text(value)


def from_json(text: str | bytes) -> Any:
    """What json.loads makes of it, with entries of contents in place of their objects.

    ValueError and TypeError, as it raises them.
    """
    return json.loads(text, object_hook=_entry)


def content_from_json(document: Mapping[str, Any]) -> Content:
    """A content out of what `from_json` or json.loads made; KeyError and TypeError when it is none."""
    return Content(
        server_version=document["server_version"],
        tables=tuple(_made(TableContent, each) for each in document["tables"]),
        sequences=tuple(_made(SequenceContent, each) for each in document["sequences"]),
        objects=tuple(_made(SchemaObject, each) for each in document["objects"]),
        large_objects=LargeObjects(**document["large_objects"]),
        partitioned=tuple((schema, name) for schema, name in document["partitioned"]),
        partition_parents=tuple(
            ((child[0], child[1]), (parent[0], parent[1])) for child, parent in document["partition_parents"]
        ),
        notes=document["notes"],
        snapshot=found if isinstance(found := document.get("snapshot"), str) else None,  # older releases have none
    )


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=_shallow)


def _shallow(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _entry(found: dict[str, Any]) -> Any:
    made: Any = _BY_KEYS.get(frozenset(found))
    return _made(made, found) if made is not None else found


def _made(kind: type[Entry], found: Any) -> Entry:
    if isinstance(found, kind):
        return found
    if kind is TableContent:
        found = {**found, "parents": tuple((schema, name) for schema, name in found["parents"])}
    return kind(**found)
