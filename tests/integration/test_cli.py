"""The command line as an operator uses it: a process of its own, real servers, a real worker."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
import pytest

from tests.support.failing import change_source
from tests.support.installation import CHANGES, Installation, ask, installed, tell
from tests.support.workers import Client, Worker, client_of, gate, wait_for_gate, wait_until, working
from worker.demo.servers import PostgresServer, ValkeyServer, free_port

TIMEOUT_S = 90.0


@pytest.fixture(scope="module")
def installation(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    """For all tests of this file: whichever comes first makes the first copy."""
    with installed(source_server, target_server, valkey_server, tmp_path_factory.mktemp("cli")) as one:
        yield one


@pytest.fixture(scope="module")
def worker(installation: Installation) -> Iterator[Worker]:
    """The tests that need one stand last: before them nobody takes a message."""
    with working(installation) as one:
        yield one


@pytest.fixture
def client(installation: Installation) -> Iterator[Client]:
    with client_of(installation) as one:
        yield one


@contextmanager
def begun(installation: Installation, *words: str, **extra: str) -> "Iterator[subprocess.Popen[str]]":
    """`railway-neon-sync WORDS` in a process of its own, which does not outlive this."""
    with subprocess.Popen(
        [sys.executable, "-m", "worker", *words],
        env={**installation.environment, **extra},
        cwd=installation.home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def finish(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    out, err = process.communicate(timeout=TIMEOUT_S)
    return process.returncode, out, err


def call(installation: Installation, *words: str, **extra: str) -> tuple[int, str, str]:
    with begun(installation, *words, **extra) as process:
        return finish(process)


def no_redis() -> dict[str, str]:
    """A broker's address where nobody listens."""
    return {"CELERY_BROKER_URL": f"redis://:s3cret@127.0.0.1:{free_port()}/0"}


def outcome(printed: str) -> tuple[str, str | None]:
    """Outcome and error of the report that was printed."""
    report: dict[str, Any] = json.loads(printed)
    return report["outcome"], report["error"]


def test_a_run_here_needs_two_urls_and_prints_its_report_as_json_and_nothing_else(installation: Installation) -> None:
    code, out, err = call(installation, "run", "--here", "--json", **no_redis())
    assert (code, outcome(out)) == (0, ("succeeded", None)), err
    assert installation.differences() == []
    assert "Redis does not answer: going on without its lock" in err
    assert "✅ Railway backup verification: 57 users, 12 escrows, 45 wallets" in err
    assert "s3cret" not in out + err
    assert installation.leftovers() == []


def test_a_run_here_takes_the_lock_when_redis_answers(installation: Installation) -> None:
    held = gate(installation, "held")
    with begun(installation, "run", "--here", "--json", RNS_FAULT=f"dump_source.begin=wait:{held}") as process:
        wait_for_gate(held)
        assert len(installation.lock()) == 1
        second = call(installation, "run", "--here", "--json")
        held.touch()
        code, out, _ = finish(process)
    assert (code, outcome(out)[0]) == (0, "succeeded")
    assert second[0] == 4
    assert "another run holds the lock" in str(outcome(second[1])[1])
    assert installation.lock() == []


def test_a_run_that_a_guard_holds_ends_with_3(installation: Installation) -> None:
    installation.on_target("CREATE TABLE somebody_elses (id int); INSERT INTO somebody_elses VALUES (1)")
    before = installation.fingerprint()
    code, out, _ = call(installation, "run", "--here")
    assert code == 3
    assert "the backup was held" in out
    assert installation.fingerprint() == before
    installation.on_target("DROP TABLE somebody_elses")


def test_a_run_here_that_is_interrupted_while_it_restores_is_rolled_back_and_ends_with_130(
    installation: Installation,
) -> None:
    assert installation.run_here()["outcome"] == "succeeded"
    installation.on_source(CHANGES)
    before, held = installation.fingerprint(), gate(installation, "held")
    with begun(installation, "run", "--here", "--json", RNS_FAULT=f"filled=wait:{held}") as process:
        wait_for_gate(held)
        process.send_signal(signal.SIGTERM)  # SIGINT: the next test
        code, out, err = finish(process)
    assert (code, outcome(out)) == (130, ("rolled_back", "it was interrupted by SIGTERM")), err
    assert installation.fingerprint() == before
    assert installation.leftovers() == []
    assert installation.run_here()["outcome"] == "succeeded"


@contextmanager
def users_locked(dsn: str) -> Iterator[Callable[[], None]]:
    """Nobody reads the table meanwhile; what this yields returns when somebody waits for it."""
    with closing(psycopg2.connect(dsn)) as blocker, blocker.cursor() as cursor:
        cursor.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")

        def waits() -> bool:
            cursor.execute("SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'users'::regclass")
            return cursor.fetchone() is not None

        yield lambda: wait_until(waits, "somebody to wait for the table")


def test_a_run_here_is_interrupted_at_once_also_while_a_server_lets_it_wait(installation: Installation) -> None:
    with (
        users_locked(installation.source) as wait_for_waiting,
        begun(installation, "run", "--here", "--json", SOURCE_LOCK_TIMEOUT_S="60") as process,
    ):
        wait_for_waiting()
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        code, out, err = finish(process)
    assert (code, outcome(out)) == (130, ("failed", "it was interrupted by SIGINT")), err
    assert time.monotonic() - began < 15


