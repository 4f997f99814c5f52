"""Runs that write only what differs, into the tables that stand there: nothing else of the copy is touched."""

import json
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from tests.support.command import command
from tests.support.held import held_at
from tests.support.installation import Installation, ask, installed, tell
from worker.demo.servers import PostgresServer, ValkeyServer

SCHEMA = """
    CREATE TABLE folders (id int PRIMARY KEY, parent int REFERENCES folders, name text);
    INSERT INTO folders VALUES (1, NULL, 'root'), (2, 1, 'a'), (3, 2, 'b'), (4, 2, 'c');
    CREATE TABLE files (
        id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, folder int NOT NULL REFERENCES folders ON DELETE CASCADE,
        size numeric, ratio float8, tags text[], extra jsonb, text json,
        twice numeric GENERATED ALWAYS AS (size * 2) STORED NOT NULL);
    INSERT INTO files (folder, size, ratio, tags, extra, text)
        SELECT 1 + n % 4, n, n / 7.0, ARRAY['x', NULL], '{"a": 1}', '{"a":  1}' FROM generate_series(1, 50) n;
    CREATE TABLE "Odd ""name" ("a col" text PRIMARY KEY, "select" text);
    INSERT INTO "Odd ""name" VALUES ('1', 'it''s'), ('2', E'tab\\tand\\\\');
    CREATE UNLOGGED TABLE scratch (id int PRIMARY KEY, note text); INSERT INTO scratch VALUES (1, 'x'), (2, 'y');
    CREATE TABLE parts (kind text, id int, PRIMARY KEY (kind, id)) PARTITION BY LIST (kind);
    CREATE TABLE parts_a PARTITION OF parts FOR VALUES IN ('a');
    CREATE TABLE parts_b PARTITION OF parts FOR VALUES IN ('b'); INSERT INTO parts VALUES ('a', 1), ('b', 2);
    CREATE TABLE base (id int PRIMARY KEY, v text); CREATE TABLE derived (w text, PRIMARY KEY (id)) INHERITS (base);
    INSERT INTO base VALUES (1, 'x'); INSERT INTO derived VALUES (2, 'y', 'z');
    CREATE TABLE heard (id serial PRIMARY KEY, what text);
    CREATE FUNCTION hear() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO heard (what) VALUES (tg_op); RETURN NULL; END $$;
    CREATE TRIGGER hearing AFTER INSERT OR DELETE ON folders FOR EACH ROW EXECUTE FUNCTION hear();
    CREATE RULE nothing AS ON INSERT TO "Odd ""name" DO ALSO INSERT INTO heard (what) VALUES ('rule');
    CREATE TABLE bare (v text); INSERT INTO bare VALUES ('x'), ('x');
    CREATE SEQUENCE numbers CACHE 5 INCREMENT 3; SELECT nextval('numbers');
    CREATE VIEW ones AS SELECT 1 AS one
"""


@pytest.fixture
def installation(
    source_server: PostgresServer, target_server: PostgresServer, valkey_server: ValkeyServer, tmp_path: Path
) -> Iterator[Installation]:
    with installed(source_server, target_server, valkey_server, tmp_path, CHANGED_TABLES_ONLY="true") as made:
        made.on_source(SCHEMA)
        made.copied()
        yield made


