"""Writes to the backup database while a run replaces it: nothing that somebody wrote is lost, whenever it was."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import psycopg2
import pytest

from tasks.engine import stewardship
from tasks.engine.errors import BackupError
from tests.support.held import held_at
from tests.support.installation import CHANGES, Installation, ask, installed, tell
from tests.support.kept_state import KeptState, kept_state
from tests.support.workers import gate, wait_for_gate, wait_until
from worker.demo.servers import PostgresServer, ValkeyServer

WRITE = (
    "INSERT INTO audit.sign_ins (user_id, at, address, user_agent) "
    "VALUES (1, clock_timestamp(), '10.0.0.1', 'written {number}')"
)
Decision = Callable[..., Any]
WRITTEN = "SELECT user_agent FROM audit.sign_ins WHERE user_agent LIKE 'written %'"


@pytest.fixture(scope="module")
def first_copy(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[KeptState]:
    home = tmp_path_factory.mktemp("late")
    with installed(source_server, target_server, valkey_server, home / "now", CHANGED_TABLES_ONLY="false") as made:
        made.on_source("CREATE VIEW ones AS SELECT 1 AS one")
        made.copied()
        made.on_source(CHANGES)
        with kept_state(made, source=False) as kept:
            yield kept


@pytest.fixture
def installation(first_copy: KeptState) -> Installation:
    """As after its first copy, with its source changed since, whatever the test before did to target and files."""
    return first_copy.put_back()


def still_there(installation: Installation) -> set[str]:
    """What was written, as far as the target or a kept file has it."""
    kept = "".join(path.read_text() for path in installation.backup_dir.glob("backup_rejected_*.sql"))
    lines = {word for line in kept.splitlines() for word in line.split("\t") if word.startswith("written ")}
    return lines | {text for (text,) in ask(installation.target, WRITTEN)}


@contextmanager
def writer(installation: Installation) -> Iterator[list[str]]:
    """Somebody who writes all the time and connects again; gives what the server has acknowledged."""
    acknowledged: list[str] = []
    over = threading.Event()

    def write() -> None:
        while not over.is_set():
            with (
                suppress(psycopg2.Error),
                closing(psycopg2.connect(installation.target)) as connection,
                connection.cursor() as cursor,
            ):
                connection.autocommit = True
                while not over.wait(0.002):
                    cursor.execute(WRITE.format(number=len(acknowledged)))
                    acknowledged.append(f"written {len(acknowledged)}")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield acknowledged
    finally:
        over.set()
        thread.join()


def test_a_write_after_the_guard_was_judged_is_not_overwritten(installation: Installation, method: str) -> None:
    with held_at(installation, "check_guards.done", RESTORE_METHOD=method) as held:
        installation.on_target(WRITE.format(number=1))
    assert held.report["outcome"] == "held", held.report["error"]
    assert "table audit.sign_ins had " in held.report["error"]
    assert still_there(installation) == {"written 1"}
    assert ask(installation.target, WRITTEN) == [("written 1",)]
    assert installation.leftovers() == []


def test_a_view_that_somebody_writes_after_the_safety_backup_is_not_overwritten(
    installation: Installation, method: str
) -> None:
    """Its text is not in the content digest, and this is the last that is seen of it."""
    with held_at(installation, "check_guards.done", RESTORE_METHOD=method) as held:
        installation.on_target("CREATE OR REPLACE VIEW ones AS SELECT 2 AS one")
    assert held.report["outcome"] == "held", held.report["error"]
    assert "(definitions only)" in held.report["error"]
    assert ask(installation.target, "SELECT one FROM ones") == [(2,)]
    assert installation.leftovers() == []


def test_a_right_that_somebody_gives_after_the_safety_backup_is_not_lost(
    installation: Installation, method: str
) -> None:
    with held_at(installation, "check_guards.done", RESTORE_METHOD=method) as held:
        installation.on_target("GRANT SELECT ON users TO pg_monitor")
    assert held.report["outcome"] == "held", held.report["error"]
    assert "(owners and privileges)" in held.report["error"]
    assert ask(installation.target, "SELECT has_table_privilege('pg_monitor', 'users', 'SELECT')") == [(True,)]
    assert installation.leftovers() == []


SET_FOR_DATABASE = (
    "ALTER DATABASE {name} SET statement_timeout = '7s'",
    "ALTER ROLE postgres IN DATABASE {name} SET work_mem = '7MB'",
    "ALTER DATABASE {name} CONNECTION LIMIT 7",
    "REVOKE CONNECT ON DATABASE {name} FROM public",
)


@pytest.mark.parametrize(
    ("method", "statements"), [*(("swap", (each,)) for each in SET_FOR_DATABASE), ("in_place", SET_FOR_DATABASE)]
)
def test_what_somebody_sets_for_the_database_after_the_safety_backup_is_not_lost(
    installation: Installation, method: str, statements: tuple[str, ...]
) -> None:
    """in_place keeps the database, and what was set for it."""
    own = f"""
        SELECT datconnlimit, datacl::text, (SELECT array_agg(setconfig::text ORDER BY setrole)
            FROM pg_db_role_setting WHERE setdatabase = d.oid)
        FROM pg_database d WHERE datname = '{installation.target_name}'
    """
    wanted = [ask(installation.target, own)]
    with held_at(installation, "check_guards.done", RESTORE_METHOD=method) as held:
        for statement in statements:
            installation.on_target(statement.format(name=installation.target_name))
            wanted.append(ask(installation.target, own))
            assert wanted[-1] != wanted[-2]
    assert ask(installation.target, own) == wanted[-1]
    assert held.report["outcome"] == ("held" if method == "swap" else "succeeded"), held.report["error"]
    if method == "swap":
        assert "(the database's own settings, owner or rights)" in held.report["error"]
    assert installation.leftovers() == []


def test_a_right_stays_where_only_what_differs_is_written(installation: Installation) -> None:
    with held_at(installation, "check_guards.done", CHANGED_TABLES_ONLY="true") as held:
        installation.on_target("GRANT SELECT ON users TO pg_monitor")
    assert (held.report["outcome"], held.report["way"]) == ("succeeded", "changed_tables")
    assert ask(installation.target, "SELECT has_table_privilege('pg_monitor', 'users', 'SELECT')") == [(True,)]


def test_nothing_is_lost_of_what_is_written_before_during_and_after_publishing(
    installation: Installation, method: str
) -> None:
    """With swap the writer reaches the old database, the published copy, and the old one again."""
    with (
        held_at(installation, "check_guards.done", RESTORE_METHOD=method) as held,
        writer(installation) as acknowledged,
    ):
        wait_until(lambda: len(acknowledged) >= 5, "five writes")
        held.go_on()
        assert held.report["outcome"] == "held", held.report["error"]
    assert set(acknowledged) - still_there(installation) == set()
    assert installation.leftovers() == []


@pytest.mark.parametrize(
    ("decide", "method", "said"),
    [
        (stewardship.promote, "swap", ("held", "was promoted on", "production now", "railway-neon-sync adopt")),
        (stewardship.adopt, "in_place", ("failed", "was adopted on", "left it alone", "railway-neon-sync run")),
    ],
    ids=["promoted", "adopted"],
)
def test_a_decision_of_people_stands_although_a_run_was_going_on(
    installation: Installation, decide: Decision, method: str, said: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    before = installation.fingerprint()
    with held_at(installation, "check_guards.done", RESTORE_METHOD=method) as held, caplog.at_level("INFO"):
        decide(installation.target_as_a_person(), now=datetime.now(UTC))
        mark = installation.comment()
    assert (held.report["outcome"], *(word for word in said[1:] if word in held.report["error"])) == said
    assert "ROLLING BACK" not in caplog.text
    assert (installation.fingerprint(), installation.comment()) == (before, mark)
    assert installation.leftovers() == []


@pytest.mark.parametrize("tables", ["false", "true"], ids=["in_place", "changed tables"])
def test_a_mark_that_an_administrator_sets_at_the_last_moment_is_not_written_over(
    installation: Installation, tables: str
) -> None:
    """By hand, so past the lock that our commands take: only the look before the COMMIT can find it."""
    before = installation.fingerprint()
    with held_at(installation, "publish.before", RESTORE_METHOD="in_place", CHANGED_TABLES_ONLY=tables) as held:
        tell(installation.target, f"COMMENT ON DATABASE {installation.target_name} IS 'ours since today'")
        held.go_on()
        assert "somebody else published to the backup database" in held.report["error"]
    assert held.report["outcome"] == "failed"
    assert (installation.fingerprint(), installation.comment()) == (before, "ours since today")
    assert installation.leftovers() == []


@pytest.mark.parametrize(("instant", "tables"), [("in_place.locked", "false"), ("tables.locked", "true")])
def test_a_promotion_waits_for_a_run_that_replaces_the_database_just_now_and_says_so(
    installation: Installation, instant: str, tables: str
) -> None:
    with held_at(installation, instant, RESTORE_METHOD="in_place", CHANGED_TABLES_ONLY=tables) as held:
        with pytest.raises(BackupError, match=r"a run has been replacing the database .* type this again then, or end"):
            stewardship.promote(installation.target_as_a_person(), now=datetime.now(UTC), patience_s=0.2)
        held.go_on()
        stewardship.promote(installation.target_as_a_person(), now=datetime.now(UTC))
    assert "promoted" in str(installation.comment())


@pytest.mark.parametrize("full", ["false", "true"])
def test_a_write_to_the_published_copy_is_kept_as_a_file_when_it_is_rolled_back(
    installation: Installation, method: str, full: str
) -> None:
    """Also by a run that does everything anew: it verifies as others do."""
    before = installation.fingerprint()
    others = {"RESTORE_METHOD": method, "FULL_RUNS": full}
    with held_at(installation, "publish.after", **others, COPY_READ_ONLY="true") as held:
        installation.on_target(f"SET TRANSACTION READ WRITE; {WRITE.format(number=2)}")
    report = held.report
    assert report["outcome"] == "rolled_back", report["error"]
    assert f"backup_rejected_{report['stamp']}.sql" in " ".join(report["warnings"])
    assert still_there(installation) == {"written 2"}
    assert installation.fingerprint() == before
    assert installation.leftovers() == []
    installation.on_target("DELETE FROM users WHERE false")  # it was open to writes before


def test_a_write_between_the_keeping_and_the_putting_back_is_kept_too(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """in_place: the locks come after the file was made, so it is looked at again."""
    with held_at(installation, "publish.after", RESTORE_METHOD="in_place") as held:
        installation.on_target(WRITE.format(number=3))
        path = gate(installation, "kept")
        monkeypatch.setenv("RNS_FAULT", f"rejected.kept=wait:{path}")
        held.go_on()
        wait_for_gate(path)
        installation.on_target(WRITE.format(number=4))
        monkeypatch.delenv("RNS_FAULT")
        path.touch()
        assert held.report["outcome"] == "rolled_back", held.report["error"]
    assert still_there(installation) == {"written 3", "written 4"}
    assert ask(installation.target, WRITTEN) == []


@pytest.mark.parametrize(
    ("decide", "outcome"), [(stewardship.promote, "held"), (stewardship.adopt, "failed")], ids=["promoted", "adopted"]
)
@pytest.mark.parametrize("instant", ["publish.after", "rollback.begin"])
def test_a_late_write_to_what_was_replaced_is_kept_although_people_decided_about_the_copy(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, decide: Decision, outcome: str, instant: str
) -> None:
    """swap: it is looked at again after the renames. They may decide when it is to be put back just now, too."""
    with held_at(installation, "check_guards.done", RESTORE_METHOD="swap") as held:
        installation.on_target(WRITE.format(number=5))
        path = gate(installation, "decided")
        monkeypatch.setenv("RNS_FAULT", f"{instant}=wait:{path}")
        held.go_on()
        wait_for_gate(path)
        decide(installation.target_as_a_person(), now=datetime.now(UTC))
        decided = installation.comment()
        monkeypatch.delenv("RNS_FAULT")
        path.touch()
        assert held.report["outcome"] == outcome, held.report["error"]
        assert installation.comment() == decided
    assert still_there(installation) == {"written 5"}
    assert installation.run_here()["outcome"] in {"held", "succeeded"}  # whatever it sweeps
    assert still_there(installation) == {"written 5"}


def test_a_promotion_just_before_a_rollback_stands_and_what_was_found_is_told(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    with held_at(installation, "publish.after", RESTORE_METHOD=method) as held:
        installation.on_target(WRITE.format(number=6))
        path = gate(installation, "decided")
        monkeypatch.setenv("RNS_FAULT", f"rollback.begin=wait:{path}")
        held.go_on()
        wait_for_gate(path)
        stewardship.promote(installation.target_as_a_person(), now=datetime.now(UTC))
        monkeypatch.delenv("RNS_FAULT")
        path.touch()
        assert held.report["outcome"] == "held", held.report["error"]
    for word in ("was promoted on", "this was found before: the backup database differs from its manifest"):
        assert word in held.report["error"]
    assert still_there(installation) == {"written 6"}
    assert installation.leftovers() == []