def test_other_commands_are_interrupted_at_once_too(installation: Installation) -> None:
    assert installation.run_here()["outcome"] == "succeeded"
    with users_locked(installation.target) as wait_for_waiting, begun(installation, "verify") as process:
        wait_for_waiting()
        process.send_signal(signal.SIGINT)
        code, out, err = finish(process)
    assert (code, out) == (130, "")
    assert "interrupted; nothing was changed" in err
    assert "Traceback" not in err


def test_what_a_restore_had_replaced_that_died_before_it_looked_there_again_is_kept(
    installation: Installation, target_server: PostgresServer, new_database: Callable[[PostgresServer, str], str]
) -> None:
    assert installation.run_here()["outcome"] == "succeeded"
    name = new_database(target_server, "elsewhere")
    tell(target_server.dsn(name), "CREATE TABLE mine AS SELECT 1 AS id")
    wanted = ("restore", "last", "--to", target_server.url(name), "--yes-overwrite", name)
    assert call(installation, *wanted, RNS_FAULT="publish.after=kill")[0] == -signal.SIGKILL
    beside = f"SELECT datname FROM pg_database WHERE starts_with(datname, '{name}__')"
    assert len(ask(target_server.dsn(), beside)) == 1
    code, _, err = call(installation, *wanted)
    assert code == 0, err
    (kept,) = installation.backup_dir.glob("backup_rejected_*.sql")
    assert f"that is kept as {kept.name}" in err
    assert "CREATE TABLE public.mine" in kept.read_text()
    assert ask(target_server.dsn(), beside) == []


@pytest.mark.parametrize("words", [["run"], ["run", "--no-wait"], ["run", "--json"]])
def test_a_run_without_a_broker_says_within_seconds_what_to_do(installation: Installation, words: list[str]) -> None:
    began = time.monotonic()
    code, out, err = call(installation, *words, **no_redis())
    assert (code, out) == (1, "")
    assert time.monotonic() - began < 15
    assert err.splitlines() == [
        "railway-neon-sync: the broker does not answer (OperationalError): start Redis, or set CELERY_BROKER_URL "
        "right; without any of it: railway-neon-sync run --here"
    ]


def test_a_run_without_a_worker_says_within_seconds_what_to_start_and_sends_nothing(
    installation: Installation, client: Client
) -> None:
    code, out, err = call(installation, "run")
    assert (code, out) == (1, "")
    assert "no worker answers: start one with `celery -A worker worker`" in err
    assert "railway-neon-sync run --here" in err
    with client.app.connection_for_read() as connection:
        assert connection.default_channel.client.keys("railway_neon_sync") == []


def test_a_run_through_a_worker_shows_each_step_and_ends_as_the_run_did(
    installation: Installation, worker: Worker
) -> None:
    code, out, err = call(installation, "run")
    assert code == 0, err
    done = [line.partition(" done in ")[0] for line in err.splitlines() if " done in " in line]
    assert done == [
        "verify connections",
        "count and dump the source",
        "safety backup of the target",
        "check the guards",
        "restore, prove, publish",
        "verify the copy",
        "clean up",
    ]
    assert "✅ the backup database equals the source" in out
    worker.fault("loaded=raise")
    change_source(installation)
    before = installation.fingerprint()
    code, out, err = call(installation, "run", "--json")
    assert (code, outcome(out)) == (1, ("rolled_back", "broken on purpose at loaded")), err
    assert "restore, prove, publish FAILED" in err
    assert "roll back done" in err
    assert installation.fingerprint() == before


def test_a_worker_of_other_databases_than_the_shells_refuses_the_run(
    installation: Installation, worker: Worker
) -> None:
    """As after a change of .env, until the worker is started again."""
    assert not worker.ended()
    before = sorted(installation.reports_dir.glob("*"))
    other = installation.target_url.replace(installation.target_name, "another")
    code, out, _ = call(installation, "run", "--json", RAILWAY_BACKUP_DB_URL=other)
    assert (code, outcome(out)[0]) == (1, "failed")
    assert "this worker copies another pair of databases" in str(outcome(out)[1])
    assert "no run was begun" in str(outcome(out)[1])
    assert sorted(installation.reports_dir.glob("*")) == before


def test_a_run_that_is_only_sent_can_be_asked_for_by_its_id(
    installation: Installation, worker: Worker, client: Client
) -> None:
    assert not worker.ended()
    code, out, _ = call(installation, "run", "--no-wait")
    assert code == 0
    assert client.report(client.result(out.strip()))["run_id"] == out.strip()


def test_who_stops_following_leaves_the_run_going_and_is_told_how_to_look_at_it(
    installation: Installation, worker: Worker, client: Client
) -> None:
    held = gate(installation, "held")
    worker.fault(f"restore_target.begin=wait:{held}")
    with begun(installation, "run") as process:
        wait_for_gate(held)
        process.send_signal(signal.SIGINT)
        code, out, err = finish(process)
    assert (code, out) == (130, "")
    told = next(line for line in err.splitlines() if " goes on; " in line)
    run_id = told.split()[1]
    assert f"celery -A worker result {run_id}" in told
    held.touch()
    assert client.report(client.result(run_id))["outcome"] == "succeeded"
