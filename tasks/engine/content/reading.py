"""Reading everything that a database holds, inside the caller's transaction."""

from collections.abc import Callable, Collection
from pathlib import Path

from sqlalchemy.engine import Connection

from tasks.engine.content.batches import Batches
from tasks.engine.content.catalog import RELATIONS, relations_of
from tasks.engine.content.fingerprints import (
    Question,
    about_sequence,
    about_table,
    ask_all,
    sequence_content,
    table_content,
)
from tasks.engine.content.inventory import read_inventory
from tasks.engine.content.large_objects import LARGE_OBJECTS, read_large_objects
from tasks.engine.content.session import pinning, rows
from tasks.engine.content.values import Content, SequenceContent, TableContent, TableName

_NOTES = Path(__file__).with_name("notes.sql").read_text(encoding="utf-8")
_FIRST = f"SELECT * FROM ({_NOTES}) notes, ({RELATIONS}) relations"  # noqa: S608 - our own text


def read_content(
    connection: Connection, *, progress: Callable[[int, int], None] | None = None, privileges: bool = False
) -> Content:
    """Everything, within the transaction and snapshot that the caller opened; nothing is committed.

    progress(tables done, tables in all). privileges: owners and grants are read as objects too.
    The session stays pinned (PINNED_SESSION) until the transaction ends.
    BackupError names a table, sequence or large object that the role cannot read in full.
    """
    [(version, notes, empty, found)] = rows(connection, f"{pinning(connection)}; {_FIRST}")
    relations = relations_of(found, connection)
    tables, partitioned, sequences = ([each for each in relations if each.kind == kind] for kind in "rpS")
    tell = progress or _tell_nobody
    tell(0, len(tables))
    questions = [
        *(about_table(each, notes["encoding"]) for each in tables),
        *(about_sequence(each) for each in sequences),
        Question(LARGE_OBJECTS, 0),
    ]
    with Batches(connection) as batches:
        objects = read_inventory(connection, privileges=privileges, empty=empty, batches=batches)
        answers = ask_all(batches, questions, progress=lambda done: tell(min(done, len(tables)), len(tables)))
        in_all, size_bytes = answers.pop()
        return Content(
            server_version=version,
            objects=objects,
            tables=tuple(table_content(each, *answer) for each, answer in zip(tables, answers, strict=False)),
            sequences=tuple(
                sequence_content(each, *answer) for each, answer in zip(sequences, answers[len(tables) :], strict=True)
            ),
            large_objects=read_large_objects(batches, (in_all, size_bytes)),
            partitioned=tuple(each.key for each in partitioned),
            partition_parents=tuple((each.key, parent) for each in partitioned for parent in each.parents),
            notes=notes,
        )


def read_rows(connection: Connection, names: Collection[TableName]) -> tuple[list[TableContent], list[SequenceContent]]:
    """The tables and sequences of these names alone, as `read_content` would find them."""
    [(_, notes, _, found)] = rows(connection, f"{pinning(connection)}; {_FIRST}")
    relations = [each for each in relations_of(found, connection) if each.key in names]
    tables, sequences = ([each for each in relations if each.kind == kind] for kind in "rS")
    with Batches(connection) as batches:
        questions = [*(about_table(each, notes["encoding"]) for each in tables), *map(about_sequence, sequences)]
        answers = ask_all(batches, questions, progress=lambda _: None)
    return (
        [table_content(each, *answer) for each, answer in zip(tables, answers, strict=False)],
        [sequence_content(each, *answer) for each, answer in zip(sequences, answers[len(tables) :], strict=True)],
    )


def _tell_nobody(done: int, of: int) -> None:
    """No progress is wanted."""
    del done, of
