"""A run over a wire that counts: few sessions and few round trips, however many tables there are."""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tasks import framing
from tasks.means import using
from tasks.pipeline import ORDER, start
from tests.bench.counting import Count
from tests.bench.wire import Wire
from tests.support.installation import Installation, installed
from worker.demo.servers import PostgresServer, ValkeyServer

TABLES = 40
# A session costs six: TCP, the question for TLS, the name, two for the password, its first statement.
MOST = {
    # step: source's sessions and round trips, target's
    "verify_connections": (1, 6, 2, 11),
    # without pg_dump: no definition changed since the first run; with the safety backup, made beside it
    "dump_source": (4, 32, 2, 22),
    "back_up_target": (0, 0, 0, 0),
    "check_guards": (0, 0, 0, 0),
    # to judge, to hold the fence, to write and prove, to look for who is in the way
    "restore_target": (0, 0, 4, 40),
    "verify_target": (0, 0, 1, 11),
    "finish": (0, 0, 0, 0),
}


@dataclass(frozen=True)
class Counted:
    source: Count
    target: Count


@pytest.fixture(scope="module")
def counted(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Mapping[str, Counted]]:
    """What each step of a second run took, after a row had come."""
    home: Path = tmp_path_factory.mktemp("counted")
    with (
        installed(source_server, target_server, valkey_server, home) as installation,
        Wire(source_server.port) as source,
        Wire(target_server.port) as target,
    ):
        made = "".join(
            f"CREATE TABLE t{n} (id serial PRIMARY KEY); INSERT INTO t{n} VALUES (1);" for n in range(TABLES)
        )
        installation.on_source(made)
        _run(installation, source, target)
        installation.on_source("INSERT INTO t1 VALUES (2)")
        yield _run(installation, source, target)


def _run(installation: Installation, source: Wire, target: Wire) -> dict[str, Counted]:
    means = installation.means(
        lock=False,
        DATABASE_URL=installation.source_url.replace(f":{installation.source_server.port}/", f":{source.port}/"),
        RAILWAY_BACKUP_DB_URL=installation.target_url.replace(
            f":{installation.target_server.port}/", f":{target.port}/"
        ),
    )
    run_id, found = str(uuid.uuid4()), {}
    assert start(means, run_id, accept_shrink=None, here=True) is None
    with using(means):
        for step in ORDER:
            source.take(), target.take()
            step(run_id)
            found[framing.name_of(step)] = Counted(source.take(), target.take())
    return found


@pytest.mark.parametrize("step", MOST)
def test_a_step_opens_few_sessions_and_asks_little(counted: Mapping[str, Counted], step: str) -> None:
    source, target = counted[step].source, counted[step].target
    took = (source.connections, source.round_trips, target.connections, target.round_trips)
    assert all(count <= most for count, most in zip(took, MOST[step], strict=True)), took


def test_the_source_is_connected_to_while_it_is_examined_and_dumped_and_at_no_other_time(
    counted: Mapping[str, Counted],
) -> None:
    assert {step for step, found in counted.items() if found.source.connections} == {
        "verify_connections",
        "dump_source",
    }
