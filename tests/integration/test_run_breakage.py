"""Servers, programs, files and other people that break a run: told, the target untouched, and the next run works."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest

from tests.support.failing import Failed, change_source
from tests.support.held import held_at
from tests.support.installation import Installation, ask, installed
from tests.support.workers import wait_until
from worker.demo.servers import PostgresServer, ValkeyServer, find_postgres, free_port


@pytest.fixture(scope="module")
def installation(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    """A copy stands there already, so that there is something to lose. Roles without superuser's rights."""
    home = tmp_path_factory.mktemp("breakage")
    with installed(source_server, target_server, valkey_server, home, own_roles=True) as found:
        assert found.run_here()["outcome"] == "succeeded"
        yield found


def test_a_refused_password_is_told_and_not_shown(installation: Installation, caplog: pytest.LogCaptureFixture) -> None:
    assert installation.roles is not None
    wrong = installation.target_server.url(installation.target_name, installation.roles.name, "not the p@ssword")
    failed = Failed(installation, caplog, RAILWAY_BACKUP_DB_URL=wrong)
    failed.demand("failed", step="verify_connections", said="the target (127.0.0.1, database")
    assert "refused user and password" in failed.report["error"]
    assert not any("p@ssword" in line or "p%40ssword" in line for line in failed.messages)


def test_a_source_that_is_not_there_is_told(installation: Installation, caplog: pytest.LogCaptureFixture) -> None:
    nobody = f"postgresql://someone:secret@127.0.0.1:{free_port()}/nothing"
    failed = Failed(installation, caplog, DATABASE_URL=nobody)
    failed.demand(
        "failed", step="verify_connections", said="the source (127.0.0.1, database nothing) cannot be reached"
    )


def pg_dump_that(does: str, *, kind: str, folder: Path) -> str:
    """A PG_BIN_DIR whose pg_dump does this for one kind of file; `real "$@"` in it is the true pg_dump."""
    real = find_postgres().tool("pg_dump")
    path = folder / "pg_dump"
    path.write_text(f"""#!/bin/sh
        [ "$1" = --version ] && exec {real} --version
        for word; do case "$word" in --file=*) file="${{word#--file=}}";; esac; done
        real() {{ {real} "$@"; }}
        case "$file" in *{kind}*) {does};; *) exec {real} "$@";; esac
        """)
    path.chmod(0o755)
    return str(folder)


@dataclass(frozen=True)
class Breakage:
    """What pg_dump does, and what the report then says."""

    does: str
    said: str


CUT = "is cut off or has a tail that is not pg_dump's"
_REPLACED = 'cat "$file.x" >"$file"; rm "$file.x"'
BREAKAGES = {
    "is killed": Breakage('real "$@"; kill -9 $$', "pg_dump ended with exit status -9"),
    "ends with an error": Breakage('echo "pg_dump: error: it broke" >&2; exit 1', "pg_dump: error: it broke"),
    "writes nothing": Breakage("exit 0", "is empty"),
    "is cut at a line end": Breakage(f'real "$@"; head -n 200 "$file" >"$file.x"; {_REPLACED}', CUT),
    "is cut in mid-line": Breakage(f'real "$@"; head -c 30001 "$file" >"$file.x"; {_REPLACED}', CUT),
    "lost one row": Breakage('real "$@"; sed -i "/^100\\t/d" "$file"', "holds 233 rows of public.transactions"),
}


@pytest.mark.parametrize(
    ("step", "breakage"),
    [
        *(("dump_source", breakage) for breakage in BREAKAGES),
        ("back_up_target", "is killed"),
        ("back_up_target", "is cut at a line end"),
    ],
)
def test_a_dump_that_is_broken_stops_the_run(
    installation: Installation, caplog: pytest.LogCaptureFixture, tmp_path: Path, step: str, breakage: str
) -> None:
    how, kind = BREAKAGES[breakage], "source_db_backup" if step == "dump_source" else "backup_safety"
    failed = Failed(
        installation, caplog, PG_BIN_DIR=pg_dump_that(how.does, kind=kind, folder=tmp_path), FULL_RUNS="true"
    )
    failed.demand("failed", step=step, said=how.said)
    assert not list(installation.backup_dir.glob(f"{kind}_{failed.report['stamp']}*"))
    if (step, breakage) == ("dump_source", "is killed"):
        failed.demand_that_the_next_run_works()


@contextmanager
def locked(dsn: str, table: str, mode: str) -> Iterator[Callable[[], bool]]:
    """A session that holds a lock and does nothing; tells whether it lives."""
    with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {table} IN {mode} MODE")

        def lives() -> bool:
            try:
                cursor.execute("SELECT 1")
            except psycopg2.OperationalError:
                return False
            return True

        yield lives


