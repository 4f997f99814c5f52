"""Where the rows belong in what pg_dump writes without them."""

import io

import pytest

from tasks.engine.rows.listing import LeftToPgDump, Listing
from tasks.engine.rows.place import Text

HEAD = b"--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\nSET statement_timeout = 0;\n\n"
TRAILER = b"--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict abc\n\n"


def entry(kind: str, name: str, statement: str = "", schema: str = "public") -> bytes:
    comment = f"--\n-- Name: {name}; Type: {kind}; Schema: {schema}; Owner: -\n--\n\n"
    return f"{comment}{statement or f'CREATE {kind} {name};'}\n\n\n".encode()


def text_of(dump: bytes, *created: tuple[bytes, bytes], server_major: int = 17) -> Text:
    listing = Listing(tables=(), sequences=(), views=(), created=frozenset(created))
    return Text(io.BytesIO(dump), listing, server_major=server_major)


T = (b"public", b"t")
TABLE = entry("TABLE", "t", "CREATE TABLE t (\n    a integer\n);")


@pytest.mark.parametrize(
    "behind", [entry("CONSTRAINT", "t_pkey"), entry("ACL", "TABLE t", "GRANT ALL;"), entry("BLOBS", "BLOBS"), b""]
)
def test_the_rows_stand_before_all_that_is_not_of_the_schema(behind: bytes) -> None:
    text = text_of(HEAD + TABLE + behind + TRAILER, T)
    assert b"".join(text.before()) == HEAD + TABLE
    assert text.found
    assert b"".join(text.rest()) == behind + TRAILER


BODIES = [
    f"CREATE FUNCTION f() AS $$\n{entry('INDEX', 'x').decode()}$$;",
    f"COMMENT ON TABLE t IS 'a\n\n{entry('INDEX', 'x').decode()}';",
    f"CREATE FUNCTION f() AS '\n{TRAILER.decode()}';",
    "CREATE FUNCTION f()\n    BEGIN ATOMIC\n SELECT 1;\n" + entry("INDEX", "x").decode() + " SELECT 2;\nEND;",
]


@pytest.mark.parametrize("body", BODIES)
def test_what_only_looks_like_a_comment_of_pg_dump_is_none(body: str) -> None:
    head = HEAD + TABLE + entry("FUNCTION", "f", body)
    text = text_of(head + entry("INDEX", "t_a_idx") + TRAILER, T)
    assert b"".join(text.before()) == head
    assert b"".join(text.rest()) == entry("INDEX", "t_a_idx") + TRAILER


def test_a_setting_that_the_server_does_not_know_is_left_out_and_no_line_of_a_body() -> None:
    line = "SET transaction_timeout = 0;\n"
    body = entry("FUNCTION", "f", f"CREATE FUNCTION f() AS $$\n{line}$$;")
    dump = HEAD + line.encode() + body + TRAILER
    assert b"".join(text_of(dump, server_major=16).before()) == HEAD + body
    assert b"".join(text_of(dump, server_major=17).before()) == HEAD + line.encode() + body


def test_a_text_that_ends_early_has_no_place_for_rows() -> None:
    text = text_of(HEAD + TABLE, T)
    assert b"".join(text.before()) == HEAD + TABLE
    assert not text.found


@pytest.mark.parametrize(
    ("dump", "created", "said"),
    [
        (entry("NOVELTY", "x") + TRAILER, (), "NOVELTY"),
        (entry("TABLE DATA", "t") + TRAILER, (), "TABLE DATA"),
        (entry("TABLE", "t; Type: INDEX") + TRAILER, (), "or a name in it"),
        (b"--\n-- Name: t; Kind: TABLE\n--\n", (), "is not understood"),
        (TABLE + TRAILER, (), "other tables or sequences"),
        (TABLE + entry("INDEX", "i"), (T, (b"public", b"u")), "other tables or sequences"),
        (entry("SEQUENCE", "t") + TRAILER, (), "other tables or sequences"),
        (b"SELECT 1 \\gexec;\n", (), "a backslash stands outside quotes"),
    ],
)
def test_what_is_not_understood_is_left_to_pg_dump(
    dump: bytes, created: tuple[tuple[bytes, bytes], ...], said: str
) -> None:
    with pytest.raises(LeftToPgDump, match=said):
        list(text_of(HEAD + dump, *created).before())


def test_a_name_of_two_lines_is_known_by_its_comment() -> None:
    text = text_of(HEAD + entry("TABLE", "a b") + TRAILER, (b"public", b"a\nb"))
    assert b"".join(text.before()) == HEAD + entry("TABLE", "a b")
