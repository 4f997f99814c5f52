"""What stands in tables and sequences: counted, hashed on the server, few round trips.

A table's fingerprint is the sum of 64-bit hashes over its rows, so the order of rows does not matter and a doubled
row does. A row's text is made of its columns by name, in alphabetical order: a correct restore may bring the columns
of an inheritance child back in another order.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from tasks.engine.content.batches import Batches, split
from tasks.engine.content.catalog import Relation
from tasks.engine.content.values import SequenceContent, TableContent
from tasks.engine.mark import identifier, qualified

# What one statement may take, whichever is reached first.
_BATCH_BYTES = 256 * 2**20  # a second: with much less the server's parallel workers are begun and ended too often
_BATCH_COLUMNS = 4_000  # some 200 kB of text
_BATCH_QUESTIONS = 500  # the server's stack is as deep as they are many
_FEWEST_LOCKS = 250  # a server for 8 connections has 512 for all of them
_SHARE_OF_LOCKS = 8
# Their bytes may be anything, so the UTF-8 form can be held in a text of theirs.
_SINGLE_BYTE = ("LATIN", "WIN", "ISO_8859", "KOI8")
_MULTI_BYTE_WIN = ("WIN932", "WIN936", "WIN949", "WIN950")


class Question(NamedTuple):
    """A SELECT of one row with a number and a text, and what it takes: of bytes to be read, of columns, of locks."""

    query: str
    size_bytes: int = 0
    columns: int = 0
    locks: int = 0


def ask_all(
    batches: Batches, questions: Sequence[Question], room: int, *, progress: Callable[[int], None]
) -> list[tuple[int, str]]:
    """The answers, in the order of the questions, many in one round trip; progress(answers so far).

    room: how many locks the server has, by lock_table.ROOM.
    """
    answers: list[tuple[int, str]] = []
    most_locks = max(_FEWEST_LOCKS, room // _SHARE_OF_LOCKS)

    def weight(each: Question) -> float:
        taken = each.size_bytes / _BATCH_BYTES + each.columns / _BATCH_COLUMNS + each.locks / most_locks
        return max(taken, 1 / _BATCH_QUESTIONS)

    for group in split(questions, weight=weight):
        found = batches.query(
            "\nUNION ALL ".join(
                f"SELECT {place}, asked.* FROM ({each.query}) asked (number, text)"  # noqa: S608 - our own questions
                for place, each in enumerate(group)
            )
        )
        answers += [(number, text) for _, number, text in sorted(found)]
        progress(len(answers))
    return answers


def about_table(table: Relation, encoding: str) -> Question:
    """How many rows it holds without its children, and their fingerprint. encoding: the database's."""
    # Bare names: a column comes before a table of the same name, and an extension's condition may name the table.
    columns = ", ".join(identifier(column) for column in table.columns)
    query = (
        f"SELECT count(*), coalesce(sum({text_hash(f'ROW({columns})::text', encoding)}), 0)::text "  # noqa: S608 - names quoted
        f"FROM ONLY {_name(table)} {table.condition}"
    )
    return Question(query, size_bytes=table.size_bytes, columns=len(table.columns), locks=1 + table.indexes)


def about_sequence(sequence: Relation) -> Question:
    """Where it stands, and whether it was called. Sequences ignore snapshots."""
    return Question(f"SELECT last_value, is_called::text FROM {_name(sequence)}", locks=1)  # noqa: S608 - a quoted name


def table_content(table: Relation, rows: int, fingerprint: str) -> TableContent:
    return TableContent(
        schema=table.schema,
        name=table.name,
        rows=rows,
        fingerprint=fingerprint,
        logged=table.logged,
        parents=table.parents,
    )


def sequence_content(sequence: Relation, last_value: int, is_called: str) -> SequenceContent:
    return SequenceContent(
        schema=sequence.schema,
        name=sequence.name,
        last_value=last_value,
        is_called=is_called == "true",
        logged=sequence.logged,
    )


def text_hash(text: str, encoding: str) -> str:
    """The hash of a text expression, as a database in UTF-8 would give it.

    Exact for UTF-8, SQL_ASCII (bytes as they are) and the single-byte encodings. The multi-byte encodings of East
    Asia hash their own bytes: a copy in another encoding than theirs would not be found equal.
    """
    if encoding.startswith(_SINGLE_BYTE) and encoding not in _MULTI_BYTE_WIN:
        text = f"convert_from(convert_to({text}, 'UTF8'), 'SQL_ASCII')"
    return f'hashtextextended({text} COLLATE "C", 0)'


def _name(relation: Relation) -> str:
    return qualified(relation.key)
