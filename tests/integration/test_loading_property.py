"""Whatever names, bodies, comments and values a database holds, our loader and psql make the same of its dump."""

import itertools
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg2.sql import SQL, Identifier, Literal

from tests.conftest import execute
from tests.integration.loading_support import dump_text, dump_to, load, load_with_psql
from worker.demo.servers import PostgresServer

_PIECES = [
    *("'", '"', "$", "$$", "$_$", "$function$", "\\", "\\.", "\n\\.\n", ";", "\n", "\r", "\t", "--", "/*", "*/"),
    *(
        "(",
        ")",
        "E'",
        "BEGIN ATOMIC",
        "END;",
        "COMMIT;",
        "COPY t FROM stdin;\n",
        "\\N",
        "\n\\! true\n",
        "%s",
        "a",
        "é",
        "€",
    ),
]
_TEXT = st.lists(st.sampled_from(_PIECES), max_size=9).map("".join) | st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20
)
_SHORT = _TEXT.map(lambda text: text.encode()[:40].decode(errors="ignore"))
_NAME = st.builds("{}{}".format, _SHORT, st.integers(0, 10**9))
_TABLE = st.tuples(_NAME, _NAME, _TEXT, st.lists(_TEXT | st.none(), max_size=4))
_numbers = itertools.count(1)


def _make_table(
    cursor: psycopg2.extensions.cursor, name: str, column: str, text: str, values: list[str | None]
) -> None:
    parts = {"table": Identifier(name), "column": Identifier(column), "text": Literal(text)}
    for statement in (
        "CREATE TABLE {table} ({column} text DEFAULT {text})",
        "COMMENT ON TABLE {table} IS {text}",
        "CREATE VIEW {view} AS SELECT {column}, {text}::text AS x FROM {table} WHERE {column} <> {text}",
        "CREATE FUNCTION {function}() RETURNS text LANGUAGE sql AS {text}",
        "CREATE FUNCTION {atomic}() RETURNS text BEGIN ATOMIC SELECT {column} FROM {table} WHERE {column} = {text}; "
        "SELECT CASE {text}::text WHEN {column} THEN {text} END FROM {table}; END",
    ):
        made = {kind: Identifier(f"{kind} {name}") for kind in ("view", "function", "atomic")}
        cursor.execute(SQL(statement).format(**parts, **made))
    for value in values:
        cursor.execute(SQL("INSERT INTO {table} VALUES ({value})").format(**parts, value=Literal(value)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dumps")


@given(tables=st.lists(_TABLE, min_size=6, max_size=10, unique_by=lambda table: table[0]), autocommit=st.booleans())
# no shrinking: each example takes a second
@settings(
    max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate]
)
def test_a_generated_database_comes_out_as_psql_loads_it(
    source_server: PostgresServer,
    folder: Path,
    tables: list[tuple[str, str, str, list[str | None]]],
    *,
    autocommit: bool,
) -> None:
    names = [f"generated_{role}_{next(_numbers)}" for role in ("source", "psql", "ours")]
    for name in names:
        execute(source_server.dsn(), f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY file_copy")
    try:
        with closing(psycopg2.connect(source_server.dsn(names[0]))) as connection, connection.cursor() as cursor:
            cursor.execute("SET check_function_bodies = off")
            for table in tables:
                _make_table(cursor, *table)
            connection.commit()
        path = dump_to(folder / "dump.sql", source_server, names[0])
        load_with_psql(source_server, names[1], path)
        load(source_server, names[2], path, autocommit=autocommit)
        assert dump_text(source_server, names[2]) == dump_text(source_server, names[1])
    finally:
        for name in names:
            execute(source_server.dsn(), f"DROP DATABASE {name} WITH (FORCE)")
