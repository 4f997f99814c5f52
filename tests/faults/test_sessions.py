"""A session never outlives the step that opened it."""

import gc

import pytest

from config.urls import DatabaseUrl
from tasks.engine.connections import Server
from tasks.engine.errors import RunLost
from tasks.engine.watch import Watch
from tests.support.installation import ask
from tests.support.workers import wait_until
from worker.demo.servers import PostgresServer

NAME = "railway-neon-sync/late"


class EndsWhileConnecting(Watch):
    """Everything is right until the session stands."""

    @property
    def remaining_s(self) -> float:
        return 30.0

    def check(self) -> None:
        """As after a heartbeat that found the run lost: from the second question on."""
        if self._reason is None:
            self._reason = RunLost("another process has this run")
            return
        raise self._reason


def test_a_session_that_stands_when_the_run_is_lost_already_is_closed(target_server: PostgresServer) -> None:
    server = Server(
        role="target",
        url=DatabaseUrl.parse(target_server.url()),
        application_name=NAME,
        watch=EndsWhileConnecting("late", 30),
    )
    gc.disable()  # which would close what nobody refers to any more, in its own time
    try:
        with pytest.raises(RunLost) as kept, server.open():
            pytest.fail("it opened")
        sessions = f"SELECT pid FROM pg_stat_activity WHERE application_name = '{NAME}'"
        wait_until(lambda: ask(target_server.dsn(), sessions) == [], "the session to end", timeout_s=5)
        assert kept.value is not None
    finally:
        gc.enable()
