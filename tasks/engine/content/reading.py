"""Reading everything that a database holds, inside the caller's transaction."""

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple

from sqlalchemy.engine import Connection

from tasks.engine.content.batches import Batches
from tasks.engine.content.catalog import RELATIONS, Relation, relations_of
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
from tasks.engine.content.unwritten import SNAPSHOT, Earlier, held, question
from tasks.engine.content.values import Content, Holds, SequenceContent, TableContent, TableName
from tasks.engine.lock_table import ROOM

_Rows = tuple[tuple[TableContent, ...], tuple[SequenceContent, ...]]
_NOTES = Path(__file__).with_name("notes.sql").read_text(encoding="utf-8")
_FIRST = f"FROM ({_NOTES}) notes, ({RELATIONS}) relations, ({ROOM}) room"


class _First(NamedTuple):
    """What is asked before anything is read."""

    version: int
    notes: Mapping[str, str]
    empty: Sequence[str]
    relations: Sequence[Relation]
    room: int
    snapshot: str | None
    held: Mapping[TableName, Holds]  # what need not be read again


def read_content(
    connection: Connection,
    *,
    progress: Callable[[int, int], None] | None = None,
    privileges: bool = False,
    known: Future[Mapping[TableName, Holds]] | None = None,
    before: Earlier | None = None,
) -> Content:
    """Everything, within the transaction and snapshot that the caller opened; nothing is committed.

    progress(tables done, tables in all). privileges: owners and grants are read as objects too. known: asked when only
    the rows are left, and may take its time: number and fingerprint of those that are known by a dump's text.
    before: an earlier reading, whose rows are not read again where nobody wrote since.
    The session stays pinned (PINNED_SESSION) until the transaction ends.
    BackupError names a table, sequence or large object that the role cannot read in full.
    """
    first = _ask_first(connection, before)
    notes = first.notes
    tables, partitioned, sequences = ([each for each in first.relations if each.kind == kind] for kind in "rpS")
    tell = progress or _tell_nobody
    tell(0, len(tables))
    with Batches(connection) as batches:
        objects = read_inventory(connection, privileges=privileges, empty=first.empty, batches=batches)
        told = first.held
        if known is not None:
            if not known.done():
                batches.let_go()
            told = known.result()
        held = {each.key: told[each.key] for each in tables if each.key in told and each.dumped_whole}
        asked = [each for each in tables if each.key not in held]
        questions = [*_questions(asked, sequences, notes["encoding"]), Question(LARGE_OBJECTS)]
        answers = ask_all(
            batches, questions, first.room, progress=lambda done: tell(min(len(held) + done, len(tables)), len(tables))
        )
        in_all, size_bytes = answers.pop()
        read, standing = _answered(asked, sequences, answers)
        holding = {(each.schema, each.name): each for each in read}
        return Content(
            server_version=first.version,
            objects=objects,
            tables=tuple(holding.get(each.key) or table_content(each, *held[each.key]) for each in tables),
            sequences=standing,
            large_objects=read_large_objects(batches, (in_all, size_bytes)),
            partitioned=tuple(each.key for each in partitioned),
            partition_parents=tuple((each.key, parent) for each in partitioned for parent in each.parents),
            notes=notes,
            snapshot=first.snapshot,
        )


def read_rows(connection: Connection, names: Collection[TableName], *, before: Earlier | None = None) -> _Rows:
    """The tables and sequences of these names alone, as `read_content` would find them; none that need not be read."""
    first = _ask_first(connection, before)
    relations = [each for each in first.relations if each.key in names and each.key not in first.held]
    tables, sequences = ([each for each in relations if each.kind == kind] for kind in "rS")
    questions = _questions(tables, sequences, first.notes["encoding"])
    with Batches(connection) as batches:
        answers = ask_all(batches, questions, first.room, progress=lambda _: None)
    return _answered(tables, sequences, answers)


def _ask_first(connection: Connection, before: Earlier | None) -> _First:
    asked = f"SELECT *, {SNAPSHOT}, {question(before)} {_FIRST}"
    [(version, notes, empty, found, room, snapshot, touched)] = rows(connection, f"{pinning(connection)}; {asked}")
    relations = relations_of(found, connection)
    return _First(version, notes, empty, relations, room, snapshot, held(before, touched))


def _questions(tables: Sequence[Relation], sequences: Sequence[Relation], encoding: str) -> list[Question]:
    return [*(about_table(each, encoding) for each in tables), *map(about_sequence, sequences)]


def _answered(tables: Sequence[Relation], sequences: Sequence[Relation], answers: Sequence[tuple[int, str]]) -> _Rows:
    return (
        tuple(table_content(each, *answer) for each, answer in zip(tables, answers, strict=False)),
        tuple(sequence_content(each, *answer) for each, answer in zip(sequences, answers[len(tables) :], strict=True)),
    )


def _tell_nobody(done: int, of: int) -> None:
    """No progress is wanted."""
    del done, of
