"""What a caller gets: the report, or BackupFailed with it, once the run has ended, and no other word later."""

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from celery.result import AsyncResult

from tasks.failures import BackupFailed
from tests.support.deployment import Deployed, deployed_at, without_faults
from tests.support.failing import ROLLED_BACK, ROLLING_BACK
from tests.support.installation import installed
from tests.support.workers import gate, in_a_fresh_process, wait_for_gate, wait_until
from worker.demo.servers import PostgresServer, ValkeyServer

SHELL = """
import json
from tasks import run_backup, BackupFailed
run = run_backup.delay()
try:
    run.get(timeout=60)
except BackupFailed as error:
    print(json.dumps({"id": run.id, "message": str(error), "report": error.report}))
"""


@pytest.fixture(scope="module")
def running(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Deployed]:
    home = tmp_path_factory.mktemp("results")
    with (
        installed(source_server, target_server, valkey_server, home) as installation,
        deployed_at(installation) as found,
    ):
        yield found


@pytest.fixture
def deployed(running: Deployed) -> Iterator[Deployed]:
    with without_faults(running):
        yield running


@pytest.mark.parametrize(
    ("fault", "outcome"), [("dump_source.begin=raise", "failed"), ("publish.before=raise", "rolled_back")]
)
def test_a_shell_that_waits_for_a_failed_run_gets_backup_failed_with_the_sentence_and_the_report(
    deployed: Deployed, fault: str, outcome: str
) -> None:
    deployed.worker.fault(fault)
    before = deployed.installation.fingerprint()
    told = in_a_fresh_process(deployed.installation, SHELL)
    report = told["report"]
    assert (report["outcome"], report["run_id"], report["success"]) == (outcome, told["id"], False)
    assert told["message"] == report["error"] == f"broken on purpose at {fault.partition('=')[0]}"
    assert deployed.installation.fingerprint() == before
    lines = deployed.worker.lines_of(told["id"])
    failed = f"❌ Unified DB → Railway Backup failed: {report['error']}"
    wanted = [ROLLING_BACK, ROLLED_BACK, failed] if outcome == "rolled_back" else [failed]
    assert [text for line in lines for text in (ROLLING_BACK, ROLLED_BACK, failed) if line.endswith(text)] == wanted
    deployed.demand_stable(report)


def test_a_result_is_open_until_the_run_and_its_rollback_have_ended(deployed: Deployed) -> None:
    at_the_end = gate(deployed.installation, "settled")
    deployed.worker.fault(f"publish.before=raise,settled=wait:{at_the_end}")
    run = deployed.client.send()
    wait_for_gate(at_the_end)
    seen = {_look(run) for _ in range(20)}
    assert seen <= {"PENDING", "STARTED", "PROGRESS"}
    at_the_end.touch()
    with pytest.raises(BackupFailed, match="broken on purpose"):
        run.get(timeout=30)
    deployed.demand_stable(deployed.client.report(run))


def _look(run: AsyncResult) -> str:
    time.sleep(0.05)
    return str(run.state)


def test_while_a_run_works_its_result_shows_where_it_is(deployed: Deployed) -> None:
    at_the_dump = gate(deployed.installation, "dumping")
    deployed.worker.fault(f"dump_source.end=wait:{at_the_dump}")
    run = deployed.client.send()
    wait_for_gate(at_the_dump)
    wait_until(lambda: run.state == "PROGRESS", "progress", 5)
    assert run.info["step"] == "dump_source"
    told = run.info["position"]
    assert "tables" in told or "MB" in told or told == "waiting for the safety backup", told
    at_the_dump.touch()
    assert deployed.client.report(run)["outcome"] == "succeeded"


def test_a_run_sent_by_celerys_own_command_is_a_run_by_hand(deployed: Deployed) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "worker", "call", "tasks.run_backup"],
        env=deployed.installation.environment,
        cwd=deployed.installation.home,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    report = deployed.client.report(deployed.client.result(done.stdout.strip()))
    assert (report["outcome"], report["job_id"], report["slot"]) == ("succeeded", "manual", None)


def test_a_target_that_was_written_to_is_held_and_nothing_is_rolled_back(deployed: Deployed) -> None:
    deployed.installation.on_target("CREATE TABLE public.failed_over AS SELECT 1 AS id")
    before = deployed.installation.fingerprint(), deployed.installation.comment()
    run = deployed.client.send()
    try:
        with pytest.raises(BackupFailed, match="was written to since the copy of") as caught:
            run.get(timeout=60)
        assert before == (deployed.installation.fingerprint(), deployed.installation.comment())
    finally:
        deployed.installation.on_target("DROP TABLE public.failed_over")
    report = caught.value.report
    assert report is not None
    assert (report["outcome"], report["success"], report["error"]) == ("held", False, str(caught.value))
    assert "railway-neon-sync adopt" in report["error"]
    assert "railway-neon-sync promote" in report["error"]
    # Celery's own lines name the errback, which comes all the same and finds nothing to do.
    assert not any("ROLLING BACK" in line or "Rollback" in line for line in deployed.worker.lines_of(run.id))
    for stem in ("source_db_backup", "backup_safety"):
        assert (deployed.installation.backup_dir / f"{stem}_{report['stamp']}.sql").exists()
    deployed.demand_stable(report)


def test_a_target_that_is_written_to_after_its_safety_backup_is_held_with_what_was_written(deployed: Deployed) -> None:
    """Guard 2 at the last moment: swap looks at the old database after the rename."""
    late = gate(deployed.installation, "late")
    deployed.worker.fault(f"restore_target.begin=wait:{late}")
    run = deployed.client.send()
    wait_for_gate(late)
    deployed.installation.on_target("CREATE TABLE public.late AS SELECT 1 AS id")
    before = deployed.installation.fingerprint(), deployed.installation.comment()
    late.touch()
    try:
        report = deployed.client.report(run)
        assert report["outcome"] == "held"
        assert before == (deployed.installation.fingerprint(), deployed.installation.comment())
        assert deployed.installation.leftovers() == []
    finally:
        deployed.installation.on_target("DROP TABLE IF EXISTS public.late")
    deployed.demand_stable(report)
