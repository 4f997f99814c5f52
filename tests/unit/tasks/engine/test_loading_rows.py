"""When a COPY block becomes an INSERT, and which; what the server makes of it is asked in the integration tests."""

import pytest

from tasks.engine.dumpfile_reader import CopyBlock
from tasks.engine.loading_rows import PlainTables, insert_statement

_COPY = b"COPY public.t (a, b) FROM stdin;"
_INSERT = b"INSERT INTO public.t (a, b) OVERRIDING SYSTEM VALUE VALUES\n%s;"


@pytest.mark.parametrize(
    ("data", "values"),
    [
        (b"1\t2\n", b"('1','2')"),
        (b"1\t2\n3\t4\n", b"('1','2'),\n('3','4')"),
        (b"\t\n", b"('','')"),
        (b"\\N\t\\N\n", b"(NULL,NULL)"),
        (b"\\\\N\tN\n", b"('\\N','N')"),
        (b"NULL\t \\\\\n", b"('NULL',' \\')"),
        (b"it's\t''\n", b"('it''s','''''')"),
        (b"'\\\\N'\t'\n", b"('''\\N''','''')"),
        (b"\\b\\f\\n\\r\\t\\v\t\\\\n\n", b"('\b\f\n\r\t\v','\\n')"),
        (b"\\t\\n\t),(\n", b"('\t\n','),(')"),
        ("größe\t😀\n".encode(), "('größe','😀')".encode()),
        (b"\x01\x7f\t%s;--\n", b"('\x01\x7f','%s;--')"),
    ],
)
def test_each_field_becomes_a_literal_with_what_copy_reads(data: bytes, values: bytes) -> None:
    assert insert_statement(_COPY, data) == _INSERT.replace(b"%s", values)


@pytest.mark.parametrize(
    "field", [b"\\x41", b"\\101", b"\\.", b"a\\N", b"\\Na", b"'\\N'", b"\\a", b"\\'", b"\\", b"\r"]
)
def test_what_copy_alone_reads_is_left_to_it(field: bytes) -> None:
    assert insert_statement(_COPY, b"1\t%b\n" % field) is None
    assert insert_statement(_COPY, b"%b\t1\n" % field) is None


def test_rows_without_columns_are_left_to_copy() -> None:
    assert insert_statement(b"COPY public.t  FROM stdin;", b"\n\n") is None
    assert insert_statement(b'COPY public."t (x)"  FROM stdin;', b"\n\n") is None


def _block(text: bytes) -> CopyBlock:
    return CopyBlock(text=text, line=1, table=("", ""), data=iter(()), data_line=2)


@pytest.mark.parametrize(
    ("made", "copied", "plain"),
    [
        (b"CREATE TABLE public.t (\n    a integer\n);", _COPY, True),
        (b"CREATE UNLOGGED TABLE public.t (\n    a integer\n);", _COPY, True),
        (b"CREATE TABLE public.t OF public.kind (\n    a WITH OPTIONS NOT NULL\n);", _COPY, True),
        (b'CREATE TABLE "S p""c"."t, (x) " (\n);', b'COPY "S p""c"."t, (x) " ("a,b", "(") FROM stdin;', True),
        (b"CREATE TABLE public.tt (\n    a integer\n);", _COPY, False),
        (b"CREATE FOREIGN TABLE public.t (\n    a integer\n)\nSERVER s;", _COPY, False),
        (b"CREATE EXTENSION IF NOT EXISTS e WITH SCHEMA public;", _COPY, False),
        (b"CREATE VIEW public.t AS SELECT 1 AS a;", _COPY, False),
    ],
)
def test_only_a_table_that_the_dump_makes_is_known_to_store_what_is_inserted(
    made: bytes, copied: bytes, *, plain: bool
) -> None:
    tables = PlainTables()
    tables.note(made)
    assert tables.hold(_block(copied)) is plain


@pytest.mark.parametrize("begin", [b"CREATE", b"CREATE OR REPLACE"])
def test_behind_a_rule_no_table_is(begin: bytes) -> None:
    tables = PlainTables()
    tables.note(b"CREATE TABLE public.t (\n    a integer\n);")
    tables.note(begin + b" RULE r AS\n    ON INSERT TO public.t DO INSTEAD NOTHING;")
    assert not tables.hold(_block(_COPY))
