"""doctor, by the command, against real servers: what a run would refuse, what is missing, what hangs on what."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tasks.engine.step_titles import STEP_TITLES
from tests.faults.proxy import Proxy
from tests.support.command import command
from tests.support.installation import Installation, installed, tell
from tests.support.workers import working
from worker.demo.servers import PostgresServer, ValkeyServer


@pytest.fixture(scope="module")
def installation(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    home = tmp_path_factory.mktemp("doctor")
    with installed(source_server, target_server, valkey_server, home, own_roles=True) as one:
        yield one


def states(installation: Installation, **extra: str) -> tuple[int, dict[str, str], str]:
    """Exit status, each point's state, and everything that was printed."""
    told = command(installation, "doctor", "--json", **extra)
    found = json.loads(told.stdout)["findings"]
    return told.exit_code, {finding["name"]: finding["state"] for finding in found}, told.output


def test_doctor_finds_nothing_but_a_missing_beat_and_then_what_would_stop_a_run(installation: Installation) -> None:
    assert installation.roles is not None
    with working(installation):
        _, found, printed = states(installation)
    assert [name for name, state in found.items() if state in {"bad", "open"}] == ["beat"], printed
    assert installation.leftovers() == []
    tell(installation.source_server.dsn(), f"REVOKE pg_read_all_data FROM {installation.roles.name}")
    installation.on_target("CREATE TABLE somebody_elses (id int)")
    code, found, printed = states(installation)
    assert code == 1
    assert {"source's tables", "target's tables", "workers", "beat"} <= {n for n, s in found.items() if s == "bad"}
    assert (found["statistics"], found["mark"], found["versions"]) == ("open", "open", "good")
    assert "GRANT SELECT ON ALL TABLES" in printed
    assert installation.roles.owner_password not in printed


def test_what_cannot_be_asked_of_a_server_that_is_away_is_said_to_be_so(installation: Installation) -> None:
    installation.means(lock=False)  # whose journal the folder then has
    away = {
        "DATABASE_URL": "postgresql://u:s3cret@127.0.0.1:1/nothing",
        "CELERY_BROKER_URL": "redis://127.0.0.1:1/0",
        "JOURNAL_URL": f"sqlite:///{installation.home / 'another.sqlite3'}",
    }
    code, found, printed = states(installation, **away)
    assert (code, found["source"], found["target"], found["broker"]) == (1, "bad", "good", "bad")
    unknown = {"versions", "pg_dump", "room", "method", "result backend", "workers", "beat"}
    assert {name for name, state in found.items() if state == "open"} >= unknown
    assert "cannot be examined while this fails: source" in printed
    assert found["backup directory"] == "bad"
    assert "belongs to an installation with another journal" in printed
    assert "s3cret" not in printed


def test_settings_that_cannot_be_used_are_told_one_by_one(installation: Installation) -> None:
    told = command(installation, "doctor", RETENTION_DAYS="soon", RESTORE_METHOD="x")
    assert told.exit_code == 1
    assert [line[0] for line in told.stdout.splitlines()] == ["✗", "✗", "-"]


@pytest.fixture
def new_installation(
    source_server: PostgresServer, target_server: PostgresServer, valkey_server: ValkeyServer, tmp_path: Path
) -> Iterator[Installation]:
    with installed(source_server, target_server, valkey_server, tmp_path) as one:
        yield one


def test_the_round_trip_is_measured_and_the_duration_foretold_before_and_after_a_run(
    new_installation: Installation,
) -> None:
    installation = new_installation
    servers = {"source": installation.source_server, "target": installation.target_server}
    delays_s = {"source": 0.02, "target": 0.01}  # in each direction
    with ExitStack() as stack:
        urls = {}
        for role, server in servers.items():
            proxy = stack.enter_context(Proxy(server.port))
            proxy.delay_s = delays_s[role]
            url = installation.source_url if role == "source" else installation.target_url
            urls[role] = url.replace(f":{server.port}/", f":{proxy.port}/")
        away = {"DATABASE_URL": urls["source"], "RAILWAY_BACKUP_DB_URL": urls["target"]}
        found = json.loads(command(installation, "doctor", "--json", **away).stdout)
    for role, delay_s in delays_s.items():
        assert found["round_trip_ms"][role] >= 2 * delay_s * 1000
    assert found["forecast"]["basis"] == "formula"
    assert [step["name"] for step in found["forecast"]["steps"]] == list(STEP_TITLES)
    near = json.loads(command(installation, "doctor", "--json").stdout)["forecast"]
    assert near["seconds"] < found["forecast"]["seconds"]
    assert installation.run_here()["outcome"] == "succeeded"
    found = json.loads(command(installation, "doctor", "--json").stdout)
    assert (found["forecast"]["basis"], found["forecast"]["runs"]) == ("runs", 1)
    said = next(finding["told"] for finding in found["findings"] if finding["name"] == "duration")
    assert "by the last run that succeeded" in said


def test_a_journal_that_redis_does_not_know_is_found_before_a_run_fails_for_it(
    new_installation: Installation,
) -> None:
    installation = new_installation
    means = installation.means()
    assert means.lease is not None
    means.lease.agree_on_journal(means.journal.id)  # as each run through a worker does
    _, found, printed = states(installation)
    assert (found["journal"], found["lock"]) == ("good", "good"), printed
    _, found, printed = states(installation, BACKUP_DIR=str(installation.home / "lost"), JOURNAL_URL="")
    assert (found["journal"], found["lock"]) == ("note", "bad")
    assert "the journal of before was lost" in printed
    assert "ours not made yet" in printed
