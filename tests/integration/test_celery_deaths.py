"""Workers that die in mid-run: the run gets a true outcome, nobody hangs, and nothing is left behind."""

import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tasks.framing import ALIVE_S
from tests.support.deployment import Deployed
from tests.support.failing import change_source
from tests.support.installation import Installation, installed
from tests.support.workers import Client, client_of, gate, wait_for_gate, wait_until, working
from worker.demo.servers import PostgresServer, ValkeyServer, find_postgres

# Where the restore is when it is cut off, and what then is true.
POINTS = [
    ("swap", "swap.created", "rolled_back"),
    pytest.param("swap", "publish.after", "succeeded", marks=pytest.mark.long),
    pytest.param("in_place", "loaded", "rolled_back", marks=pytest.mark.long),
    ("in_place", "publish.after", "succeeded"),
]


@pytest.fixture(scope="module")
def installation(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    home = tmp_path_factory.mktemp("deaths")
    with installed(source_server, target_server, valkey_server, home, CHANGED_TABLES_ONLY="false") as found:
        assert found.run_here()["outcome"] == "succeeded"
        yield found


@dataclass(frozen=True)
class Silent:
    """A worker that was killed, another that was started, and a run that the second one was sent at once."""

    installation: Installation
    client: Client
    dead: str
    died_at: datetime
    meanwhile: dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def silent(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Silent]:
    """Begun before the other tests, so that it falls silent while they work."""
    home = tmp_path_factory.mktemp("silent")
    with (
        installed(source_server, target_server, valkey_server, home, CHANGED_TABLES_ONLY="false") as installation,
        client_of(installation) as client,
    ):
        with working(installation, name="first", fault="publish.before=killgroup") as first:
            dead = client.send()
            wait_until(first.ended, "the worker to be killed")
        died_at = datetime.now(UTC)
        with working(installation, name="second"):
            yield Silent(installation, client, dead.id, died_at, client.run())


def test_a_killed_pool_process_does_not_take_the_run_with_it(installation: Installation) -> None:
    with working(installation, name="pool") as worker, client_of(installation) as client:
        deployed = Deployed(installation, worker, client)
        for point, outcome in (("publish.before", "rolled_back"), ("publish.after", "succeeded")):
            change_source(installation)
            deployed.worker.fault(f"{point}=kill")
            before = installation.fingerprint(), installation.comment()
            report = deployed.client.run()
            assert report["outcome"] == outcome
            assert installation.leftovers() == []
            told = " ".join([report["error"] or "", *report["warnings"]])
            assert "died or was cut off during restore_target" in told
            assert (before == (installation.fingerprint(), installation.comment())) == (outcome == "rolled_back")
            deployed.demand_stable(report)
        assert installation.differences() == []
        deployed.demand_that_the_next_run_works()


def let_silence_pass(installation: Installation) -> None:
    """As if ALIVE_S had gone by since the last heartbeat of what died."""
    with closing(sqlite3.connect(installation.backup_dir / "journal.sqlite3")) as journal:
        past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat(timespec="microseconds")
        journal.execute("UPDATE rns_runs SET alive_until = ? WHERE state <> 'ended'", [past])
        journal.commit()


@pytest.mark.parametrize(("method", "point", "outcome"), POINTS)
def test_when_the_whole_worker_was_killed_the_next_one_ends_its_run(
    installation: Installation, method: str, point: str, outcome: str
) -> None:
    change_source(installation)
    with client_of(installation) as client:
        before = installation.fingerprint(), installation.comment()
        with working(installation, name="first", fault=f"{point}=killgroup", RESTORE_METHOD=method) as first:
            dead = client.send()
            wait_until(first.ended, "the worker to be killed")
        let_silence_pass(installation)
        with working(installation, name="second", RESTORE_METHOD=method):
            report = client.report(dead)
            assert report["outcome"] == outcome
            assert installation.leftovers() == []
            if outcome == "rolled_back":
                assert before == (installation.fingerprint(), installation.comment())
                assert "died or was cut off during restore_target" in report["error"]
                assert client.run()["outcome"] == "succeeded"
            else:
                assert installation.differences() == []
            assert client.report(dead) == report


def test_a_run_whose_worker_died_while_it_dumped_fails_and_pg_dump_dies_with_it(
    installation: Installation, tmp_path: Path
) -> None:
    slow = tmp_path / "pg_dump"
    real = find_postgres().tool("pg_dump")
    dumping = tmp_path / "dumping"
    slow.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && exec {real} --version\n{real} "$@"\necho $$ >{dumping}\nexec sleep 60\n'
    )
    slow.chmod(0o755)
    with client_of(installation) as client:
        with working(installation, name="dumping", PG_BIN_DIR=str(tmp_path)) as first:
            before = installation.fingerprint(), installation.comment()
            dead = client.send()
            pid = int(wait_until(lambda: dumping.exists() and dumping.read_text(), "pg_dump to work"))
            assert list(installation.backup_dir.glob("*.part"))
            first.kill()
        wait_until(lambda: not is_running(pid), "pg_dump to die with its worker", 5)
        let_silence_pass(installation)
        with working(installation, name="after"):
            report = client.report(dead)
            assert report["outcome"] == "failed"
            assert "died or was cut off during dump_source" in report["error"]
            assert before == (installation.fingerprint(), installation.comment())
            assert installation.leftovers() == []


