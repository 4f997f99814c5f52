"""The last verification: what it finds rolls the copy back, and a target out of reach is not an unequal one."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import oracle
from tests.support.failing import ROLLED_BACK, ROLLING_BACK, Failed, change_source
from tests.support.installation import Installation, installed
from tests.support.workers import gate, meanwhile, wait_until
from worker.demo.servers import PostgresServer, ValkeyServer


@dataclass(frozen=True)
class Damage:
    """Something done to the copy after it was published, and the words by which the report names it."""

    statement: str
    named: tuple[str, ...]


DAMAGES = {
    "one changed cell": Damage("UPDATE public.wallets SET address = 'elsewhere' WHERE id = 7", ("wallets",)),
    "one missing index": Damage("DROP INDEX public.escrows_open", ("escrows_open",)),
    "one reset sequence": Damage("SELECT setval('public.escrow_numbers', 1001)", ("escrow_numbers",)),
}


@pytest.fixture(scope="module")
def installation(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    home = tmp_path_factory.mktemp("verification")
    with installed(
        source_server, target_server, valkey_server, home, own_roles=True, CHANGED_TABLES_ONLY="false"
    ) as found:
        assert found.run_here()["outcome"] == "succeeded"
        yield found


@pytest.mark.parametrize(("method", "what"), [*(("swap", what) for what in DAMAGES), ("in_place", "one missing index")])
def test_a_copy_that_differs_in_one_thing_is_rolled_back_and_the_thing_is_named(
    installation: Installation,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    what: str,
) -> None:
    damage, before_verifying = DAMAGES[what], gate(installation, "verifying")
    monkeypatch.setenv("RNS_FAULT", f"verify_target.begin=wait:{before_verifying}")
    with meanwhile(before_verifying, lambda: installation.on_target(damage.statement)):
        failed = Failed(installation, caplog, RESTORE_METHOD=method)
    failed.demand("rolled_back", step="verify_target", said="the backup database differs from its manifest")
    assert all(name in failed.report["error"] for name in damage.named)
    monkeypatch.delenv("RNS_FAULT")
    if what == "one missing index":
        dump = installation.backup_dir / f"backup_safety_{failed.report['stamp']}.sql"
        safety = oracle.of_dump(dump, on=installation.target_server.dsn())
        assert oracle.differences(safety, oracle.take(installation.target)) == []
        failed.demand_that_the_next_run_works(RESTORE_METHOD=method)


@pytest.fixture
def doomed(
    source_server: PostgresServer, target_server: PostgresServer, valkey_server: ValkeyServer, tmp_path: Path
) -> Iterator[Installation]:
    """One that is not worth anything afterwards."""
    with installed(source_server, target_server, valkey_server, tmp_path, CHANGED_TABLES_ONLY="false") as found:
        yield found


def test_a_rollback_that_cannot_be_made_says_what_people_must_do_now(
    doomed: Installation, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy is damaged, and so is the safety backup."""
    assert doomed.run_here()["outcome"] == "succeeded"
    change_source(doomed)
    before_verifying = gate(doomed, "verifying")
    monkeypatch.setenv("RNS_FAULT", f"verify_target.begin=wait:{before_verifying}")

    def damage_both() -> None:
        doomed.on_target(DAMAGES["one changed cell"].statement)
        newest = max(doomed.backup_dir.glob("backup_safety_*.sql"))
        newest.write_bytes(newest.read_bytes()[:-1000])

    with meanwhile(before_verifying, damage_both):
        report = doomed.run_here(RESTORE_METHOD="in_place")
    assert (report["outcome"], report["success"]) == ("rollback_failed", False)
    assert "wallets" in report["error"]
    assert f"restore backup_safety_{report['stamp']}.sql by hand with psql" in report["error"]
    assert ROLLING_BACK in caplog.text
    assert f"❌ Unified DB → Railway Backup failed: {report['error']}" in caplog.text
    assert ROLLED_BACK not in caplog.text
    assert doomed.leftovers() == []
    monkeypatch.delenv("RNS_FAULT")
    assert doomed.run_here()["outcome"] == "held", "what stands there is not what was published"


def test_a_target_that_is_away_during_the_last_verification_is_asked_again(
    installation: Installation, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_source(installation)
    before_verifying = gate(installation, "verifying")
    monkeypatch.setenv("RNS_FAULT", f"verify_target.begin=wait:{before_verifying}")

    def come_back() -> None:
        wait_until(lambda: "the verification waits" in caplog.text, "the verification to wait")
        installation.target_server.start()

    back = threading.Thread(target=come_back)
    with meanwhile(before_verifying, installation.target_server.stop):
        back.start()
        report = installation.run_here()
    back.join(60)
    assert (report["outcome"], report["error"]) == ("succeeded", None)
    assert "ROLLING BACK" not in caplog.text
    assert installation.differences() == []
    assert installation.leftovers() == []


def test_a_verification_that_got_no_answer_in_its_time_is_finished_later_and_nothing_is_rolled_back(
    installation: Installation, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_source(installation)
    before_verifying = gate(installation, "verifying")
    monkeypatch.setenv("RNS_FAULT", f"verify_target.begin=wait:{before_verifying}")

    def come_back() -> None:
        wait_until(lambda: "the run cannot be ended yet" in caplog.text, "the rollback to wait")
        time.sleep(0.1)
        installation.target_server.start()

    back = threading.Thread(target=come_back)
    with meanwhile(before_verifying, installation.target_server.stop):
        back.start()
        report = installation.run_here(VERIFY_TIMEOUT_S="3")
    back.join(60)
    assert (report["outcome"], report["error"]) == ("succeeded", None)
    assert "ROLLING BACK" not in caplog.text
    assert report["backup_stats"] == report["source_stats"]
    assert installation.differences() == []
    assert installation.leftovers() == []
