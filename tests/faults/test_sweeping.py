"""What an ended run could not drop, the next one drops."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.engine.run import short_id_of
from tests.support.installation import Installation, ask, installed, tell
from worker.demo.servers import PostgresServer, ValkeyServer


@pytest.fixture
def installation(
    source_server: PostgresServer, target_server: PostgresServer, valkey_server: ValkeyServer, tmp_path: Path
) -> Iterator[Installation]:
    with installed(source_server, target_server, valkey_server, tmp_path, own_roles=True) as found:
        yield found


def test_what_an_ended_run_left_beside_the_target_is_dropped_and_nobody_elses(installation: Installation) -> None:
    first = installation.run_here()
    assert installation.roles is not None
    names = [f"{installation.target_name}__{what}" for what in ("previous", "incoming")]
    ours = [f"{name}_{short_id_of(first['run_id'])}" for name in names]
    others = [f"{names[0]}_0123abcd", f"{names[0]}_old"]
    for name in [*ours, *others]:
        tell(installation.target_server.dsn(), f'CREATE DATABASE "{name}" OWNER {installation.roles.name}')
    assert installation.run_here()["outcome"] == "succeeded"
    beside = f"SELECT datname FROM pg_database WHERE starts_with(datname, '{installation.target_name}__')"
    assert sorted(ask(installation.target_server.dsn(), beside)) == sorted((name,) for name in others)
