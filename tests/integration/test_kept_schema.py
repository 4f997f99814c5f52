"""The schema's text of the last proved dump: when it serves, when pg_dump is asked, and what a wrong one comes to."""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyrage
import pytest
from sqlalchemy.engine import Connection

from tasks.engine import dumping
from tasks.engine.content.session import run
from tasks.engine.kept_schema import CATALOGS, catalogs_digest
from tests.conftest import execute
from tests.integration.content_support import Database, session
from tests.integration.test_content_mutations import FOLDER, mutations
from tests.integration.test_unchanged import everything_logged
from tests.support import fidelity
from tests.support.installation import Installation, installed, tell
from tests.support.mutations import MUTATIONS
from worker.demo.servers import PostgresServer, ValkeyServer, find_postgres

_CHANCE = re.compile(rb"^\\(?:un)?restrict ([A-Za-z0-9]+)\n", re.MULTILINE)
_ROWS_ONLY = re.compile(r"\s*(INSERT|UPDATE (?!pg_)|DELETE|TRUNCATE|WITH|SELECT (nextval|setval))\b")
UPKEEP = (
    "ANALYZE",
    "VACUUM",
    "VACUUM FULL alike.users",
    "REINDEX TABLE alike.orders",
    "CHECKPOINT",
    "TRUNCATE alike.watched",
    "UPDATE alike.orders SET total = total + 1",
    "SELECT nextval('alike.counter')",
)


@pytest.fixture
def installation(
    source_server: PostgresServer, target_server: PostgresServer, valkey_server: ValkeyServer, tmp_path: Path
) -> Iterator[Installation]:
    with installed(source_server, target_server, valkey_server, tmp_path, own_roles=True) as made:
        made.copied()
        yield made


@pytest.fixture
def by_superusers(
    source_server: PostgresServer, target_server: PostgresServer, valkey_server: ValkeyServer, tmp_path: Path
) -> Iterator[Installation]:
    with installed(source_server, target_server, valkey_server, tmp_path) as made:
        made.copied()
        yield made


def dump_of(installation: Installation, report: dict[str, Any]) -> Path:
    return installation.backup_dir / str(report["source_dump"]["file"])


def way_of(report: dict[str, Any]) -> str:
    return str(report["dump_ways"][report["source_dump"]["file"]])


def by_pg_dump(installation: Installation, *options: str) -> bytes:
    """What pg_dump writes of the source; with none of its chance words."""
    command = [find_postgres().tool("pg_dump"), "--no-subscriptions", "--no-tablespaces", *options, installation.source]
    return _CHANCE.sub(b"", subprocess.run(command, capture_output=True, check=True).stdout)


WITHOUT_OWNERS = ("--no-owner", "--no-privileges")


def test_a_second_dump_has_the_first_ones_schema_and_is_what_pg_dump_writes(installation: Installation) -> None:
    installation.on_source("UPDATE users SET display_name = 'another' WHERE id = 3; SELECT nextval('users_id_seq')")
    first = max(installation.backup_dir.glob("source_db_backup_*.sql"))
    report = installation.copied()
    text = dump_of(installation, report).read_bytes()
    assert way_of(report) == f"rows by COPY, the schema of {first.name}"
    assert _CHANCE.sub(b"", text) == by_pg_dump(installation, *WITHOUT_OWNERS)
    assert installation.differences() == []
    words = [_CHANCE.findall(each) for each in (text, first.read_bytes())]
    assert [len(each) for each in words] in ([2, 2], [0, 0])
    assert not set(words[0]) & set(words[1])  # and nobody who has seen the one knows the other
    third = installation.copied()
    assert way_of(third) == f"rows by COPY, the schema of {report['source_dump']['file']}"
    assert third["way"] == "unchanged"


