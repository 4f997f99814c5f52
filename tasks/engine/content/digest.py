"""One hash over everything that a copy must have alike, the same on every server and after an upgrade of one."""

import hashlib
import json
from collections.abc import Iterator

from tasks.engine.content.values import PRIVILEGE_KINDS, Content


def content_digest(content: Content) -> str:
    """Hex SHA-256 over objects, canonical definitions, rows of logged tables, sequences and large objects.

    Not in it: deparsed text, owners, privileges, rows of unlogged tables, notes.
    """
    digest = hashlib.sha256()
    for line in sorted(_lines(content)):
        digest.update(line.encode() + b"\n")
    return digest.hexdigest()


def definitions_digest(content: Content) -> str:
    """Hex SHA-256 over the deparsed text that content_digest leaves out: it is the same only for one server version."""
    texts = sorted([each.kind, each.identity, each.definition] for each in content.objects if not each.canonical)
    return hashlib.sha256(json.dumps([content.server_version, texts]).encode()).hexdigest()


def _lines(content: Content) -> Iterator[str]:
    for entry in content.objects:
        if entry.kind not in PRIVILEGE_KINDS:
            yield json.dumps(["object", entry.kind, entry.identity, entry.definition if entry.canonical else None])
    for table in content.tables:
        yield json.dumps(
            ["table", table.schema, table.name, *([table.rows, table.fingerprint] if table.logged else [])]
        )
    for sequence in content.sequences:
        standing = [sequence.last_value, sequence.is_called] if sequence.logged else []
        yield json.dumps(["sequence", sequence.schema, sequence.name, *standing])
    yield json.dumps(["large objects", content.large_objects.count, content.large_objects.fingerprint])
