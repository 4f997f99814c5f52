"""Damaged and hostile dumps: each is refused in one sentence that says where and what."""

import random
from contextlib import suppress
from pathlib import Path

import pytest

from tasks.engine.dumpfile import inspect_dump
from tasks.engine.dumpfile_source import BLOCK_BYTES
from tasks.engine.errors import DumpRefused
from tests.unit.tasks.engine.dumpfile_texts import BODY_LINE, HEADER, PREAMBLE, TRAILER, USERS, WriteDump, dump_text

_BODY = (
    b"CREATE TABLE public.users (\n    id integer,\n    \"full name\" text DEFAULT 'x;'::text\n);\n\n"
    + b"CREATE FUNCTION public.f() RETURNS text AS $_$ it's; \\. $_$;\n\n"
    + USERS
    + b"SELECT pg_catalog.setval('public.s', 7, true);\n\nCREATE INDEX i ON public.users USING btree (id);\n\n"
)


def _refusal(path: Path) -> str:
    with pytest.raises(DumpRefused) as refused:
        inspect_dump(path)
    message = str(refused.value)
    assert message.isprintable()
    assert path.name in message
    assert "make a new" in message
    return message


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "No such file" in _refusal(tmp_path / "missing.sql")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (bytes(20_000), "line 1 "),
        (b"PGDMP\x01\x0e\x00" + TRAILER, "line 1 "),
        (b"--\n-- PostgreSQL database cluster dump\n--\n" + TRAILER, "line 1 "),
        (b"\xef\xbb\xbf" + dump_text(b""), "line 1 "),
        (HEADER + PREAMBLE + _BODY, "database dump complete"),
        (dump_text(_BODY) + b"DROP TABLE public.users;\n", "database dump complete"),
        (dump_text(_BODY) + b"\\! true\n", "database dump complete"),
        (dump_text(_BODY).replace(b"\\unrestrict abcDEF123", b"\\unrestrict `true`"), "database dump complete"),
        (dump_text(_BODY) + dump_text(_BODY), "something stands behind the trailer"),
        (dump_text(_BODY, preamble=PREAMBLE.replace(b"UTF8", b"SJIS")), "SJIS cannot be read safely"),
    ],
)
def test_a_file_that_is_not_one_whole_plain_dump_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "dump.sql"
    path.write_bytes(content)
    assert said in _refusal(path)


def test_a_dump_that_is_cut_off_is_refused_wherever_it_was_cut(tmp_path: Path) -> None:
    whole = dump_text(_BODY)
    path = tmp_path / "cut.sql"
    needed = whole.rindex(b"--\n", 0, len(whole) - 30) + 3  # \unrestrict may be missing: old releases write none
    for length in range(needed):
        path.write_bytes(whole[:length])
        _refusal(path)


def test_a_dump_with_a_hole_is_refused_or_another_file_by_its_hash(tmp_path: Path) -> None:
    whole = dump_text(_BODY)
    path = tmp_path / "hole.sql"
    path.write_bytes(whole)
    sha256 = inspect_dump(path).sha256
    refused = 0
    for start in range(len(HEADER + PREAMBLE), len(whole) - len(TRAILER)):
        path.write_bytes(whole[:start] + whole[start + 30 :])
        try:
            assert inspect_dump(path).sha256 != sha256
        except DumpRefused:
            refused += 1
    assert refused > 100


def test_a_flipped_byte_is_refused_or_another_file_by_its_hash(tmp_path: Path) -> None:
    whole = dump_text(_BODY)
    path = tmp_path / "flipped.sql"
    path.write_bytes(whole)
    sha256 = inspect_dump(path).sha256
    chance = random.Random(20251122)  # noqa: S311 - a seed, so that a failure can be seen again
    for _ in range(500):
        at = chance.randrange(len(whole))
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << chance.randrange(8)]) + whole[at + 1 :])
        with suppress(DumpRefused):
            assert inspect_dump(path).sha256 != sha256


@pytest.mark.parametrize(
    "line",
    [
        b"\\! rm -rf /",
        b"\\connect postgres",
        b"\\copy public.users from 'x'",
        b"\\i other.sql",
        b"\\restrict abc`true`",
        b"\\unrestrict abc; \\! true",
        b"\\unrestrict abc def",
        b"\\unrestrict",
        b"\\.",
        b"CREATE TABLE x (a integer \\! true\n);",
        b"CREATE TABLE x (a integer); \\! true",
        b" \\! true",
        b"\\unrestrict a\rb",
    ],
)
def test_a_command_of_psql_outside_data_is_refused(write_dump: WriteDump, line: bytes) -> None:
    assert f"line {BODY_LINE + USERS.count(10)} " in _refusal(write_dump(USERS + line + b"\n"))


