"""One of the two programs that write a dump together breaks: told, nothing kept, or all left to pg_dump."""

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy.engine import Connection

from tasks.engine import dump_writing, dumping
from tasks.engine.clients import Client
from tasks.engine.rows.listing import Listing
from tests.support.failing import Failed, change_source
from tests.support.installation import Installation, ask, installed, tell
from tests.support.workers import wait_until
from worker.demo.servers import PostgresServer, ValkeyServer, find_postgres

_PROGRAM = """#!/bin/sh
[ "$1" = --version ] && exec {real} --version
real() {{ {real} "$@"; }}
if grep -q '^dbname={database}$' "$PGSERVICEFILE"; then {does}; else real "$@"; fi
"""
CUT = "is cut off or has a tail that is not pg_dump's"


@pytest.fixture(scope="module")
def installation(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    """A copy stands there already, so that there is something to lose. Roles without superuser's rights."""
    home = tmp_path_factory.mktemp("rows")
    with installed(source_server, target_server, valkey_server, home, own_roles=True) as found:
        report = found.run_here()
        assert report["outcome"] == "succeeded"
        assert set(report["dump_ways"].values()) == {"rows by COPY"}
        yield found


def tools(folder: Path, database: str, *, pg_dump: str = 'real "$@"', psql: str | None = 'real "$@"') -> str:
    """A PG_BIN_DIR whose programs do this for one database; `real "$@"` is what they do otherwise."""
    for name, does in (("pg_dump", pg_dump), ("psql", psql)):
        if does is not None:
            path = folder / name
            path.write_text(_PROGRAM.format(real=find_postgres().tool(name), database=database, does=does))
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(folder)


@dataclass(frozen=True, kw_only=True)
class Breakage:
    """What the programs do, and what the report then says."""

    pg_dump: str = 'real "$@"'
    psql: str = 'real "$@"'
    said: str


FAILING = {
    "pg_dump is killed": Breakage(pg_dump='real "$@"; kill -9 $$', said="pg_dump ended with exit status -9"),
    "pg_dump ends with an error": Breakage(
        pg_dump='echo "pg_dump: error: it broke" >&2; exit 1', said="pg_dump: error: it broke"
    ),
    "pg_dump writes nothing": Breakage(pg_dump="exit 0", said="is empty"),
    "pg_dump is cut before the rows": Breakage(pg_dump='real "$@" | head -n 60', said=CUT),
    "pg_dump is cut behind the rows": Breakage(pg_dump='real "$@" | head -n -30', said=CUT),
    "psql is killed": Breakage(psql='real "$@" | head -c 20000; kill -9 $$', said="psql ended with exit status -9"),
    "psql ends with an error": Breakage(
        psql='real "$@" | head -c 20000; echo "ERROR:  it broke" >&2; exit 3', said="exit status 3: ERROR:  it broke"
    ),
    "psql loses one row": Breakage(psql='real "$@" | sed "/^100\\t/d"', said="holds 233 rows of public.transactions"),
    "psql is cut": Breakage(psql='real "$@" | head -n 150', said="it must not be loaded"),
}


@pytest.mark.parametrize("what", FAILING)
def test_what_breaks_while_the_source_is_dumped_stops_the_run(
    installation: Installation, caplog: pytest.LogCaptureFixture, tmp_path: Path, what: str
) -> None:
    how = FAILING[what]
    folder = tools(tmp_path, installation.source_name, pg_dump=how.pg_dump, psql=how.psql)
    # FULL_RUNS: pg_dump is asked for the schema in each of them
    failed = Failed(installation, caplog, PG_BIN_DIR=folder, FULL_RUNS="true")
    failed.demand("failed", step="dump_source", said=how.said)
    assert not list(installation.backup_dir.glob(f"source_db_backup_{failed.report['stamp']}*"))


@pytest.mark.parametrize("what", ["pg_dump is killed", "psql is killed"])
def test_what_breaks_while_the_target_is_dumped_stops_the_run(
    installation: Installation, caplog: pytest.LogCaptureFixture, tmp_path: Path, what: str
) -> None:
    how = FAILING[what]
    folder = tools(tmp_path, installation.target_name, pg_dump=how.pg_dump, psql=how.psql)
    failed = Failed(installation, caplog, PG_BIN_DIR=folder, DUMP_COMPRESSION="zstd")
    failed.demand("failed", step="back_up_target", said=how.said)
    failed.demand_that_the_next_run_works()


LEFT = {
    "there is none": (None, "there is no psql beside"),
    "it cannot start": ("exit 127", "psql ended with exit status 127"),
    "it is let in no more": ("echo 'FATAL:  too many connections' >&2; exit 2", "FATAL:  too many connections"),
    "it is killed": ("kill -9 $$", "psql ended with exit status -9"),
}


@pytest.mark.parametrize(("what", "form"), [*((what, "none") for what in LEFT), ("it is killed", "zstd")])
def test_without_a_psql_that_begins_pg_dump_writes_the_rows_too(
    installation: Installation, tmp_path: Path, what: str, form: str
) -> None:
    does, reason = LEFT[what]
    change_source(installation)
    folder = tools(tmp_path, installation.source_name, psql=does)
    report = installation.run_here(PG_BIN_DIR=folder, DUMP_COMPRESSION=form)
    assert (report["outcome"], report["error"]) == ("succeeded", None)
    way = report["dump_ways"][report["source_dump"]["file"]]
    assert way.startswith("all by pg_dump: ")
    assert reason in way
    assert installation.differences() == []
    assert installation.leftovers() == []


@pytest.mark.parametrize("program", ["pg_dump", "psql"])
def test_a_program_that_hangs_is_ended_in_time(
    installation: Installation, caplog: pytest.LogCaptureFixture, tmp_path: Path, program: str
) -> None:
    folder = tools(tmp_path, installation.source_name, **{program: "exec sleep 300"})
    failed = Failed(installation, caplog, PG_BIN_DIR=folder, DUMP_TIMEOUT_S="3")
    failed.demand("failed", step="dump_source", said="took longer than its limit of 3 s")


@pytest.mark.parametrize("gives_up", ["before the rows", "behind the rows"])
def test_where_the_newest_pg_dump_cannot_a_nearer_one_writes_all(
    installation: Installation, tmp_path: Path, gives_up: str
) -> None:
    """As against a server that is almost PostgreSQL."""
    near, newest = tmp_path / "17" / "bin", tmp_path / "18" / "bin"
    for folder in (near, newest):
        folder.mkdir(parents=True)
    tools(near, installation.source_name)
    begins = 'real "$@";' if gives_up == "behind the rows" else ""
    tools(newest, installation.source_name, pg_dump=f'{{ {begins} echo "pg_dump: error: not here" >&2; exit 1; }}')
    program = newest / "pg_dump"
    older = f"exec {find_postgres().tool('pg_dump')} --version"
    program.write_text(program.read_text().replace(older, "exec echo 'pg_dump (PostgreSQL) 18.6'"))
    report = installation.copied(PG_BIN_DIR=str(tmp_path), FULL_RUNS="true")
    way = report["dump_ways"][report["source_dump"]["file"]]
    assert way.startswith("all by pg_dump: pg_dump ended with exit status 1: ")
    assert "pg_dump: error: not here" in way
    assert installation.differences() == []


def test_psql_whose_session_is_ended_before_it_has_something_to_do_is_no_failure(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle = "FROM pg_stat_activity WHERE state = 'idle' AND query = 'SET idle_session_timeout = 0;'"

    def list_rows(connection: Connection, client: Client) -> tuple[Listing | None, str]:
        if connection.exec_driver_sql("SELECT current_database()").scalar_one() in installation.source:
            wait_until(lambda: ask(installation.source, f"SELECT {idle}"), "psql")
            tell(installation.source, f"SELECT pg_terminate_backend(pid, 5000) {idle}")
        return dump_writing.list_rows(connection, client)

    monkeypatch.setattr(dumping, "list_rows", list_rows)
    report = installation.copied()
    assert report["dump_ways"][report["source_dump"]["file"]].startswith(
        "all by pg_dump: psql ended with exit status 2"
    )
    assert installation.leftovers() == []
