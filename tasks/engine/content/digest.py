"""One hash over everything that a copy must have alike, the same on every server and after an upgrade of one."""

import hashlib
import json
from collections.abc import Iterator

from tasks.engine.content.values import PRIVILEGE_KINDS, Content, SchemaObject, SequenceContent, TableContent


def content_digest(content: Content) -> str:
    """Hex SHA-256 over objects, canonical definitions, rows of logged tables, sequences and large objects.

    Not in it: deparsed text, owners, privileges, rows of unlogged tables, notes.
    """
    digest = hashlib.sha256()
    for group in _groups(content):
        for line in sorted(group):
            digest.update(line.encode() + b"\n")
    return digest.hexdigest()


def definitions_digest(content: Content) -> str:
    """Hex SHA-256 over the deparsed text that content_digest leaves out: it is the same only for one server version."""
    texts = sorted([each.kind, each.identity, each.definition] for each in content.objects if not each.canonical)
    return hashlib.sha256(json.dumps([content.server_version, texts]).encode()).hexdigest()


def _groups(content: Content) -> Iterator[Iterator[str]]:
    """The lines; those of each group sort before those of the next, so that they need not be in memory all at once."""
    yield iter([json.dumps(["large objects", content.large_objects.count, content.large_objects.fingerprint])])
    by_kind: dict[str, list[SchemaObject]] = {}
    for entry in content.objects:
        if entry.kind not in PRIVILEGE_KINDS:
            by_kind.setdefault(entry.kind, []).append(entry)
    for kind in sorted(by_kind, key=json.dumps):
        yield map(_of_object, by_kind[kind])
    yield map(_of_sequence, content.sequences)
    yield map(_of_table, content.tables)


def _of_object(entry: SchemaObject) -> str:
    return json.dumps(["object", entry.kind, entry.identity, entry.definition if entry.canonical else None])


def _of_sequence(sequence: SequenceContent) -> str:
    standing = [sequence.last_value, sequence.is_called] if sequence.logged else []
    return json.dumps(["sequence", sequence.schema, sequence.name, *standing])


def _of_table(table: TableContent) -> str:
    return json.dumps(["table", table.schema, table.name, *([table.rows, table.fingerprint] if table.logged else [])])