def test_everything_that_pg_dump_carries_is_kept_word_by_word(
    source_server: PostgresServer, target_server: PostgresServer, valkey_server: ValkeyServer, tmp_path: Path
) -> None:
    with installed(source_server, target_server, valkey_server, tmp_path, application=False) as installation:
        fidelity.fill(installation.source)
        installation.on_source("SELECT lo_unlink(oid) FROM pg_largeobject_metadata")
        installation.copied()
        for row in MUTATIONS:
            if row.noticed[0].startswith("content: rows of") and not row.statement.startswith("ALTER"):
                installation.on_source(row.statement)
        report = installation.copied()
        assert "the schema of" in way_of(report)
        assert _CHANCE.sub(b"", dump_of(installation, report).read_bytes()) == by_pg_dump(installation, *WITHOUT_OWNERS)
        assert installation.differences() == []


def test_only_tables_whose_text_is_another_one_are_read_a_second_time(installation: Installation) -> None:
    installation.on_source("UPDATE wallets SET address = 'another' WHERE id = 5")
    with everything_logged(installation.source_server) as logged:
        report = installation.copied()
    counted = set(re.findall(r"SELECT count\(\*\), [^\n]*?FROM ONLY \"public\"\.\"(\w+)\"", logged()))
    assert counted == {"wallets", "escrows"}  # whose fee is computed and stored: COPY does not write it
    assert installation.differences() == []
    assert installation.copied()["way"] == "unchanged"
    assert report["source_dump"]["rows"] == report["safety_dump"]["rows"]


@pytest.mark.parametrize("form", ["packed", "with owners"])
def test_a_packed_dump_and_one_with_owners_serve_too(by_superusers: Installation, form: str) -> None:
    settings = {"DUMP_COMPRESSION": "zstd"} if form == "packed" else {"KEEP_OWNERS": "true"}
    by_superusers.on_source("GRANT SELECT ON users TO pg_monitor")
    first = by_superusers.copied(**settings)
    report = by_superusers.copied(**settings)
    assert way_of(report) == f"rows by COPY, the schema of {first['source_dump']['file']}"
    assert report["way"] == "unchanged"
    assert report["source_dump"]["load_sha256"] == first["source_dump"]["load_sha256"]


# What comes between two runs, the settings of the second, and why pg_dump is asked.
ASKED: dict[str, tuple[Callable[[Installation], object], dict[str, str], str]] = {
    "a definition": (lambda it: it.on_source("ALTER TABLE users ADD note text"), {}, "a definition, a role or a right"),
    "a comment": (lambda it: it.on_source("COMMENT ON TABLE users IS 'x'"), {}, "a definition, a role or a right"),
    "a large object": (lambda it: it.on_source("SELECT lo_create(0)"), {}, "a definition, a role or a right"),
    "by setting": (lambda _: None, {"FULL_RUNS": "true"}, "FULL_RUNS asks for it"),
    "owners": (lambda _: None, {"KEEP_OWNERS": "true"}, "KEEP_OWNERS is not what it was at the last run"),
    "a word of the schema": (
        lambda it: edit(it, b"CREATE TABLE public.users", b"CREATE TABLE public.USERS"),
        {},
        "was changed",
    ),
    "a line less": (lambda it: edit(it, b"-- PostgreSQL database dump complete\n", b""), {}, "must not be loaded"),
    "no file": (lambda it: newest(it).unlink(), {}, "cannot be read (No such file or directory)"),
    "no manifest": (lambda it: newest(it, ".manifest.json").unlink(), {}, "cannot be read"),
    "another manifest": (lambda it: edit(it, b'"run_id": "', b'"run_id": "x', ".manifest.json"), {}, "exchanged"),
    "other hashes": (
        lambda it: edit(it, b'"statements": "', b'"statements": "x', ".manifest.json"),
        {},
        "the manifest of source_db_backup",
    ),
}


def newest(installation: Installation, suffix: str = ".sql") -> Path:
    return max(installation.backup_dir.glob(f"source_db_backup_*{suffix}"))


def edit(installation: Installation, old: bytes, new: bytes, suffix: str = ".sql") -> None:
    path = newest(installation, suffix)
    text = path.read_bytes()
    assert text.count(old) == 1, text.count(old)
    path.write_bytes(text.replace(old, new))