@pytest.fixture(scope="module")
def lasting(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    """With a copy, for tests that leave a right one behind."""
    home = tmp_path_factory.mktemp("changed")
    with installed(source_server, target_server, valkey_server, home, CHANGED_TABLES_ONLY="true") as made:
        made.on_source(SCHEMA)
        made.copied()
        yield made


CHANGES: tuple[tuple[str, dict[str, str]], ...] = (  # what is written, and what was changed for that, table by table
    (
        "9 tables and 1 sequence",  # a trigger writes to heard
        {
            "a row": "UPDATE users SET display_name = 'x' WHERE id = 3",
            "rows that others point to, and those": (
                "INSERT INTO folders VALUES (5, 1, 'new'); UPDATE files SET folder = 5 WHERE folder = 3; "
                "UPDATE folders SET parent = NULL WHERE id = 4; DELETE FROM folders WHERE id IN (2, 3)"
            ),
            "a key": "UPDATE ONLY base SET id = id + 1000",
            "names that need quotes": """INSERT INTO "Odd ""name" VALUES ('3', E'\\\\N'), ('4', NULL)""",
            "an unlogged table": "UPDATE scratch SET note = 'z' WHERE id = 2",
            "partitions": "DELETE FROM parts WHERE id = 1; INSERT INTO parts VALUES ('b', 7)",
        },
    ),
    (
        "3 tables and 0 sequences",
        {"all rows": "UPDATE files SET size = size + 1", "parent and child": "UPDATE base SET v = v || '!'"},
    ),
    (
        "1 table and 0 sequences",
        {
            "what only a value's text shows": (
                "UPDATE files SET size = size + 0.0, ratio = '-0', text = '{\"a\": 1}' "
                "WHERE id IN (SELECT id FROM files ORDER BY id LIMIT 4)"
            )
        },
    ),
    ("1 table and 0 sequences", {"no rows left": "DELETE FROM files"}),
    (
        "1 table and 1 sequence",
        {"rows again": "INSERT INTO files (folder, size) SELECT 1, n FROM generate_series(1, 3000) n"},
    ),
    (
        "0 tables and 3 sequences",
        {"sequences alone": "SELECT nextval('numbers'), nextval('files_id_seq'), setval('heard_id_seq', 1, false)"},
    ),
)
ORDER_ALONE = ("1 table and 0 sequences", {"the order of rows": "UPDATE folders SET name = name WHERE id = 1"})


def only_what_differs_is_written(
    installation: Installation, changes: Iterable[tuple[str, dict[str, str]]]
) -> Iterator[None]:
    """Run by run; that each finds no more to write shows that the one before left nothing, as the last run does."""
    before = installation.storage()
    for said, statements in changes:
        installation.on_source("; ".join(statements.values()))
        report = installation.copied()
        assert report["way"] == "changed_tables", (list(statements), report["way_reason"])
        assert installation.differences() == [], list(statements)
        assert installation.storage() == before, list(statements)
        assert json.loads(installation.comment() or "")["run_id"] == report["run_id"]
        restored = next(step for step in report["steps"] if step["name"] == "restore_target")
        assert f"only what differs was written ({said})" in restored["summary"], list(statements)
        yield
    assert installation.copied()["way"] == "unchanged"


def test_only_what_differs_is_written(lasting: Installation) -> None:
    for _ in only_what_differs_is_written(lasting, [*CHANGES, ORDER_ALONE]):
        pass


def test_a_load_goes_by_the_databases_settings_and_not_by_those_of_the_proof(
    lasting: Installation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The target is read in the same transaction before. With lc_monetary it would be wrong amounts of money."""
    lasting.on_target(f"ALTER DATABASE {lasting.target_name} SET bytea_output = 'escape'")
    script = tmp_path / "script.sql"
    script.write_text(
        "DO $$ BEGIN IF current_setting('bytea_output') <> 'escape' THEN RAISE 'the proof''s setting'; END IF; END $$"
    )
    monkeypatch.setenv("RNS_FAULT", f"filled=sql:{script}")
    for way, only in (("changed_tables", "true"), ("in_place", "false")):
        lasting.on_source(
            "UPDATE users SET display_name = display_name || '!' WHERE id = 3; SELECT nextval('users_id_seq')"
        )
        report = lasting.copied(CHANGED_TABLES_ONLY=only, RESTORE_METHOD="in_place")
        assert report["way"] == way, report["way_reason"]
    lasting.on_target(f"ALTER DATABASE {lasting.target_name} RESET bytea_output")


OBSTACLES = {
    "no primary key": ("INSERT INTO bare VALUES ('x')", "the table public.bare has no primary key"),
    "a column": ("ALTER TABLE bare ADD w int", "; the columns of a table come in another order"),
    "a default": ("ALTER TABLE scratch ALTER note SET DEFAULT 'x'", "not only rows and sequences changed"),
    "a view's text": ("CREATE OR REPLACE VIEW ones AS SELECT 2 AS one", "not only rows and sequences changed"),
    "a large object": ("SELECT lo_from_bytea(4711, 'x')", "not only rows and sequences changed"),
    "rows that hold against a constraint": (
        "INSERT INTO scratch VALUES (9, 'not valid'); "
        "ALTER TABLE scratch ADD CONSTRAINT short CHECK (note <> 'not valid') NOT VALID",
        "not only rows and sequences changed",
    ),
    "another such row's neighbour": ("INSERT INTO scratch VALUES (10, 'ten')", None),
    "that row itself": (
        "BEGIN; ALTER TABLE scratch DROP CONSTRAINT short; UPDATE scratch SET id = 11 WHERE id = 9; "
        "ALTER TABLE scratch ADD CONSTRAINT short CHECK (note <> 'not valid') NOT VALID; COMMIT",
        r'what differs could not be written: .* stopped within lines .*violates check constraint "short"',
    ),
    "a trigger for replication": (
        "ALTER TABLE folders ENABLE ALWAYS TRIGGER hearing",
        "not only rows and sequences changed",
    ),
    "rows of its table": (
        "UPDATE folders SET name = 'renamed' WHERE id = 1",
        "a trigger of the table public.folders fires also for what replication writes",
    ),
    "a rule for replication": ('ALTER TABLE "Odd ""name" ENABLE REPLICA RULE nothing', "not only rows and sequences"),
    "rows of that table": (
        """UPDATE "Odd ""name" SET "select" = 'x' """,
        'a rule of the table public."Odd ""name" acts also on what replication writes',
    ),
    "an index that cannot be analysed": (
        "CREATE FUNCTION picky(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN "
        "IF current_query() LIKE '%ANA' || 'LYZE%' THEN RAISE 'no statistics of this'; END IF; RETURN $1; END $$; "
        "CREATE INDEX ON scratch (picky(note))",
        "not only rows and sequences changed",
    ),
    "all rows of that table": (
        "UPDATE scratch SET note = note || ', again'",
        r"what differs could not be written: the target .* refused: no statistics of this",
    ),
}


def test_what_cannot_be_written_so_is_loaded_and_it_is_said_why(installation: Installation) -> None:
    """One after the other: some stand on those before."""
    for what, (statements, said) in OBSTACLES.items():
        installation.on_source(statements)
        report = installation.copied()
        assert report["way"] == ("changed_tables" if said is None else "swap"), what
        assert re.search(said or "since the last copy", report["way_reason"]), report["way_reason"]
        assert installation.differences() == [], what


def test_a_person_is_told_in_list_and_on_the_page(installation: Installation) -> None:
    installation.on_source("UPDATE users SET display_name = 'x' WHERE id = 3; SELECT nextval('users_id_seq')")
    report = installation.copied()
    restored = next(step for step in report["steps"] if step["name"] == "restore_target")
    said = "only what differs was written (1 table and 1 sequence), proved equal and published"
    assert restored["summary"] == said
    assert "succeeded, changed tables" in command(installation, "list").output
    command(installation, "status", "--html")
    [page] = installation.backup_dir.glob("status.html")
    assert "succeeded, only what differed was written" in page.read_text()


def test_it_is_done_only_by_setting_and_not_where_all_is_to_be_loaded(lasting: Installation) -> None:
    for others, way in (
        ({"CHANGED_TABLES_ONLY": "false"}, "swap"),
        ({"FULL_RUNS": "true"}, "swap"),
        ({}, "changed_tables"),
    ):
        lasting.on_source("UPDATE users SET display_name = display_name || 'x' WHERE id = 3")
        assert lasting.copied(**others)["way"] == way


def test_a_dump_whose_predecessor_is_gone_is_loaded(lasting: Installation, tmp_path: Path) -> None:
    for path in lasting.backup_dir.glob("source_db_backup_*"):
        path.rename(tmp_path / path.name)
    lasting.on_source("UPDATE users SET display_name = display_name || '-' WHERE id = 3")
    report = lasting.copied()
    for path in tmp_path.iterdir():
        path.rename(lasting.backup_dir / path.name)
    assert report["way"] == "swap"
    assert "the last dump's manifest is not there" in report["way_reason"]


def test_a_role_that_may_not_silence_triggers_loads_all_until_it_may(
    source_server: PostgresServer, target_server: PostgresServer, valkey_server: ValkeyServer, tmp_path: Path
) -> None:
    with installed(
        source_server, target_server, valkey_server, tmp_path, own_roles=True, CHANGED_TABLES_ONLY="true"
    ) as made:
        made.copied()
        made.on_source("UPDATE users SET display_name = 'x' WHERE id = 3")
        report = made.copied()
        assert report["way"] == "swap"
        assert "may not set session_replication_role" in report["way_reason"]
        assert made.roles is not None
        grant = "{} SET ON PARAMETER session_replication_role {} " + made.roles.name
        tell(target_server.dsn(), grant.format("GRANT", "TO"))
        try:
            made.on_source("UPDATE users SET display_name = 'y' WHERE id = 3; SELECT nextval('users_id_seq')")
            assert made.copied()["way"] == "changed_tables"
            assert made.differences() == []
        finally:
            tell(target_server.dsn(), grant.format("REVOKE", "FROM"))


def test_readers_go_on_until_the_very_end_and_then_see_the_new_rows(lasting: Installation) -> None:
    query = "SELECT display_name FROM users WHERE id = 3"
    [(old,)] = ask(lasting.target, query)
    lasting.on_source("UPDATE users SET display_name = 'new' WHERE id = 3; SELECT nextval('users_id_seq')")
    with closing(psycopg2.connect(lasting.target)) as reader, reader.cursor() as cursor:
        cursor.execute("SET lock_timeout = 1000")
        with held_at(lasting, "publish.before") as held:
            cursor.execute(query)
            assert cursor.fetchall() == [(old,)]
            cursor.execute("SELECT last_value FROM users_id_seq")
            reader.commit()
        cursor.execute(query)
        assert cursor.fetchall() == [("new",)]
    assert held.report["way"] == "changed_tables"


SOMEBODYS = {
    "its row": ("UPDATE users SET display_name = 'somebody' WHERE id = 4", "table public.users: some of its 57 rows"),
    "another table": ("INSERT INTO bare VALUES ('somebody')", "table public.bare had 2 rows and has 3"),
    "its sequence": ("SELECT setval('users_id_seq', 4711)", "sequence public.users_id_seq moved"),
    "another sequence": ("SELECT setval('numbers', 4711)", "sequence public.numbers moved"),
    "definitions": ("CREATE INDEX theirs ON bare (v)", "index public.theirs is new"),
}


_UNDO = """
    SELECT format('UPDATE users SET display_name = %L, updated_at = %L WHERE id = %s', display_name, updated_at, id)
    FROM users WHERE id IN (3, 4)
    UNION ALL SELECT format('SELECT setval(''users_id_seq'', %s, %L)', last_value, is_called) FROM users_id_seq
    UNION ALL SELECT format('SELECT setval(''numbers'', %s, %L)', last_value, is_called) FROM numbers
"""


@pytest.fixture
def undone(lasting: Installation) -> Iterator[Installation]:
    """What somebody and runs that were held have written is undone, so that both databases are as they were."""
    before = [statement for (statement,) in ask(lasting.target, _UNDO)]
    yield lasting
    undo = "; ".join(["SET session_replication_role = replica", *before])
    lasting.on_source(undo)
    lasting.on_target(f"{undo}; DELETE FROM bare WHERE v = 'somebody'; DROP INDEX IF EXISTS theirs")


@pytest.mark.parametrize("what", SOMEBODYS)
@pytest.mark.parametrize("instant", ["check_guards.done", "tables.locked", "publish.before", "publish.after"])
def test_what_somebody_writes_meanwhile_stays_and_holds_this_run_and_the_next(
    undone: Installation, instant: str, what: str
) -> None:
    statement, said = SOMEBODYS[what]
    locked = what.startswith("its") and instant in {"tables.locked", "publish.before"}
    proved = instant == "publish.before"
    mark = undone.comment()
    undone.on_source("UPDATE users SET display_name = 'new' WHERE id = 3; SELECT nextval('users_id_seq')")
    with held_at(undone, instant) as held, ThreadPoolExecutor(1) as pool:
        writing = pool.submit(undone.on_target, statement)
        if locked:  # until the COMMIT; then it is written
            assert wait([writing], timeout=1).not_done
            held.go_on()
        writing.result(60)
    report = held.report
    assert (report["outcome"], report["way"]) == ("held", "changed_tables"), report["error"]
    assert said.split(" had ")[0] in report["error"]
    for word in ("after its safety backup", "adopt", "promote"):
        assert word in report["error"]
    assert ("what this run brought" in report["error"]) == (locked or proved or instant == "publish.after")
    assert undone.comment() == mark
    assert undone.leftovers() == []
    after = undone.run_here()
    assert (after["outcome"], "was written to since" in after["error"]) == ("held", True)
    assert ask(undone.target, WRITTEN[what][0]) == [WRITTEN[what][1]]


WRITTEN = {
    "its row": ("SELECT display_name FROM users WHERE id = 4", ("somebody",)),
    "another table": ("SELECT count(*) FROM bare", (3,)),
    "its sequence": ("SELECT last_value FROM users_id_seq", (4711,)),
    "another sequence": ("SELECT last_value FROM numbers", (4711,)),
    "definitions": ("SELECT count(*) FROM pg_class WHERE relname = 'theirs'", (1,)),
}


@pytest.mark.parametrize(
    ("outcome", "instants"),
    [
        ("rolled_back", ["tables.locked", "loaded", "filled", "publish.before"]),
        ("succeeded", ["publish.after", "verify_target.begin", "finish.begin"]),
    ],
)
def test_a_run_that_fails_on_the_way_ends_true_and_the_next_one_works(
    lasting: Installation, monkeypatch: pytest.MonkeyPatch, outcome: str, instants: list[str]
) -> None:
    for instant in instants:
        before, mark = lasting.fingerprint(), lasting.comment()
        lasting.on_source(
            "UPDATE users SET display_name = display_name || '.' WHERE id = 3; SELECT nextval('users_id_seq')"
        )
        monkeypatch.setenv("RNS_FAULT", f"{instant}=raise")
        report = lasting.run_here()
        monkeypatch.delenv("RNS_FAULT")
        assert (report["outcome"], report["way"]) == (outcome, "changed_tables"), (instant, report["error"])
        assert (lasting.fingerprint() == before) == (outcome != "succeeded"), instant
        assert (lasting.comment() == mark) == (outcome != "succeeded"), instant
        assert lasting.leftovers() == []
        if outcome != "succeeded" or instant == instants[-1]:  # else the next one is the one that is to fail
            lasting.copied()
        assert lasting.differences() == [], instant
