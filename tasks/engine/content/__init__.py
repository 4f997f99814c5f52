"""What a database holds: read, hashed, compared, kept as JSON."""

from tasks.engine.content.as_json import content_from_json, from_json, to_json
from tasks.engine.content.changes import describe_changes, describe_losses, describe_tables
from tasks.engine.content.comparison import compare_content, compare_definitions
from tasks.engine.content.digest import content_digest, definitions_digest
from tasks.engine.content.reading import read_content, read_rows
from tasks.engine.content.session import PINNED_SESSION
from tasks.engine.content.unwritten import Earlier, earlier
from tasks.engine.content.values import (
    Content,
    LargeObjects,
    SchemaObject,
    SequenceContent,
    TableContent,
    TableName,
    holding,
    is_empty,
    standing,
    statistics,
    with_rows,
    with_sequences,
)

__all__ = [
    "PINNED_SESSION",
    "Content",
    "Earlier",
    "LargeObjects",
    "SchemaObject",
    "SequenceContent",
    "TableContent",
    "TableName",
    "compare_content",
    "compare_definitions",
    "content_digest",
    "content_from_json",
    "definitions_digest",
    "describe_changes",
    "describe_losses",
    "describe_tables",
    "earlier",
    "from_json",
    "holding",
    "is_empty",
    "read_content",
    "read_rows",
    "standing",
    "statistics",
    "to_json",
    "with_rows",
    "with_sequences",
]