@pytest.mark.parametrize(
    "statement",
    [
        b"COMMIT;",
        b"commit ;",
        b"BEGIN;",
        b"BEGIN;\nCOMMIT;\nCOMMIT;",
        b"BEGIN;\nCREATE TABLE x (a integer);\nCOMMIT;",
        b"BEGIN;\n" + USERS + b"COMMIT;",
        b"SELECT pg_catalog.lo_open('1', 131072);",
        b"ROLLBACK;",
        b"START TRANSACTION;",
        b"END;",
        b"ABORT;",
        b"SAVEPOINT s;",
        b"RELEASE s;",
        b"PREPARE TRANSACTION 'x';",
        b"/* */ COMMIT;",
        b"-- a comment\rCOMMIT;",
        b"CREATE TABLE x (a integer); COMMIT;",
        b"CREATE FUNCTION f() RETURNS integer BEGIN ATOMIC SELECT 1 AS case; END; COMMIT; SELECT END;",
        b"CREATE FUNCTION begin() RETURNS integer AS 'x'; COMMIT;",
        b"COMMENT ON TABLE t IS 'a\\'; COMMIT; --';",
        b"COMMENT ON TABLE t IS E'a'; COMMIT; --';",
        b"COMMENT ON TABLE t IS $a$ $b$ $a$; COMMIT; --$b$;",
    ],
)
def test_transaction_control_is_refused_except_around_large_objects(write_dump: WriteDump, statement: bytes) -> None:
    _refusal(write_dump(statement + b"\n"))


def test_the_content_of_large_objects_may_stand_between_begin_and_commit(write_dump: WriteDump) -> None:
    path = write_dump(
        b"SELECT pg_catalog.lo_create('16399');\n\nBEGIN;\n\nSELECT pg_catalog.lo_open('16399', 131072);\n"
        b"SELECT pg_catalog.lowrite(0, '\\x00ff');\nSELECT pg_catalog.lo_close(0);\n\nCOMMIT;\n\n"
    )
    assert inspect_dump(path).statements == 5 + 6


@pytest.mark.parametrize(
    "statement",
    [
        b"DROP TABLE public.users;",
        b"TRUNCATE public.users;",
        b"INSERT INTO public.users VALUES (1);",
        b"UPDATE pg_catalog.pg_class SET relname = 'x';",
        b"DELETE FROM public.users;",
        b"DO $$ BEGIN END $$;",
        b"CALL p();",
        b"VACUUM;",
        b"LOCK TABLE public.users;",
        b"SET ROLE postgres;",
        b"SET search_path = public;",
        b"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY;",
        b"RESET ALL;",
        b"SET standard_conforming_strings = off;",
        b"SET client_encoding = 'UTF8';",
        b"SELECT pg_catalog.set_config('standard_conforming_strings', 'off', false);",
        b"SELECT pg_catalog.set_config('search_path', '', false), pg_catalog.pg_terminate_backend(1);",
        b"SELECT pg_catalog.setval('public.s', 1, true), pg_catalog.lo_unlink(1);",
        b"SELECT pg_sleep(1);",
        b"CREATE DATABASE x;",
        b"ALTER DATABASE x RENAME TO y;",
        b"COMMENT ON DATABASE x IS 'the mark';",
        b"SECURITY LABEL FOR p ON DATABASE x IS 'y';",
        b"GRANT CONNECT ON DATABASE x TO y;",
        b"GRANT owner TO attacker;",
        b"CREATE ROLE x;",
        b"CREATE USER x;",
        b"ALTER USER x SUPERUSER;",
        b"ALTER SYSTEM SET port = 1;",
        b"CREATE TABLESPACE x LOCATION '/';",
        b"COPY public.users FROM PROGRAM 'true';",
        b"COPY public.users FROM '/etc/passwd';",
        b"COPY public.users (id) TO stdout;",
        b"COPY public.users (id) FROM stdin WITH (FORMAT binary);",
        b"COPY public.users (id) FROM stdin; CREATE SCHEMA t;\n\\.",
    ],
)
def test_a_statement_that_pg_dump_does_not_write_is_refused(write_dump: WriteDump, statement: bytes) -> None:
    assert f"line {BODY_LINE + 1} " in _refusal(write_dump(b"CREATE SCHEMA s;\n" + statement + b"\n"))


@pytest.mark.parametrize(
    "statement",
    [
        b"CREATE USER MAPPING FOR x SERVER y OPTIONS (\n    password 'z'\n);",
        b'GRANT SELECT(" ON DATABASE ",id) ON TABLE public.users TO reader;',
        b"GRANT USAGE ON FOREIGN DATA WRAPPER w TO reader;",
        b'SET SESSION AUTHORIZATION "Some; one";',
        b"RESET SESSION AUTHORIZATION;",
        b"ALTER DEFAULT PRIVILEGES FOR ROLE owner IN SCHEMA public GRANT SELECT ON TABLES  TO reader;",
        b"COMMENT ON COLUMN public.users.id IS ' ON DATABASE ';",
        b"CREATE TABLE public.database (id integer);",
        b"REVOKE ALL ON SCHEMA public FROM PUBLIC;",
        b"SELECT pg_catalog.set_config('search_path', 'public, pg_temp', false);",
        b"SET default_table_access_method = heap;",
        b"SELECT * FROM pg_catalog.pg_restore_relation_stats(\n\t'version', '180000'::integer\n);",
    ],
)
def test_a_rare_statement_of_pg_dump_is_not_refused(write_dump: WriteDump, statement: bytes) -> None:
    assert inspect_dump(write_dump(statement + b"\n")).statements == 5 + 1


