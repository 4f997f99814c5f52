"""Bringing single tables of a dump: what differs is written, row by row, and what is equal stays untouched.

The new rows come into a temporary table, by COPY or INSERT as in any load. Rows are the same when their text is: what
a dump holds is text. Each text must stand in the table once at most, so it needs a primary key.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace

from tasks.engine.dumpfile_reader import CopyBlock, Statement, TableName
from tasks.engine.dumpfile_rules import Kind
from tasks.engine.errors import LoadFailed
from tasks.engine.loading import Item
from tasks.engine.loading_rows import copy_columns

_DIFFER = b"""
CREATE TABLE pg_temp.rns_differ_%(number)d AS
    SELECT here.at AS old, brought.at AS new
    FROM (SELECT ctid AS at, ROW(%(columns)b)::text COLLATE "C" AS row FROM ONLY %(table)b) here
    FULL JOIN (SELECT ctid AS at, ROW(%(columns)b)::text COLLATE "C" AS row FROM pg_temp.rns_brought_%(number)d) brought
        ON here.row = brought.row
    WHERE here.at IS NULL OR brought.at IS NULL;
"""
_DELETE = b"""
DELETE FROM ONLY %(table)b WHERE ctid = ANY (ARRAY (
    SELECT old FROM pg_temp.rns_differ_%(number)d WHERE old IS NOT NULL));
"""
_INSERT = b"""
INSERT INTO %(table)b (%(columns)b) OVERRIDING SYSTEM VALUE
    SELECT %(columns)b FROM pg_temp.rns_brought_%(number)d WHERE ctid = ANY (ARRAY (
        SELECT new FROM pg_temp.rns_differ_%(number)d WHERE new IS NOT NULL));
"""
_BROUGHT = b"CREATE TABLE pg_temp.rns_brought_%(number)d AS SELECT %(columns)b FROM ONLY %(table)b WITH NO DATA;"


def only_tables(items: Iterator[Item], tables: Collection[TableName]) -> Iterator[Item]:
    """What a load sends in place of a dump's items, so that these tables hold just its rows. LoadFailed: it cannot."""
    in_preamble = True
    for number, item in enumerate(items):
        if isinstance(item, Statement) and item.kind is Kind.SETTING:
            if in_preamble:
                yield item
            continue
        in_preamble = False
        if isinstance(item, CopyBlock) and item.table in tables:
            yield from _table(item, number)


def _table(block: CopyBlock, number: int) -> Iterator[Item]:
    found = copy_columns(block.text)
    if found is None:
        raise LoadFailed(f"line {block.line} of the dump names no columns, so its table cannot be loaded alone")
    table, columns = found
    words: dict[bytes, bytes | int] = {b"table": table, b"columns": columns, b"number": number}
    into = b"COPY pg_temp.rns_brought_%d (%b) FROM stdin;" % (number, columns)
    yield _statement(_BROUGHT, words, block)
    yield replace(block, text=into)
    for template in (_DIFFER, _DELETE, _INSERT):
        yield _statement(template, words, block)


def _statement(template: bytes, words: dict[bytes, bytes | int], block: CopyBlock) -> Statement:
    return Statement(text=(template % words).strip(), line=block.line, kind=Kind.DEFINITION)
