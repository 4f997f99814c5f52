"""The guards against real databases: what must not be overwritten is not, and the message says what lifts it."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2
import pytest
import redis

from tasks.engine import stewardship
from tasks.engine.connections import Server
from tasks.engine.watch import Watch
from tasks.pipeline import run_here
from tests.support import oracle
from tests.support.installation import CHANGES, Installation, ask, installed
from tests.support.kept_state import KeptState, kept_state
from worker.demo.servers import PostgresServer, ValkeyServer

Install = Callable[..., Installation]

# The second is spelt in other words as soon as it is restored.
DEFINITIONS = """
    CREATE VIEW ones AS SELECT 1 AS one; CREATE TABLE kinds (kind varchar(9) CHECK (kind IN ('a', 'b')));
"""


@pytest.fixture
def empty(
    source_server: PostgresServer, target_server: PostgresServer, valkey_server: ValkeyServer, tmp_path: Path
) -> Iterator[Installation]:
    """Before its first copy."""
    with installed(source_server, target_server, valkey_server, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def first_copy(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[KeptState]:
    home = tmp_path_factory.mktemp("guards")
    with installed(source_server, target_server, valkey_server, home / "now") as made:
        made.on_source(DEFINITIONS)
        made.copied()
        with kept_state(made, source=True) as kept:
            yield kept


@pytest.fixture
def installation(first_copy: KeptState) -> Installation:
    """As after its first copy, whatever the test before did."""
    return first_copy.put_back()


def server_of(installation: Installation) -> Server:
    url = installation.settings().target
    return Server(role="target", url=url, application_name="test", watch=Watch("test", 60))


def adopt(installation: Installation) -> None:
    stewardship.adopt(server_of(installation), now=datetime.now(UTC))


def demand_held(installation: Installation, report: dict[str, Any], *words: str) -> None:
    assert report["outcome"] == "held", report["error"]
    assert [word for word in words if word not in report["error"]] == []
    assert installation.leftovers() == []


def may_write(dsn: str) -> bool:
    with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        try:
            cursor.execute("DELETE FROM users WHERE false")
        except psycopg2.errors.ReadOnlySqlTransaction:
            return False
        return True


def test_a_first_run_against_somebodys_database_is_held_once_and_adopt_lifts_it(empty: Installation) -> None:
    empty.on_target("CREATE TABLE theirs (id int); INSERT INTO theirs VALUES (1), (2)")
    before = empty.fingerprint()
    report = empty.run_here()
    demand_held(empty, report, "1 table with 2 rows", "no mark of ours (public.theirs 2)")
    assert report["error"].count("railway-neon-sync adopt") == 1
    assert empty.fingerprint() == before
    adopt(empty)
    empty.on_target("INSERT INTO theirs VALUES (3)")
    demand_held(empty, empty.run_here(), "since it was adopted on", "now public.theirs 3")
    adopt(empty)
    assert empty.run_here()["outcome"] == "succeeded"
    assert empty.differences() == []
    assert empty.run_here()["outcome"] == "succeeded"


@pytest.mark.parametrize(
    ("write", "named"),
    [
        ("UPDATE users SET email = 'written@example.org' WHERE id = 1", "table public.users: some of its 57 rows"),
        ("CREATE TABLE notes (id int)", "table public.notes is new, with 0 rows"),
        ("SELECT nextval('users_id_seq')", "sequence public.users_id_seq moved from 57 to 58"),
        (
            "CREATE OR REPLACE VIEW ones AS SELECT 2 AS one",
            "view query public.ones: SELECT 2 AS one, expected SELECT 1",
        ),
        (
            "ALTER TABLE kinds DROP CONSTRAINT kinds_kind_check; "
            "ALTER TABLE kinds ADD CONSTRAINT kinds_kind_check CHECK (kind IN ('a', 'c'))",
            "constraint expression public.kinds.kinds_kind_check",
        ),
    ],
    ids=["a row", "a table", "a sequence", "a view", "a check"],
)
def test_a_copy_that_somebody_wrote_to_is_held_and_what_was_written_is_named(
    installation: Installation, write: str, named: str
) -> None:
    installation.on_target(write)
    before = installation.fingerprint()
    demand_held(installation, installation.run_here(), "was written to since the copy of", named, "adopt", "promote")
    assert installation.fingerprint() == before


def test_definitions_that_are_the_sources_in_other_words_are_nobodys_write(
    installation: Installation, method: str
) -> None:
    """As after an upgrade of the server: what the journal has of their text says nothing then."""
    assert installation.copied(RESTORE_METHOD=method, FULL_RUNS="true")["way"] == method
    assert installation.copied(RESTORE_METHOD=method)["way"] == "unchanged"
    journal = installation.means(lock=False).journal
    for record in journal.runs():
        journal.keep(record.run_id, definitions="of another version")
    assert installation.copied(RESTORE_METHOD=method)["way"] == "unchanged"


def test_a_promoted_copy_is_never_overwritten_not_even_by_an_installation_without_memory(
    installation: Installation, tmp_path: Path
) -> None:
    stewardship.promote(server_of(installation), now=datetime.now(UTC))
    installation.on_target("DELETE FROM transactions WHERE id = 1")
    before = installation.fingerprint()
    demand_held(installation, installation.run_here(), "production", "adopt")
    elsewhere = {"BACKUP_DIR": str(tmp_path / "another host")}
    assert installation.run_here(**elsewhere)["outcome"] == "held"
    assert installation.fingerprint() == before
    adopt(installation)
    assert installation.run_here()["outcome"] == "succeeded"


def test_promote_needs_the_targets_url_alone_and_says_what_a_person_needs_to_know(
    installation: Installation, tmp_path: Path
) -> None:
    """Neon, Redis, journal and volume are gone; the schedule stays frozen, since that stands in the mark."""
    assert installation.run_here(COPY_READ_ONLY="true")["outcome"] == "succeeded"
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "RAILWAY_BACKUP_DB_URL": installation.target_url}
    command = [sys.executable, "-m", "worker", "promote"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    port, name = installation.target_server.port, installation.target_name
    assert f"host 127.0.0.1, port {port}, database {name}" in done.stdout
    assert re.search(r"\(0\.0 hours old\), copied by run [0-9a-f-]{36}", done.stdout)
    assert "every scheduled run ends as held: that is expected, and not a fault" in done.stdout
    assert "alarms about runs and an old copy rest until then, a failed rollback's does not" in done.stdout
    assert "to come back: " in done.stdout
    assert done.stdout.count("railway-neon-sync adopt") == 1
    assert installation.target_server.password not in done.stdout + done.stderr
    assert quote(installation.target_server.password, safe="") not in done.stdout + done.stderr
    assert may_write(installation.target)
    shutil.rmtree(installation.backup_dir)
    with redis.Redis(port=installation.valkey.port, db=installation.valkey_number) as client:
        client.flushdb()
    report = run_here(installation.means())
    demand_held(installation, report, f"database {name} was promoted on", "adopt")


@pytest.mark.parametrize(
    ("destroy", "words"),
    [
        ("TRUNCATE users, escrows, wallets, transactions CASCADE", ("users (57 rows", "transactions (234 rows")),
        ("DROP TABLE transactions CASCADE", ("transactions (234 rows in the backup, none in the source)",)),
        ("TRUNCATE transactions CASCADE", ("transactions (234 rows", "all tables together")),
        (
            "DELETE FROM transactions WHERE id > 1; TRUNCATE audit.sign_ins",
            ("the copy would shrink: all tables", "(public.transactions 234 to 1, audit.sign_ins 80 to 0)"),
        ),
    ],
    ids=["emptied", "a statistics table dropped", "one of them emptied", "more than half of the rows gone"],
)
def test_a_source_that_lost_its_data_does_not_overwrite_the_last_copy(
    installation: Installation, destroy: str, words: tuple[str, ...]
) -> None:
    before = installation.fingerprint()
    installation.on_source(destroy)
    report = installation.run_here()
    demand_held(installation, report, *words, f"railway-neon-sync run --accept-shrink {report['run_id']}")
    assert installation.fingerprint() == before


def test_an_accepted_loss_is_copied_and_does_not_accept_a_larger_one(installation: Installation) -> None:
    installation.on_source("TRUNCATE transactions CASCADE")
    held = installation.run_here()
    installation.on_source("TRUNCATE users CASCADE")
    report = run_here(installation.means(lock=False), accept_shrink=held["run_id"])
    demand_held(installation, report, "users (57 rows", f"more than run {held['run_id']} showed")
    accepted = run_here(installation.means(lock=False), accept_shrink=report["run_id"])
    assert accepted["outcome"] == "succeeded", accepted["error"]
    assert installation.differences() == []


def test_a_run_that_is_not_known_accepts_nothing_and_that_is_said(installation: Installation) -> None:
    said = "nothing was accepted: no run 20251124 that would have shrunk the copy is known here"
    report = run_here(installation.means(lock=False), accept_shrink="20251124")
    assert (report["outcome"], said in report["warnings"]) == ("succeeded", True)
    installation.on_source("TRUNCATE transactions CASCADE")
    report = run_here(installation.means(lock=False), accept_shrink="20251124")
    demand_held(installation, report, "transactions (234 rows")
    assert said in report["warnings"]
    assert "more than run" not in report["error"]


def test_the_shrink_guard_needs_no_journal_nor_does_what_lifts_it(installation: Installation, tmp_path: Path) -> None:
    """It compares with what would be overwritten, so it works after adopt, on a new host, without any memory."""
    adopt(installation)
    installation.on_source("TRUNCATE users, escrows, wallets, transactions CASCADE")
    new_host = replace(installation, home=tmp_path / "new host")
    new_host.home.mkdir()
    report = new_host.run_here()
    demand_held(new_host, report, "users (57 rows")
    _, _, typed = report["error"].rpartition("railway-neon-sync ")
    command = [sys.executable, "-m", "worker", *typed.split(), "--here", "--json"]
    done = subprocess.run(
        command, env=new_host.environment, cwd=new_host.home, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert new_host.differences() == []


def test_source_and_target_swapped_by_mistake_overwrite_nothing(empty: Installation) -> None:
    """Before the first copy. Production has data and no mark: guard 1 stands before it."""
    production = empty.source
    before = ask(production, "SELECT count(*) FROM users")
    url, backup = empty.environment["DATABASE_URL"], empty.environment["RAILWAY_BACKUP_DB_URL"]
    report = empty.run_here(DATABASE_URL=backup, RAILWAY_BACKUP_DB_URL=url)
    assert report["outcome"] == "held"
    assert f"the backup database {empty.source_name} holds" in report["error"]
    assert "no mark of ours" in report["error"]
    assert ask(production, "SELECT count(*) FROM users") == before


def test_a_copy_that_is_called_source_is_held_at_once_and_both_urls_are_named(installation: Installation) -> None:
    """After a copy its mark tells more: of which database it is one."""
    installation.copied()
    production = oracle.fingerprint(installation.source)
    url, backup = installation.environment["DATABASE_URL"], installation.environment["RAILWAY_BACKUP_DB_URL"]
    report = installation.run_here(DATABASE_URL=backup, RAILWAY_BACKUP_DB_URL=url)
    demand_held(installation, report, "a copy of the very database", "they are swapped", "railway-neon-sync promote")
    assert [step["name"] for step in report["steps"]] == ["verify_connections"]
    assert oracle.fingerprint(installation.source) == production
    # The old production is gone for good, and the copy was made production by hand: then it may be copied itself.
    elsewhere = {"DATABASE_URL": backup, "RAILWAY_BACKUP_DB_URL": installation.target_server.url("postgres")}
    assert "perhaps they are swapped" in installation.run_here(**elsewhere)["error"]


def test_a_promoted_copy_may_be_the_source_of_the_next_one(
    installation: Installation, new_database: Callable[[PostgresServer, str], str]
) -> None:
    stewardship.promote(server_of(installation), now=datetime.now(UTC))
    next_home = installation.source_server.url(new_database(installation.source_server, "next"))
    settings = {"DATABASE_URL": installation.target_url, "RAILWAY_BACKUP_DB_URL": next_home}
    report = installation.run_here(**settings)
    assert (report["outcome"], report["backup_stats"]["users"]) == ("succeeded", 57), report["error"]


@pytest.mark.parametrize("spelt", ["localhost", "127.1", "127.0.0.01"])
def test_the_same_database_under_two_spellings_is_refused(installation: Installation, spelt: str) -> None:
    """What the settings themselves cannot see."""
    same = installation.environment["DATABASE_URL"].replace("127.0.0.1", spelt)
    report = installation.run_here(RAILWAY_BACKUP_DB_URL=same)
    assert report["outcome"] == "failed"
    assert "are the same database" in report["error"]


def test_a_read_only_copy_refuses_ordinary_writes_until_it_is_promoted(installation: Installation, method: str) -> None:
    settings = {"RESTORE_METHOD": method, "COPY_READ_ONLY": "true"}
    assert installation.run_here(**settings, FULL_RUNS="true")["outcome"] == "succeeded"
    assert not may_write(installation.target)
    installation.on_source(CHANGES)
    assert installation.run_here(**settings)["outcome"] == "succeeded"
    assert installation.differences() == []
    stewardship.promote(server_of(installation), now=datetime.now(UTC))
    assert may_write(installation.target)


def test_a_copy_is_writable_again_when_the_setting_is_taken_back(installation: Installation, method: str) -> None:
    assert installation.run_here(RESTORE_METHOD=method, COPY_READ_ONLY="true", FULL_RUNS="true")["way"] == method
    assert not may_write(installation.target)
    assert installation.run_here(RESTORE_METHOD=method)["outcome"] == "succeeded"
    assert may_write(installation.target)


def test_somebody_elses_read_only_default_is_left_alone(installation: Installation, method: str) -> None:
    name = installation.target_name
    installation.on_target(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    assert installation.run_here(RESTORE_METHOD=method)["way"] == "unchanged"
    assert not may_write(installation.target)
    assert installation.run_here(RESTORE_METHOD=method, FULL_RUNS="true")["way"] == method
    assert not may_write(installation.target)
