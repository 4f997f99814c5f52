"""What one pass over a dump finds."""

import hashlib
import tracemalloc
from collections.abc import Mapping
from pathlib import Path

import pytest

from tasks.engine.dumpfile import SequenceValue, inspect_dump, load_sha256
from tasks.engine.dumpfile_reader import CopyBlock, open_dump
from tasks.engine.dumpfile_rules import shown
from tasks.engine.dumpfile_source import BLOCK_BYTES
from tasks.engine.errors import DumpRefused
from tests.unit.tasks.engine.dumpfile_texts import (
    BODY_LINE,
    HEADER,
    PREAMBLE,
    TRAILER,
    USERS,
    WriteDump,
    dump_text,
)

_COPY = b"COPY public.t (a) FROM stdin;\n"


def _texts(path: Path) -> list[bytes]:
    with open_dump(path) as dump:
        return [item.text for item in dump.items()][PREAMBLE.count(b";") :]


def test_facts_are_the_files_size_and_hash_its_rows_sequences_and_statements(write_dump: WriteDump) -> None:
    path = write_dump(
        b"CREATE TABLE public.users (id integer);\n"
        + USERS
        + b"COPY other.empty (a) FROM stdin;\n\\.\n"
        + b"SELECT pg_catalog.setval('public.\"My ''Seq\"', 57, true);\n"
        + b"SELECT pg_catalog.setval('public.unused', -1, false);\n"
    )
    facts = inspect_dump(path)
    content = path.read_bytes()
    assert facts.size_bytes == len(content)
    assert facts.sha256 == hashlib.sha256(content).hexdigest()
    assert facts.rows == {("public", "users"): 2, ("other", "empty"): 0}
    assert facts.sequences == {
        ("public", "My 'Seq"): SequenceValue(last_value=57, is_called=True),
        ("public", "unused"): SequenceValue(last_value=-1, is_called=False),
    }
    assert facts.statements == 5 + 5


def test_what_a_load_sends_is_hashed_without_what_differs_in_each_dump(tmp_path: Path) -> None:
    def loaded(text: bytes) -> Mapping[str, str]:
        path = tmp_path / "dump.sql"
        path.write_bytes(text)
        return inspect_dump(path).load_parts

    body = b"CREATE TABLE public.users (id integer);\n" + USERS + b"SELECT pg_catalog.setval('public.s', 57, true);\n"
    text = dump_text(body)
    known = loaded(text)
    assert loaded(text.replace(b"abcDEF123", b"other").replace(b"by pg_dump version", b"by")) == known
    users = '"public"."users"'
    others = [
        (users, text.replace(b"2\tGrace", b"2\tAlan")),
        (users, text.replace(b"1\tAda\n2\tGrace\n", b"2\tGrace\n1\tAda\n")),
        (users, text.replace(b"2\tGrace\n", b"")),
        (users, text.replace(USERS, b"")),
        ("sequences", text.replace(b"57, true", b"57, false")),
        ("statements", text.replace(b"(id integer)", b"(id bigint)")),
    ]
    for part, other in others:
        found = loaded(other)
        assert {name for name in known.keys() | found.keys() if known.get(name) != found.get(name)} == {part}
    assert len({load_sha256(each) for each in (known, *(loaded(other) for _, other in others))}) == len(others) + 1


def test_names_are_unquoted(write_dump: WriteDump) -> None:
    path = write_dump(b'COPY "S p""c"."t, (x) FROM stdin;" ("a,b", "(") FROM stdin;\n1\t2\n\\.\n')
    assert inspect_dump(path).rows == {('S p"c', "t, (x) FROM stdin;"): 1}


def test_names_are_decoded_by_the_dumps_encoding(tmp_path: Path) -> None:
    path = tmp_path / "latin.sql"
    body = "COPY public.größe (ä) FROM stdin;\nß\n\\.\n".encode("latin-1")
    path.write_bytes(dump_text(body, preamble=PREAMBLE.replace(b"UTF8", b"LATIN1")))
    assert inspect_dump(path).rows == {("public", "größe"): 1}