def is_running(pid: int) -> bool:
    """Zombies are not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_worker_that_is_restarted_in_mid_run_ends_its_step_and_the_next_one_goes_on(
    installation: Installation,
) -> None:
    """A warm shutdown, as `docker stop` begins it: nothing is lost, since the node keeps its name."""
    change_source(installation)
    dumping = gate(installation, "dumping")
    with client_of(installation) as client:
        with working(installation, name="restarted", fault=f"dump_source.begin=wait:{dumping}") as first:
            run = client.send()
            wait_for_gate(dumping)
            first.send(signal.SIGTERM)
            dumping.touch()
            assert first.wait() == 0
        with working(installation, name="restarted"):
            report = client.report(run)
    assert (report["outcome"], report["error"], report["warnings"]) == ("succeeded", None, [])
    assert installation.leftovers() == []


def test_a_run_whose_worker_died_after_the_verification_succeeds_and_is_told(installation: Installation) -> None:
    with client_of(installation) as client:
        with working(installation, name="verified", fault="finish.begin=killgroup") as first:
            dead = client.send()
            wait_until(first.ended, "the worker to be killed")
        let_silence_pass(installation)
        with working(installation, name="after"):
            report = client.report(dead)
    assert (report["outcome"], report["success"], report["error"]) == ("succeeded", True, None)
    assert installation.leftovers() == []


def test_an_outcome_whose_telling_was_cut_off_is_told_by_the_next_worker(installation: Installation) -> None:
    with client_of(installation) as client:
        with working(installation, name="untold", fault="closed=killgroup") as first:
            dead = client.send()
            wait_until(first.ended, "the worker to be killed")
        assert not dead.ready()
        with working(installation, name="after"):
            report = client.report(dead)
            assert report["outcome"] == "succeeded"
            assert (installation.reports_dir / f"{report['stamp']}.json").exists()
    assert installation.leftovers() == []


def test_without_anybodys_help_a_dead_run_is_ended_when_its_silence_is_long_enough(silent: Silent) -> None:
    """In real time: the new worker looked at once, when the run might have lived still, and looks again later."""
    assert silent.meanwhile["outcome"] == "skipped"
    assert silent.dead in silent.meanwhile["error"]
    report = silent.client.report(silent.client.result(silent.dead), timeout_s=60)
    assert report["outcome"] == "rolled_back"
    ended, died = datetime.fromisoformat(report["end_time"]), silent.died_at
    assert (ended - died).total_seconds() > ALIVE_S - 5
    assert silent.installation.leftovers() == []