def test_a_table_of_the_source_that_stays_locked_stops_the_run_in_time(
    installation: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    installation.on_source("CREATE TABLE IF NOT EXISTS public.busy (id integer)")
    with locked(installation.source, "public.busy", "ACCESS EXCLUSIVE"):
        began = time.monotonic()
        failed = Failed(installation, caplog, SOURCE_LOCK_TIMEOUT_S="1")
        assert time.monotonic() - began < 10
    failed.demand("failed", step="dump_source", said="a table stayed locked by somebody else for 1 s")


def test_a_table_of_the_target_that_stays_locked_stops_the_run_in_time(installation: Installation) -> None:
    change_source(installation)
    before = installation.comment()
    with locked(installation.target, "public.wallets", "ACCESS EXCLUSIVE"):
        report = installation.run_here(SOURCE_LOCK_TIMEOUT_S="1")
    assert report["outcome"] == "failed"
    assert report["steps"][-1]["name"] == "back_up_target"
    assert "a table stayed locked by somebody else for 1 s" in report["error"]
    assert installation.comment() == before
    assert installation.leftovers() == []


def test_the_dump_gives_way_to_a_migration_that_waits_behind_it(
    installation: Installation, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    folder = pg_dump_that("sleep 60", kind="source_db_backup", folder=tmp_path)
    waited: list[float] = []

    def migrate() -> None:
        held = "SELECT FROM pg_locks WHERE relation = 'public.users'::regclass AND mode = 'AccessShareLock' AND granted"
        wait_until(lambda: ask(installation.source, held), "the dump's lock")
        began = time.monotonic()
        installation.on_source("ALTER TABLE public.users ADD COLUMN IF NOT EXISTS migrated boolean")
        waited.append(time.monotonic() - began)

    migration = threading.Thread(target=migrate)
    migration.start()
    failed = Failed(installation, caplog, PG_BIN_DIR=folder, SOURCE_BLOCKED_S="1")
    migration.join(30)
    failed.demand("failed", step="dump_source", said="behind our dump")
    assert 0.9 < waited[0] < 4
    failed.demand_that_the_next_run_works()


@dataclass(frozen=True)
class Refused:
    """What the source holds and a target's role without superuser's rights may not make."""

    make: str
    drop: str
    said: str


REFUSED = {
    "first statements": Refused(
        "CREATE EXTENSION pg_buffercache", "DROP EXTENSION pg_buffercache", "permission denied to create extension"
    ),
    "last statement": Refused(
        "CREATE FUNCTION public.noted() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; "
        "CREATE EVENT TRIGGER noted ON ddl_command_end EXECUTE FUNCTION public.noted()",
        "DROP EVENT TRIGGER noted; DROP FUNCTION public.noted()",
        "permission denied to create event trigger",
    ),
}


@pytest.mark.parametrize("method", ["swap", "in_place"])
@pytest.mark.parametrize("where", REFUSED)
def test_a_statement_that_the_target_refuses_is_named_and_rolled_back(
    installation: Installation, caplog: pytest.LogCaptureFixture, method: str, where: str
) -> None:
    refused = REFUSED[where]
    installation.on_source(refused.make)
    try:
        failed = Failed(installation, caplog, RESTORE_METHOD=method)
    finally:
        installation.on_source(refused.drop)
    failed.demand("rolled_back", step="restore_target", said=refused.said)
    assert "the target's server refused line" in failed.report["error"]
    if where == "last statement":
        failed.demand_that_the_next_run_works(RESTORE_METHOD=method)


@pytest.mark.parametrize("method", ["swap", "in_place"])
def test_a_restore_that_takes_too_long_is_ended_at_the_server_too(
    installation: Installation, caplog: pytest.LogCaptureFixture, method: str
) -> None:
    installation.on_source(
        "SET test.sleep_s = 0; CREATE MATERIALIZED VIEW public.slow AS "
        "SELECT pg_sleep(coalesce(current_setting('test.sleep_s', true), '20')::float) IS NULL AS slept"
    )
    try:
        failed = Failed(installation, caplog, RESTORE_METHOD=method, RESTORE_TIMEOUT_S="3")
    finally:
        installation.on_source("DROP MATERIALIZED VIEW public.slow")
    failed.demand("rolled_back", step="restore_target", said="restore_target took longer than its limit of 3 s")


def test_a_session_that_idles_in_a_transaction_on_the_target_is_waited_for_and_then_ended_unless_it_never_may_be(
    installation: Installation,
) -> None:
    assert installation.roles is not None
    application = installation.target_server.dsn(
        installation.target_name, installation.roles.name, installation.roles.owner_password
    )
    change_source(installation)
    with locked(application, "public.users", "ACCESS SHARE") as lives:
        never = {"TARGET_BLOCKERS_GRACE_S": "-1", "RESTORE_TIMEOUT_S": "2"}
        report = installation.run_here(RESTORE_METHOD="in_place", **never)
        assert (report["outcome"], lives()) == ("rolled_back", True)
        assert "restore_target took longer than its limit of 2 s" in report["error"]
        began = time.monotonic()
        report = installation.run_here(RESTORE_METHOD="in_place", TARGET_BLOCKERS_GRACE_S="1")
        assert (time.monotonic() - began > 1, lives()) == (True, False)
    assert (report["outcome"], report["error"]) == ("succeeded", None)
    assert installation.differences() == []


def test_a_superuser_in_the_replaced_database_delays_its_end(
    installation: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    change_source(installation)
    server = installation.target_server
    with held_at(installation, "finish.begin", RESTORE_METHOD="swap") as held:
        beside = f"SELECT datname FROM pg_database WHERE starts_with(datname, '{installation.target_name}__previous')"
        [(previous,)] = ask(server.dsn(), beside)
        with closing(psycopg2.connect(server.dsn(previous))):
            held.go_on()
            wait_until(lambda: "the replaced database cannot be dropped yet" in caplog.text, "the run to be refused")
        assert (held.report["outcome"], held.report["warnings"]) == ("succeeded", [])
    assert installation.leftovers() == []
