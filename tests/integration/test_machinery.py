"""Asking Celery's parts whether they answer: within seconds, whatever is the matter with them."""

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from celery import Celery

from tasks.engine.errors import BackupError
from worker.demo.servers import ValkeyServer
from worker.machinery import Machinery, ask_machinery, impatient_app, result_backend_answers

Broker = Callable[[str], None]


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    """Makes an address the broker of this process's application."""

    def at(url: str) -> None:
        monkeypatch.setenv("RNS_ENV_FILE", "/dev/null")
        monkeypatch.setenv("DATABASE_URL", "postgresql://a:b@h/source")
        monkeypatch.setenv("RAILWAY_BACKUP_DB_URL", "postgresql://a:b@h/target")
        monkeypatch.setenv("CELERY_BROKER_URL", url)
        sys.modules.pop("worker.celery_app", None)

    yield at
    sys.modules.pop("worker.celery_app", None)


def test_a_broker_that_takes_connections_and_says_nothing_is_given_up_within_seconds(broker: Broker) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        broker(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        problem = ask_machinery(patience_s=0.5).problem
        assert problem is not None
        assert "takes connections and has not answered" in problem
        with pytest.raises(BackupError, match="the result backend does not answer"):
            result_backend_answers(patience_s=0.5)


def test_a_question_needs_no_second_connection_out_of_a_pool_that_may_have_but_one(
    broker: Broker, valkey_server: ValkeyServer
) -> None:
    broker(valkey_server.url(0))
    limit = impatient_app().pool.limit
    assert _pool_limit(valkey_server, 1) == 1  # one number for all applications of a process
    try:
        assert ask_machinery() == Machinery()
    finally:
        assert _pool_limit(valkey_server, limit) == limit


def _pool_limit(valkey: ValkeyServer, limit: int) -> int:
    """What another application of this process sets by its own options."""
    with Celery("another", broker=valkey.url(0), set_as_current=False) as another:
        another.conf.broker_pool_limit = limit
        return int(another.pool.limit)


def test_a_broker_that_refuses_the_password_is_told_as_that(broker: Broker, valkey_server: ValkeyServer) -> None:
    broker(valkey_server.url(0).replace("//", "//nobody:wr0ng@"))
    problem = ask_machinery().problem
    assert problem is not None
    assert problem.startswith("the broker refuses user and password (invalid username-password pair")
    assert "wr0ng" not in problem
