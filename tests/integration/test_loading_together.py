"""Several sessions load what one would."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest

from config.urls import DatabaseUrl
from tasks.engine import dumpfile
from tasks.engine.dumpfile import DumpFacts, inspect_dump
from tasks.engine.errors import BackupError, DumpRefused, LoadFailed
from tests.conftest import execute
from tests.integration.loading_support import (
    NewDatabase,
    dump_text,
    dump_to,
    load_by_several,
    load_with_psql,
    server_of,
)
from tests.support import fidelity
from tests.support.installation import ask
from tests.support.workers import wait_until
from worker.demo.servers import PostgresServer

# Two tables that take a while each, keys and indexes on both, one pointing to the other.
LARGE = """
    CREATE TABLE a (id bigint PRIMARY KEY, code text NOT NULL UNIQUE, words text);
    CREATE TABLE b (id bigint PRIMARY KEY, a_id bigint NOT NULL REFERENCES a, words text);
    CREATE TABLE "Very small" (id serial PRIMARY KEY, name text);
    INSERT INTO a SELECT n, 'code' || n, repeat(md5(n::text), 4) FROM generate_series(1, 30000) n;
    INSERT INTO b SELECT n, 1 + n % 30000, repeat(md5(n::text), 4) FROM generate_series(1, 30000) n;
    INSERT INTO "Very small" (name) VALUES ('one');
    CREATE INDEX ON a (words); CREATE INDEX ON b (words); CREATE INDEX ON b (a_id);
    COMMENT ON INDEX a_pkey IS 'a comment';
    ALTER TABLE b CLUSTER ON b_a_id_idx;
    ANALYZE;
"""


@pytest.fixture
def all_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dumpfile, "LARGE_BLOCK_BYTES", 1)


@pytest.fixture
def large(source_server: PostgresServer, new_database: NewDatabase, tmp_path: Path) -> Path:
    database = new_database(source_server, "large")
    execute(source_server.dsn(database), LARGE)
    return dump_to(tmp_path / "dump.sql", source_server, database, "--no-owner", "-x")


@pytest.mark.usefixtures("all_are_large")
@pytest.mark.parametrize("sessions", [2, 4])
def test_everything_that_pg_dump_carries_comes_out_as_psql_loads_it(
    source_server: PostgresServer, new_database: NewDatabase, tmp_path: Path, sessions: int
) -> None:
    source, theirs, ours = (new_database(source_server, name) for name in ("source", "psql", "ours"))
    fidelity.fill(source_server.dsn(source))
    path = dump_to(tmp_path / "all.sql", source_server, source, "--no-owner", "-x")
    facts = inspect_dump(path)
    assert len(facts.large_blocks) == sum(1 for rows in facts.rows.values() if rows) > 20
    load_with_psql(source_server, theirs, path)
    summary = load_by_several(server_of(source_server, ours), path, facts, sessions=sessions)
    assert dump_text(source_server, ours) == dump_text(source_server, theirs)
    assert (summary.bytes, summary.statements) == (path.stat().st_size, facts.statements)
    assert summary.rows == sum(facts.rows.values())
    assert summary.tables == len(facts.large_blocks)


@pytest.mark.usefixtures("all_are_large")
def test_text_in_another_encoding_and_odd_names_come_out_as_psql_loads_them(
    source_server: PostgresServer, tmp_path: Path
) -> None:
    names = ["together_source", "together_psql", "together_ours"]
    for name in names:
        execute(source_server.dsn(), f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    try:
        execute(
            source_server.dsn(names[0]) + " client_encoding=UTF8",
            'CREATE TABLE "größe" ("ä;\'" text PRIMARY KEY); INSERT INTO "größe" VALUES (\'ß\'), (E\'\\\\.é\\t\');'
            'CREATE TABLE "a ON b USING c" (id int UNIQUE); INSERT INTO "a ON b USING c" VALUES (1);'
            'CREATE INDEX "ON public.größe USING" ON "a ON b USING c" (id); CREATE INDEX "ü ""q""" ON "größe" ((1));',
        )
        path = dump_to(tmp_path / "dump.sql", source_server, names[0])
        load_with_psql(source_server, names[1], path)
        load_by_several(server_of(source_server, names[2]), path, inspect_dump(path))
        assert dump_text(source_server, names[2]) == dump_text(source_server, names[1])
    finally:
        for name in names:
            execute(source_server.dsn(), f"DROP DATABASE {name} WITH (FORCE)")


def test_rows_keys_and_indexes_are_made_by_several_sessions_at_a_time(
    source_server: PostgresServer, new_database: NewDatabase, large: Path
) -> None:
    """Seen from outside: two sessions of the load are in the midst of the same kind of statement."""
    ours = new_database(source_server, "ours")
    with _watched(source_server, ours) as seen:
        load_by_several(server_of(source_server, ours), large, inspect_dump(large), sessions=2)
    together = [sorted(queries) for queries in seen if len(queries) == 2]
    assert any(all(query.startswith("COPY") for query in pair) for pair in together)
    assert any("INDEX" in "".join(pair) for pair in together)