@pytest.mark.parametrize(
    ("data", "line", "columns"),
    [(b"1\tx\n2\n", 2, "1"), (b"1\tx\ty\n", 1, "3"), (b"1\tx\n\n2\tx\n", 2, "1"), (b"1\n2\tx\ty\n", 1, "1")],
)
def test_a_row_with_another_number_of_columns_is_refused(
    write_dump: WriteDump, data: bytes, line: int, columns: str
) -> None:
    message = _refusal(write_dump(b"COPY public.t (a, b) FROM stdin;\n" + data + b"\\.\n"))
    assert f"line {BODY_LINE + line} " in message
    assert f"a row has {columns} columns and not the 2" in message


def test_a_wrong_row_is_found_behind_two_million_right_ones(write_dump: WriteDump) -> None:
    data = b"1\tx\n" * 1_000_000 + b"1\n" + b"1\tx\n" * 1_000_000
    message = _refusal(write_dump(b"COPY public.t (a, b) FROM stdin;\n" + data + b"\\.\n"))
    assert f"line {BODY_LINE + 1_000_001} " in message


def test_a_row_in_a_table_without_columns_is_refused(write_dump: WriteDump) -> None:
    assert f"line {BODY_LINE + 2} " in _refusal(write_dump(b"COPY public.t  FROM stdin;\n\nx\n\\.\n"))


@pytest.mark.parametrize("where", [b"CREATE TABLE public.t%s (\n);\n", b"COPY public.t (a) FROM stdin;\n%s\n\\.\n"])
@pytest.mark.parametrize("bad", [b"\0", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf"])
def test_bytes_that_are_no_text_are_refused_with_their_line(write_dump: WriteDump, where: bytes, bad: bytes) -> None:
    row = where.partition(b"%s")[0].count(10)
    assert f"line {BODY_LINE + row} " in _refusal(write_dump(where.replace(b"%s", bad)))


def test_a_character_that_is_cut_by_the_border_of_a_read_is_valid(write_dump: WriteDump) -> None:
    for shift in range(3):
        rows = b"x" * shift + "€".encode() * (1 << 19) + b"\n"
        assert inspect_dump(write_dump(b"COPY public.t (a) FROM stdin;\n" + rows + b"\\.\n")).rows == {
            ("public", "t"): 1
        }


def test_half_a_character_before_the_border_of_a_read_is_refused(write_dump: WriteDump) -> None:
    copy = b"COPY public.t (a) FROM stdin;\n"
    rows = b"x" * (BLOCK_BYTES - len(HEADER + PREAMBLE + copy) - 1) + b"\xc3" + b"xyz\n"
    assert "are not UTF-8" in _refusal(write_dump(copy + rows + b"\\.\n"))


def test_bytes_of_another_encoding_are_not_refused(tmp_path: Path) -> None:
    path = tmp_path / "latin.sql"
    path.write_bytes(dump_text(USERS.replace(b"Ada", b"\xc4da"), preamble=PREAMBLE.replace(b"UTF8", b"SQL_ASCII")))
    assert inspect_dump(path).rows == {("public", "users"): 2}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"COMMENT ON TABLE t IS 'it;\n", "a string is not ended"),
        (b"COMMENT ON TABLE t IS E'it\\';\n", "a string is not ended"),
        (b'CREATE TABLE "t;\n', "a quoted name is not ended"),
        (b"CREATE FUNCTION f() AS $x$ ; $y$;\n", "a string quoted with $x$ is not ended"),
        (b"/* /* */\n", "a comment is not ended"),
        (b"CREATE TABLE t (;\n", "a statement is not ended"),
        (b"CREATE FUNCTION f() BEGIN ATOMIC SELECT 1;\n", "a statement is not ended"),
        (b"CREATE TABLE t ()\n", "a statement is not ended"),
    ],
)
def test_what_is_opened_and_never_ended_is_refused_with_the_line_of_its_begin(
    write_dump: WriteDump, body: bytes, said: str
) -> None:
    message = _refusal(write_dump(b"CREATE SCHEMA s;\n" + body))
    assert said in message
    assert f"line {BODY_LINE + 1} " in message


def test_a_copy_block_that_is_not_ended_is_refused(write_dump: WriteDump) -> None:
    message = _refusal(write_dump(b"COPY public.dump (a) FROM stdin;\nx\n"))
    assert "within the data of a COPY block" in message
