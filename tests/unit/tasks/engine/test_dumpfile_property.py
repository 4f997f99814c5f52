"""Whatever stands in names, strings, bodies, comments and data, statements end where they were made to end."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.engine.dumpfile import inspect_dump
from tasks.engine.dumpfile_reader import CopyBlock, open_dump
from tests.unit.tasks.engine.dumpfile_texts import PREAMBLE, dump_text

# much of what a scanner could trip over, and little else, so that it meets
_PIECES = [
    *("'", '"', "$", "$$", "$a$", "\\", "\\.", ";", "\n", "\r", "\t", "--", "/*", "*/", "(", ")", "E", "e'", "U&'"),
    *(
        "BEGIN ATOMIC",
        "CASE",
        "END",
        "COMMIT;",
        "COPY t FROM stdin;",
        "\\N",
        "\\!",
        "%s",
        ":a",
        "a",
        "é",
        "\u2028",
        " ",
    ),
]
_TEXT = st.lists(st.sampled_from(_PIECES), max_size=12).map("".join)
_TAG = st.sampled_from(["", "a", "_1", "é", "begin"])


def _dollar_quoted(tag: str, text: str) -> str:
    while f"{text}${tag}$".index(f"${tag}$") < len(text):
        tag += "x"
    return f"${tag}${text}${tag}$"


_TOKENS = st.one_of(
    # Not bare: behind E'', a comment and a line end it would go that string on, and its backslashes with it.
    _TEXT.map(lambda text: "|| '" + text.replace("'", "''") + "'"),
    _TEXT.map(lambda text: "E'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"),
    _TEXT.map(lambda text: "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'\n '\\';'"),
    _TEXT.map(lambda text: '"' + text.replace('"', '""') + 'x"'),
    st.builds(_dollar_quoted, _TAG, _TEXT),
    _TEXT.map(lambda text: "/*" + text.replace("*", "").replace("/", "") + "/* ' */ ; */"),
    _TEXT.map(lambda text: "--" + text.replace("\n", "").replace("\r", "") + "\n"),
    st.sampled_from(["(a; b)", "((';'); c)", "x$y$z", "word", "1.5", "::", ",", "case", "end", "begin", "+"]),
)
_STATEMENT = st.lists(_TOKENS, max_size=8).map(lambda tokens: "CREATE VIEW v AS " + " ".join(tokens) + " ;")
_VALUE = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
_ROW = st.lists(_VALUE, min_size=3, max_size=3)
_ESCAPES = {"\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}


def _copy_row(row: list[str]) -> str:
    return "\t".join("".join(_ESCAPES.get(c, c) for c in value) for value in row) + "\n"


_ITEM = st.one_of(_STATEMENT, st.lists(_ROW | _TEXT.map(lambda text: [text, "", "\\."]), max_size=5))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dumps") / "dump.sql"


@given(items=st.lists(_ITEM, max_size=6))
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_statements_and_data_come_out_as_they_were_put_in(path: Path, items: list[str | list[list[str]]]) -> None:
    expected, body, rows = [], "", 0
    for item in items:
        if isinstance(item, str):
            expected.append(item.encode())
            body += f"{item}\n\n"
        else:
            data = "".join(map(_copy_row, item))
            expected.append(data.encode())
            body += f"COPY public.t (a, b, c) FROM stdin;\n{data}\\.\n\n"
            rows += len(item)
    path.write_bytes(dump_text(body.encode()))
    with open_dump(path) as dump:
        found = [b"".join(item.data) if isinstance(item, CopyBlock) else item.text for item in dump.items()]
    assert found[PREAMBLE.count(b";") :] == expected
    assert sum(inspect_dump(path).rows.values()) == rows
