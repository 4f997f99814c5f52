"""Ctrl-C while a server does not answer: a sentence within a moment, and nothing is left behind."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg2
import pytest

from tasks.engine.replacing.fence import lock_key
from tests.faults.proxy import Proxy
from tests.integration.test_cli import begun, call, finish
from tests.support.installation import Installation, ask, installed
from tests.support.silent import silent_server
from tests.support.workers import gate, wait_for_gate, wait_until
from worker.demo.servers import PostgresServer, ValkeyServer

_AT_ONCE_S = 8.0  # a second, on an idle machine; what it took before was twenty and more


@pytest.fixture(scope="module")
def installation(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    """With one verified dump."""
    with installed(source_server, target_server, valkey_server, tmp_path_factory.mktemp("interrupted")) as one:
        assert one.run_here()["outcome"] == "succeeded"
        yield one


def interrupted(installation: Installation, *words: str, when: Callable[[], object], **extra: str) -> tuple[str, str]:
    """Standard output and error of a command that Ctrl-C reaches when `when` has returned."""
    with begun(installation, *words, **extra) as process:
        when()
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        code, out, err = finish(process)
    assert time.monotonic() - began < _AT_ONCE_S, err
    assert code == 130, err
    assert ("Traceback" in err, "s3cret" in out + err) == (False, False), err
    return out, err.splitlines()[-1]


@pytest.mark.parametrize("words", [["doctor"], ["promote"], ["adopt"], ["verify"]])
def test_a_command_that_waits_for_a_database_to_answer_is_interrupted_at_once(
    installation: Installation, words: list[str]
) -> None:
    with silent_server() as silent:
        extra = {"RAILWAY_BACKUP_DB_URL": silent.postgres_url}
        _, told = interrupted(installation, *words, when=silent.wait_until_asked, **extra)
    assert told == "railway-neon-sync: interrupted; nothing was changed"


@pytest.mark.parametrize("words", [["drill", "last", "--on"], ["restore", "last", "--to"]])
def test_so_is_one_that_would_put_a_dump_there(installation: Installation, words: list[str]) -> None:
    with silent_server() as silent:
        _, told = interrupted(installation, *words, silent.postgres_url, when=silent.wait_until_asked)
    assert told == "railway-neon-sync: interrupted; nothing was changed"


def test_so_is_doctor_while_the_source_or_redis_does_not_answer(installation: Installation) -> None:
    for name, url in (("DATABASE_URL", "{}"), ("CELERY_BROKER_URL", "redis://127.0.0.1:{}/0")):
        with silent_server() as silent:
            text = url.format(silent.postgres_url if url == "{}" else silent.port)
            out, told = interrupted(installation, "doctor", when=silent.wait_until_asked, **{name: text})
        assert out.startswith("✓ settings")
        assert told == "railway-neon-sync: interrupted; nothing was changed"


def test_so_is_what_asks_redis_alone(installation: Installation) -> None:
    for words in (["status"], ["run"], ["run", "--no-wait"]):
        with silent_server() as silent:
            broker = f"redis://127.0.0.1:{silent.port}/0"
            _, told = interrupted(installation, *words, when=silent.wait_until_asked, CELERY_BROKER_URL=broker)
        assert told == "railway-neon-sync: interrupted; nothing was changed"


def test_so_is_what_asks_the_offsite_storage(installation: Installation) -> None:
    with silent_server() as silent:
        extra = {
            "OFFSITE_URL": "s3://bucket/prefix",
            "OFFSITE_ENDPOINT": f"http://127.0.0.1:{silent.port}",
            "OFFSITE_ACCESS_KEY_ID": "id",
            "OFFSITE_SECRET_ACCESS_KEY": "s3cret",
        }
        _, told = interrupted(installation, "offsite", when=silent.wait_until_asked, **extra)
    assert told == "railway-neon-sync: interrupted; nothing was changed"


def test_promote_that_waits_for_a_run_is_interrupted_and_has_changed_nothing(
    installation: Installation, target_server: PostgresServer
) -> None:
    before = installation.comment()
    with closing(psycopg2.connect(target_server.dsn("postgres"))) as run, run.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", lock_key(installation.target_name))
        waiting = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        _, told = interrupted(
            installation,
            "promote",
            when=lambda: wait_until(lambda: bool(ask(target_server.dsn(), waiting)), "promote to wait"),
        )
    assert told == "railway-neon-sync: interrupted; nothing was changed"
    assert (installation.comment(), installation.leftovers()) == (before, [])


def test_a_drill_that_is_interrupted_removes_what_it_made(installation: Installation) -> None:
    held = gate(installation, "held")
    _, told = interrupted(
        installation, "drill", "last", when=lambda: wait_for_gate(held), RNS_FAULT=f"swap.created=wait:{held}"
    )
    assert told.startswith("railway-neon-sync: interrupted; no database that was there is touched")
    assert told.endswith("what was made beside it is gone again")
    assert installation.leftovers() == []


def test_one_whose_server_hangs_in_the_midst_says_what_may_be_left(
    installation: Installation, target_server: PostgresServer
) -> None:
    """Ctrl-C begins to remove it, which the server does not answer either; Ctrl-C again leaves that to the next."""
    held = gate(installation, "held")
    with Proxy(target_server.port) as proxy:
        url = installation.target_url.replace(f":{target_server.port}/", f":{proxy.port}/")
        words = ("drill", "last", "--on", url)
        with begun(installation, *words, RNS_FAULT=f"swap.created=wait:{held}") as process:
            wait_for_gate(held)
            proxy.stall()
            process.send_signal(signal.SIGINT)
            assert process.stderr is not None
            while "Ctrl-C leaves that to the next drill" not in process.stderr.readline():
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            code, _, err = finish(process)
        assert code == 130
        left = f"{installation.target_name}__incoming_"
        assert f"a database {left}" in err
        assert "may be left beside it, which the next drill there removes" in err
        assert [found for found in installation.leftovers() if left in found]
        proxy.heal()
        assert call(installation, *words)[0] == 0
    assert installation.leftovers() == []