def test_a_table_without_columns_has_a_row_for_each_empty_line(write_dump: WriteDump) -> None:
    assert inspect_dump(write_dump(b"COPY public.n  FROM stdin;\n\n\n\n\\.\n")).rows == {("public", "n"): 3}


def test_rows_of_a_table_with_two_blocks_are_added(write_dump: WriteDump) -> None:
    assert inspect_dump(write_dump(USERS + USERS)).rows == {("public", "users"): 4}


def test_progress_ends_with_the_files_size(write_dump: WriteDump) -> None:
    path = write_dump(b"COPY public.t (a) FROM stdin;\n" + b"x" * 99 + b"\n" + b"y\n" * 2_000_000 + b"\\.\n")
    seen: list[int] = []
    inspect_dump(path, progress=seen.append)
    assert len(seen) > 3
    assert seen == sorted(seen)
    assert seen[-1] == path.stat().st_size


@pytest.mark.parametrize(
    "statement",
    [
        b"COMMENT ON TABLE public.t IS 'it''s; -- /* \"\n\\.\n';",
        b"COMMENT ON TABLE public.t IS E'a\\'; \\\\';",
        b"COMMENT ON TABLE public.t IS E'a''; b\\';'\n   'and\\'; on';",
        b"CREATE VIEW v AS SELECT E'a' 'b\\';",
        b"COMMENT ON TABLE public.t IS U&'\\0041;';",
        b"CREATE FUNCTION f() RETURNS text AS $$ ; \\.\nCOPY x FROM stdin;\n $x$ ' \" $$;",
        b"CREATE FUNCTION f() RETURNS text AS $_a1$ ; $$ $_a $_a1 $_a1$;",
        "CREATE FUNCTION f() RETURNS text AS $é$ ; $e$ $é$;".encode(),
        b'CREATE TABLE "a;""b" (x$y$z integer, e integer);',
        b"CREATE RULE r AS ON INSERT TO a DO ALSO ( INSERT INTO b VALUES (');');\n NOTIFY x;\n);",
        b"CREATE VIEW v AS SELECT 1 -- ; ' no end\n, 2 /* ; ' /* ; */ ; */;",
        b"CREATE VIEW v AS SELECT 1E'a\\';', 2 +/* ; */ 3 -- it's\n;",
        b"CREATE FUNCTION f() RETURNS integer BEGIN ATOMIC\n SELECT CASE WHEN (true) THEN 1 END;\n SELECT v.begin"
        b"\n  FROM v;\nEND;",
        b"CREATE OR REPLACE PROCEDURE public.atomic() LANGUAGE sql BEGIN ATOMIC INSERT INTO b VALUES (1); END;",
        b"CREATE FUNCTION public.begin() RETURNS integer AS 'x';",
        b"CREATE FUNCTION public.f(x integer DEFAULT CASE WHEN true THEN 1 END) RETURNS integer AS 'x';",
    ],
)
def test_a_statement_ends_at_its_own_semicolon(write_dump: WriteDump, statement: bytes) -> None:
    following = b"CREATE TABLE public.next (a integer);"
    assert _texts(write_dump(statement + b"\n\n" + following + b" " + following + b"\n")) == [
        statement,
        following,
        following,
    ]


def test_without_standard_conforming_strings_a_backslash_escapes_in_every_string(tmp_path: Path) -> None:
    path = tmp_path / "old.sql"
    comment = b"COMMENT ON TABLE public.t IS 'a\\'; b\\\\';"
    path.write_bytes(dump_text(comment + b"\n", preamble=PREAMBLE.replace(b"strings = on", b"strings = off")))
    assert _texts(path) == [comment]