@pytest.mark.parametrize("what", ASKED)
def test_pg_dump_is_asked_again_where_its_text_may_be_another_one(
    by_superusers: Installation, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    before, settings, why = ASKED[what]
    before(by_superusers)
    with caplog.at_level("INFO"):
        report = by_superusers.copied(**settings)
    assert way_of(report) in {"rows by COPY", "all by pg_dump"}
    [told] = [record.getMessage() for record in caplog.records if record.getMessage().startswith("pg_dump is asked")]
    assert why in told
    assert by_superusers.differences() == []


def test_an_encrypted_dump_is_closed_to_the_next_run(
    installation: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    settings = {"ENCRYPT_TO": str(pyrage.x25519.Identity.generate().to_public())}
    installation.copied(**settings)
    with caplog.at_level("INFO"):
        assert way_of(installation.copied(**settings)) == "rows by COPY"
    assert "pg_dump is asked for the schema: the last dump is encrypted" in caplog.text


def test_a_schema_that_is_wrong_in_spite_of_all_is_not_published_and_asked_for_by_the_next_run(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = installation.fingerprint()
    with monkeypatch.context() as blind:
        blind.setattr(dumping, "catalogs_digest", lambda *_: "the same for ever")
        installation.copied(FULL_RUNS="true")
        before = installation.fingerprint()
        installation.on_source("ALTER TABLE users ALTER country SET DEFAULT 'XX'")
        report = installation.run_here()
        assert (report["outcome"], "the schema of" in way_of(report)) == ("rolled_back", True)
        assert "country" in report["error"]
        assert installation.fingerprint() == before
        assert way_of(installation.copied()) == "rows by COPY"
    assert installation.differences() == []


@pytest.fixture(scope="module")
def catalogs(source_server: PostgresServer) -> Iterator[Connection]:
    """A session in a database that holds one of everything but large objects."""
    database = Database(source_server, "kept_schema")
    execute(source_server.dsn(), f"CREATE DATABASE {database.name} TEMPLATE template0")
    database.execute((FOLDER / "content_schema.sql").read_text())
    database.execute("SELECT lo_unlink(oid) FROM pg_largeobject_metadata")
    with session(database.dsn) as opened:
        yield opened.connection
    execute(source_server.dsn(), f"DROP DATABASE {database.name} WITH (FORCE)")


def digest_after(connection: Connection, statements: str) -> str | None:
    """While these have been run in a transaction, which is then rolled back."""
    try:
        if statements:
            run(connection, statements)
        return catalogs_digest(connection, run(connection, CATALOGS).scalar_one())
    finally:
        connection.rollback()


@pytest.mark.parametrize(
    ("named", "statements"),
    [
        (named, statements)
        for named, statements in mutations("content_mutations.sql") + mutations("content_mutations_privileges.sql")
        if "lo_" not in statements
    ],
)
def test_the_catalogs_differ_after_every_change_of_a_definition_and_after_none_of_rows(
    catalogs: Connection, named: str, statements: str
) -> None:
    same = digest_after(catalogs, statements) == digest_after(catalogs, "")
    assert same == bool(_ROWS_ONLY.match(statements) or statements.endswith("alike.kept;")), named


@pytest.mark.parametrize("statement", UPKEEP)
def test_upkeep_and_rows_leave_the_catalogs_as_they_were(
    catalogs: Connection, source_server: PostgresServer, statement: str
) -> None:
    before = digest_after(catalogs, "")
    tell(source_server.dsn("kept_schema"), statement)
    assert digest_after(catalogs, "") == before


def test_a_role_that_comes_and_a_large_object_make_a_difference(catalogs: Connection) -> None:
    before = digest_after(catalogs, "")
    assert digest_after(catalogs, "CREATE ROLE kept_schema_role") != before
    assert digest_after(catalogs, "SELECT lo_create(0)") is None
    assert before is not None
    assert digest_after(catalogs, "") == before
