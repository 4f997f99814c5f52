"""Messages that come together, twice, late, or from nowhere: one run, one outcome, and nothing done twice."""

import re
import threading
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from celery.result import AsyncResult

from tests.support.deployment import Deployed, deployed_at, without_faults
from tests.support.installation import Installation, installed
from tests.support.workers import gate, wait_for_gate, wait_until
from worker.demo.servers import PostgresServer, ValkeyServer

DIRECT = "worker@tests.dq2"


@pytest.fixture(scope="module")
def running(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Deployed]:
    home = tmp_path_factory.mktemp("messages")
    with (
        installed(source_server, target_server, valkey_server, home) as installation,
        deployed_at(installation) as found,
    ):
        yield found


@pytest.fixture
def deployed(running: Deployed) -> Iterator[Deployed]:
    with without_faults(running):
        yield running


def state_of(installation: Installation) -> tuple[Any, ...]:
    """All that a message which must do nothing leaves as it was."""
    names = sorted(path.name for path in installation.backup_dir.rglob("*") if path.suffix in {".sql", ".json"})
    return installation.fingerprint(), installation.comment(), names, installation.lock()


def send_again(deployed: Deployed, task: str, run_id: str) -> Any:
    """One more message of a step or of the errback; returns when it has been handled."""
    sent = deployed.client.app.send_task(task, args=[run_id], queue=DIRECT)
    wait_until(lambda: f"[{sent.id}]" in deployed.worker.text, f"{task} to be handled")
    handled = re.compile(rf"Task {re.escape(task)}\[{sent.id}\] (succeeded|ignored|raised)")
    wait_until(lambda: handled.search(deployed.worker.text), f"the end of {task}")
    return sent


def test_a_second_run_meanwhile_is_skipped_and_says_who_holds_the_lock_since_when(deployed: Deployed) -> None:
    meanwhile = gate(deployed.installation, "meanwhile")
    deployed.worker.fault(f"dump_source.begin=wait:{meanwhile}")
    first = deployed.client.send()
    wait_for_gate(meanwhile)
    lock = deployed.installation.lock()
    second = deployed.client.report(deployed.client.send())
    assert (second["outcome"], second["success"], second["backup_stats"]) == ("skipped", False, None)
    assert re.fullmatch(
        rf"another run holds the lock: {first.id} \(manual\) on \S+, since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC",
        second["error"],
    )
    assert deployed.installation.lock() == lock != []
    assert first.state in {"STARTED", "PROGRESS"}
    meanwhile.touch()
    report = deployed.client.report(first)
    assert report["outcome"] == "succeeded"
    since = datetime.fromisoformat(report["start_time"])
    assert f"since {since:%Y-%m-%d %H:%M:%S} UTC" in second["error"]
    assert f"Unified DB → Railway Backup skipped: {second['error']}" in deployed.worker.text
    deployed.demand_stable(second)