def test_a_helper_that_cannot_be_opened_is_done_without(
    source_server: PostgresServer, new_database: NewDatabase, large: Path
) -> None:
    ours, role = new_database(source_server, "ours"), "together_alone"
    execute(source_server.dsn(), f"CREATE ROLE {role} LOGIN PASSWORD 'x' CONNECTION LIMIT 1")
    try:
        execute(source_server.dsn(), f'ALTER DATABASE "{ours}" OWNER TO {role}')
        url = DatabaseUrl.parse(f"postgresql://{role}:x@127.0.0.1:{source_server.port}/{ours}")
        alone = replace(server_of(source_server, ours), url=url, tries=1)
        load_by_several(alone, large, inspect_dump(large))
        assert ask(source_server.dsn(ours), "SELECT count(*) FROM b") == [(30000,)]
    finally:
        execute(source_server.dsn(ours), f"REASSIGN OWNED BY {role} TO postgres")
        execute(source_server.dsn(), f"DROP ROLE {role}")


@pytest.mark.parametrize("table", ["a", "b"])
def test_a_row_that_the_server_refuses_is_named_and_all_end(
    source_server: PostgresServer, new_database: NewDatabase, large: Path, table: str
) -> None:
    lines = large.read_bytes().split(b"\n")
    begin = next(n for n, line in enumerate(lines) if line.startswith(f"COPY public.{table} ".encode()))
    lines[begin + 20_000] = b"no number" + lines[begin + 20_000].partition(b"\t")[1] + b"x\ty"
    large.write_bytes(b"\n".join(lines))
    ours = new_database(source_server, "ours")
    with pytest.raises(LoadFailed, match=rf"line {begin + 20_001}\b.*{table}|{table}.*line {begin + 20_001}\b"):
        load_by_several(server_of(source_server, ours), large, inspect_dump(large))
    left = f"SELECT FROM pg_stat_activity WHERE datname = '{ours}'"
    wait_until(lambda: not ask(source_server.dsn(), left), "the server to end all sessions")


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ((b"\n2\tcode2\t", b"\n2\tcode1\t"), b"ALTER TABLE ONLY public.a\n    ADD CONSTRAINT a_code_key"),
        ((b"public.a(id)", b"public.a(ix)"), b"ALTER TABLE ONLY public.b\n    ADD CONSTRAINT b_a_id_fkey"),
    ],
    ids=["a key that the rows break", "a statement of the first session's"],
)
def test_a_statement_behind_large_blocks_is_named_with_its_line(
    source_server: PostgresServer,
    new_database: NewDatabase,
    large: Path,
    change: tuple[bytes, bytes],
    refused: bytes,
) -> None:
    text = large.read_bytes().replace(*change)
    large.write_bytes(text)
    line = text[: text.index(refused)].count(b"\n") + 1
    with pytest.raises(LoadFailed, match=rf"(?s)line {line}\b"):
        load_by_several(server_of(source_server, new_database(source_server, "ours")), large, inspect_dump(large))


@pytest.mark.parametrize(
    "damage",
    [(b"code777\t", b"code77x\t"), (b"\n1\tone\n", b"\n1\ttwo\n"), (b"a comment", b"A comment")],
    ids=["a row of a large table", "a row of a small one", "a statement"],
)
def test_a_dump_that_was_changed_since_it_was_examined_is_refused(
    source_server: PostgresServer, new_database: NewDatabase, large: Path, damage: tuple[bytes, bytes]
) -> None:
    facts = inspect_dump(large)
    text = large.read_bytes()
    assert damage[0] in text
    large.write_bytes(text.replace(*damage, 1))
    server = server_of(source_server, new_database(source_server, "ours"))
    with pytest.raises(DumpRefused, match="not the file that was examined"):
        load_by_several(server, large, facts)


@pytest.mark.parametrize("shift", [-1, 1, 10**9])
def test_a_place_that_is_wrong_is_noticed(
    source_server: PostgresServer, new_database: NewDatabase, large: Path, shift: int
) -> None:
    facts = inspect_dump(large)
    wrong = {name: (begin, end + shift) for name, (begin, end) in facts.large_blocks.items()}
    server = server_of(source_server, new_database(source_server, "ours"))
    with pytest.raises(BackupError, match=r"examined|dump"):
        load_by_several(server, large, replace(facts, large_blocks=wrong))


def test_the_progress_ends_with_the_files_size(
    source_server: PostgresServer, new_database: NewDatabase, large: Path
) -> None:
    told: list[int] = []
    server = server_of(source_server, new_database(source_server, "ours"))
    load_by_several(server, large, inspect_dump(large), progress=told.append)
    assert told == sorted(told)
    assert told[-1] == large.stat().st_size


def test_where_large_blocks_stand_is_what_the_file_holds_there(large: Path) -> None:
    facts: DumpFacts = inspect_dump(large)
    text = large.read_bytes()
    assert set(facts.large_blocks) == {'"public"."a"', '"public"."b"'}
    for begin, end in facts.large_blocks.values():
        assert text[:begin].endswith(b"FROM stdin;\n")
        assert text[begin:end].count(b"\n") == 30000
        assert text[end:].startswith(b"\\.\n")


@contextmanager
def _watched(server: PostgresServer, database: str) -> Iterator[list[list[str]]]:
    """What sessions in a database are at work on, looked at again and again."""
    seen: list[list[str]] = []
    over = threading.Event()

    def look() -> None:
        with closing(psycopg2.connect(server.dsn())) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            while not over.is_set():
                cursor.execute(
                    "SELECT query FROM pg_stat_activity WHERE datname = %s AND state = 'active' "
                    "AND backend_type = 'client backend'",
                    [database],
                )
                seen.append([query for (query,) in cursor.fetchall()])

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()
