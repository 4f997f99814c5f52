"""What stands in tables and sequences: counted, hashed on the server, few round trips.

A table's fingerprint is the sum of 64-bit hashes over its rows, so the order of rows does not matter and a doubled
row does. A row's text is made of its columns by name, in alphabetical order: a correct restore may bring the columns
of an inheritance child back in another order.
"""

from collections.abc import Callable, Iterable, Sequence

from tasks.engine.content.batches import Batches, split
from tasks.engine.content.catalog import Relation
from tasks.engine.content.values import SequenceContent, TableContent
from tasks.engine.mark import identifier

# What one statement may take, whichever is reached first.
_BATCH_BYTES = 64 * 2**20  # well below a second on one core
_BATCH_COLUMNS = 4_000  # some 200 kB of text
_BATCH_LOCKS = 250  # a server for 8 connections has 512 for all of them
# Their bytes may be anything, so the UTF-8 form can be held in a text of theirs.
_SINGLE_BYTE = ("LATIN", "WIN", "ISO_8859", "KOI8")
_MULTI_BYTE_WIN = ("WIN932", "WIN936", "WIN949", "WIN950")


def read_tables(
    batches: Batches, tables: Sequence[Relation], *, encoding: str, progress: Callable[[int, int], None]
) -> tuple[TableContent, ...]:
    """Count and fingerprint of each table, in the given order; progress(tables done, tables in all).

    encoding: the database's.
    """
    found: list[TableContent] = []
    for group in split(tables, weight=_share):
        rows = batches.query(_together(fingerprint_query(table, encoding, place) for place, table in enumerate(group)))
        answers = {place: (count, total) for place, count, total in rows}
        found += [_content(table, *answers[place]) for place, table in enumerate(group)]
        progress(len(found), len(tables))
    return tuple(found)


def read_sequences(batches: Batches, sequences: Sequence[Relation]) -> tuple[SequenceContent, ...]:
    """Where each sequence stands, in the given order. Sequences ignore snapshots."""
    found: list[SequenceContent] = []
    for group in split(sequences, weight=lambda _: 1 / _BATCH_LOCKS):
        rows = batches.query(
            _together(
                f"SELECT {place} AS place, last_value, is_called FROM {_name(sequence)}"  # noqa: S608
                for place, sequence in enumerate(group)
            )
        )
        answers = {place: (last_value, is_called) for place, last_value, is_called in rows}
        found += [
            SequenceContent(
                schema=sequence.schema,
                name=sequence.name,
                last_value=answers[place][0],
                is_called=answers[place][1],
                logged=sequence.logged,
            )
            for place, sequence in enumerate(group)
        ]
    return tuple(found)


def fingerprint_query(table: Relation, encoding: str, place: int = 0) -> str:
    """A SELECT of (place, count, fingerprint) of one table without its children."""
    # Bare names: a column comes before a table of the same name, and an extension's condition may name the table.
    columns = ", ".join(identifier(column) for column in table.columns)
    return (
        f"SELECT {place} AS place, count(*), coalesce(sum({text_hash(f'ROW({columns})::text', encoding)}), 0)::text "  # noqa: S608
        f"FROM ONLY {_name(table)} {table.condition}"
    )


def text_hash(text: str, encoding: str) -> str:
    """The hash of a text expression, as a database in UTF-8 would give it.

    Exact for UTF-8, SQL_ASCII (bytes as they are) and the single-byte encodings. The multi-byte encodings of East
    Asia hash their own bytes: a copy in another encoding than theirs would not be found equal.
    """
    if encoding.startswith(_SINGLE_BYTE) and encoding not in _MULTI_BYTE_WIN:
        text = f"convert_from(convert_to({text}, 'UTF8'), 'SQL_ASCII')"
    return f'hashtextextended({text} COLLATE "C", 0)'


def _content(table: Relation, rows: int, fingerprint: str) -> TableContent:
    return TableContent(
        schema=table.schema,
        name=table.name,
        rows=rows,
        fingerprint=fingerprint,
        logged=table.logged,
        parents=table.parents,
    )


def _share(table: Relation) -> float:
    """How much of a batch the table takes."""
    locks = 1 + table.indexes
    return table.size_bytes / _BATCH_BYTES + len(table.columns) / _BATCH_COLUMNS + locks / _BATCH_LOCKS


def _together(queries: Iterable[str]) -> str:
    return "\nUNION ALL ".join(queries)


def _name(relation: Relation) -> str:
    return f"{identifier(relation.schema)}.{identifier(relation.name)}"