def test_without_standard_conforming_strings_the_backslash_of_a_sequences_name_is_doubled(tmp_path: Path) -> None:
    path = tmp_path / "old.sql"
    body = b"SELECT pg_catalog.setval('public.\"s\\\\x\"', 3, true);\n"
    path.write_bytes(dump_text(body, preamble=PREAMBLE.replace(b"strings = on", b"strings = off")))
    assert list(inspect_dump(path).sequences) == [("public", "s\\x")]


def test_a_statement_knows_the_line_where_it_begins_and_copy_that_of_its_data(write_dump: WriteDump) -> None:
    path = write_dump(
        b"\n-- a comment\nCREATE TABLE public.users (\n  id integer\n);\n\n" + USERS + b"ALTER TABLE x;\n"
    )
    with open_dump(path) as dump:
        items = list(dump.items())[-3:]
    assert [item.line - BODY_LINE for item in items] == [2, 6, 11]
    assert isinstance(items[1], CopyBlock)
    assert items[1].data_line == items[1].line + 1


def test_copy_data_comes_as_it_stands_in_the_file(write_dump: WriteDump) -> None:
    data = b"\\\\.\t\\N\n" + "é\t\\\\\n".encode() * 400_000 + b"\\\\.\t.\n" + b"\t\n"
    path = write_dump(b"COPY public.t (a, b) FROM stdin;\n" + data + b"\\.\n")
    with open_dump(path) as dump:
        blocks = [list(item.data) for item in dump.items() if isinstance(item, CopyBlock)]
    assert len(blocks[0]) > 1
    assert b"".join(blocks[0]) == data


@pytest.mark.parametrize("cut", range(-2, 6))
@pytest.mark.parametrize("rows", [b"", b"a\n", "é\n".encode()])
def test_the_end_of_data_is_found_on_every_border_of_a_read(tmp_path: Path, cut: int, rows: bytes) -> None:
    start = HEADER + PREAMBLE
    comment = b"--".ljust(BLOCK_BYTES - len(start) - len(rows) - len(_COPY) - cut - 1, b"-") + b"\n"
    path = tmp_path / "border.sql"
    path.write_bytes(start + comment + _COPY + rows + b"\\.\n" + b"CREATE TABLE public.behind (a integer);\n" + TRAILER)
    with open_dump(path) as dump:
        items = [b"".join(item.data) if isinstance(item, CopyBlock) else item.text for item in dump.items()]
    assert items[-2:] == [rows, b"CREATE TABLE public.behind (a integer);"]


def test_a_gigantic_row_is_read_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "wide.sql"
    with path.open("wb") as file:
        file.write(HEADER + PREAMBLE + _COPY)
        for _ in range(64):
            file.write(b"x" * (1 << 20))
        file.write(b"\n\\.\n" + TRAILER)
    tracemalloc.start()
    facts = inspect_dump(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert facts.rows == {("public", "t"): 1}
    assert peak < 8 << 20


def test_a_gigantic_statement_is_refused_instead_of_held_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.sql"
    with path.open("wb") as file:
        file.write(HEADER + PREAMBLE + b"COMMENT ON TABLE public.t IS '")
        for _ in range(65):
            file.write(b"x" * (1 << 20))
        file.write(b"';\n" + TRAILER)
    with pytest.raises(DumpRefused, match=f"^line {BODY_LINE} .* longer than 64 MB"):
        inspect_dump(path)


def test_a_statement_is_shown_shortened_harmless_and_without_its_literals() -> None:
    assert shown(b"CREATE SUBSCRIPTION s CONNECTION 'password=secret';") == "CREATE SUBSCRIPTION s CONNECTION '..."
    assert shown(b"CREATE TABLE \x1b[2J\x07\xe2\x80\xae (\n a integer);") == "CREATE TABLE \\x1b[2J\\x07\\x202e ("
    assert len(shown(b"CREATE TABLE " + b"x" * 500)) == 200