def test_a_run_in_the_callers_process_is_skipped_while_a_workers_run_works_and_the_other_way_round(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation, meanwhile = deployed.installation, gate(deployed.installation, "meanwhile")
    deployed.worker.fault(f"dump_source.begin=wait:{meanwhile}")
    workers = deployed.client.send()
    wait_for_gate(meanwhile)
    here = installation.run_here()  # without Redis: the journal knows
    assert (here["outcome"], workers.id in here["error"]) == ("skipped", True)
    meanwhile.touch()
    assert deployed.client.report(workers)["outcome"] == "succeeded"

    deployed.worker.fault("")
    here_too = gate(installation, "here")
    monkeypatch.setenv("RNS_FAULT", f"dump_source.begin=wait:{here_too}")
    reports: list[dict[str, Any]] = []
    other_way = threading.Thread(target=lambda: reports.append(installation.run_here()))
    other_way.start()
    wait_for_gate(here_too)
    workers_report = deployed.client.run()
    here_too.touch()
    other_way.join(60)
    assert reports[0]["outcome"] == "succeeded"
    assert (workers_report["outcome"], reports[0]["run_id"] in workers_report["error"]) == ("skipped", True)


def test_of_two_runs_in_the_same_second_one_works_and_each_has_its_own_stamp(deployed: Deployed) -> None:
    runs = [deployed.client.send() for _ in range(2)]
    reports = [deployed.client.report(run) for run in runs]
    assert sorted(report["outcome"] for report in reports) == ["skipped", "succeeded"]
    assert len({report["stamp"] for report in reports}) == 2
    for report in reports:
        deployed.demand_stable(report, for_s=0.2)


@pytest.mark.parametrize("fault", ["", "check_guards.begin=raise"], ids=["succeeded", "failed"])
def test_a_run_whose_message_is_delivered_twice_runs_once(deployed: Deployed, fault: str) -> None:
    deployed.worker.fault(fault)
    run = deployed.client.send()
    deployed.client.send(task_id=run.id)
    report = deployed.client.report(run)
    before = state_of(deployed.installation)
    again = deployed.client.send(task_id=run.id)
    wait_until(
        lambda: deployed.worker.text.count(f"Task tasks.run_backup[{run.id}] ignored") >= 3, "the third message", 20
    )
    assert state_of(deployed.installation) == before
    assert deployed.client.report(again, timeout_s=5) == report
    deployed.demand_stable(report)
    dumps = [path.name for path in deployed.installation.backup_dir.glob(f"*{report['stamp']}.sql")]
    assert len(dumps) == 2


@pytest.mark.parametrize("step", ["restore_target", "verify_target", "finish"])
def test_a_step_that_is_delivered_twice_works_once(deployed: Deployed, step: str) -> None:
    during = gate(deployed.installation, "during")
    deployed.worker.fault(f"{step}.begin=wait:{during}")
    run = deployed.client.send()
    wait_for_gate(during)
    before = state_of(deployed.installation)
    send_again(deployed, f"tasks.{step}", run.id)
    assert state_of(deployed.installation) == before
    during.touch()
    report = deployed.client.report(run)
    assert report["outcome"] == "succeeded"
    assert [found["name"] for found in report["steps"]].count(step) == 1
    before = state_of(deployed.installation)
    send_again(deployed, f"tasks.{step}", run.id)
    assert state_of(deployed.installation) == before
    deployed.demand_stable(report)


def test_the_errback_of_a_failed_run_does_nothing_when_it_comes_again(deployed: Deployed) -> None:
    deployed.worker.fault("publish.before=raise")
    report = deployed.client.run()
    assert report["outcome"] == "rolled_back"
    before = state_of(deployed.installation)
    for _ in range(2):
        sent = send_again(deployed, "tasks.rollback", report["run_id"])
        assert sent.get(timeout=10) == "nothing to do: the run ended as rolled_back"
    assert state_of(deployed.installation) == before
    deployed.demand_stable(report)


def test_two_errbacks_at_once_end_a_run_once(deployed: Deployed) -> None:
    settling = gate(deployed.installation, "settling")
    deployed.worker.fault(f"publish.before=raise,settled=wait:{settling}")
    run = deployed.client.send()
    wait_for_gate(settling)
    second = send_again(deployed, "tasks.rollback", run.id)
    assert second.get(timeout=10) == "nothing to do: another process is ending the run"
    settling.touch()
    report = deployed.client.report(run)
    assert report["outcome"] == "rolled_back"
    lines = [line for line in deployed.worker.lines_of(run.id) if "ROLLING BACK" in line]
    assert len(lines) == 1
    deployed.demand_stable(report)


def test_an_errback_that_comes_after_the_run_was_verified_undoes_nothing(deployed: Deployed) -> None:
    verified = gate(deployed.installation, "verified")
    deployed.worker.fault(f"finish.begin=wait:{verified}")
    run = deployed.client.send()
    wait_for_gate(verified)
    before = deployed.installation.fingerprint(), deployed.installation.comment()
    send_again(deployed, "tasks.rollback", run.id)
    verified.touch()
    report = deployed.client.report(run)
    assert (report["outcome"], report["success"]) == ("succeeded", True)
    assert before == (deployed.installation.fingerprint(), deployed.installation.comment())
    assert deployed.installation.differences() == []
    assert not any("ROLLING BACK" in line for line in deployed.worker.lines_of(run.id))
    deployed.demand_stable(report)


def test_an_errback_that_comes_after_a_newer_run_leaves_the_newer_copy_alone(deployed: Deployed) -> None:
    deployed.worker.fault("publish.before=raise")
    failed = deployed.client.run()
    newer = deployed.demand_that_the_next_run_works()
    before = state_of(deployed.installation)
    for report in (failed, newer):
        sent = send_again(deployed, "tasks.rollback", report["run_id"])
        assert sent.get(timeout=10) == f"nothing to do: the run ended as {report['outcome']}"
    assert state_of(deployed.installation) == before
    deployed.demand_stable(failed, for_s=0.2)
    deployed.demand_stable(newer, for_s=0.2)


def test_messages_of_a_run_that_nobody_knows_do_nothing(deployed: Deployed) -> None:
    before = state_of(deployed.installation)
    sent = send_again(deployed, "tasks.rollback", "no-such-run")
    assert sent.get(timeout=10) == "nothing to do: the journal does not know this run"
    send_again(deployed, "tasks.restore_target", "no-such-run")
    assert state_of(deployed.installation) == before


def test_a_caller_that_links_callbacks_gets_them_at_the_runs_end(deployed: Deployed) -> None:
    """`link` and `link_error` of the entry task are not lost when its steps take over."""
    app = deployed.client.app
    ended: list[AsyncResult] = []
    for fault in ("", "dump_source.begin=raise"):
        deployed.worker.fault(fault)
        callback = app.signature("tasks.reconcile", immutable=True).set(queue="railway_neon_sync")
        callback.freeze()
        sent = app.send_task("tasks.run_backup", queue="railway_neon_sync", link=callback, link_error=callback)
        deployed.client.report(sent)
        ended.append(AsyncResult(callback.id, app=app))
    for result in ended:
        assert result.get(timeout=20) == []
