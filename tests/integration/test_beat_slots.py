"""Slots at a real worker, on a clock that the tests move: started once, missed once, and told."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.deployment import Deployed
from tests.support.failing import change_source
from tests.support.installation import Installation, installed
from tests.support.workers import beating, client_of, wait_until, working
from worker.demo.servers import PostgresServer, ValkeyServer

MORNING, EVENING = "unified_db_railway_backup_morning", "unified_db_railway_backup_evening"
FIRST = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=2)


def at(day: int, hour: int, minute: int, second: int = 0) -> datetime:
    return FIRST + timedelta(days=day, hours=hour, minutes=minute, seconds=second)


@pytest.fixture(scope="module")
def deployed(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Deployed]:
    """Installed on the first day at noon. Each test has a day of its own, and the days go on."""
    home = tmp_path_factory.mktemp("slots")
    clock = home / "clock"
    with installed(source_server, target_server, valkey_server, home, RNS_CLOCK_FILE=str(clock)) as installation:
        move_clock(installation, at(0, 12, 0))
        with (
            working(installation, include=["tests.support.moved_clock"]) as worker,
            client_of(installation) as client,
        ):
            yield Deployed(installation, worker, client)


def move_clock(installation: Installation, to: datetime) -> None:
    seconds = (to - datetime.now(UTC)).total_seconds()
    Path(installation.extra["RNS_CLOCK_FILE"]).write_text(str(seconds))


def reports_of(installation: Installation, day: datetime) -> list[dict[str, Any]]:
    """The reports on disk of runs that started on this day."""
    return [json.loads(path.read_text()) for path in installation.reports_dir.glob(f"{day:%Y%m%d}_*.json")]


def test_a_first_installation_at_noon_has_missed_nothing(deployed: Deployed) -> None:
    assert deployed.reconcile() == []
    assert deployed.client.run()["outcome"] == "succeeded"
    assert deployed.reconcile() == []
    assert list(deployed.installation.reports_dir.glob("*.json")) != []
    assert "missed" not in deployed.worker.text


def test_a_slot_that_nobody_started_is_told_as_missed_once(deployed: Deployed) -> None:
    move_clock(deployed.installation, at(0, 18, 9, 30))
    assert deployed.reconcile() == []
    move_clock(deployed.installation, at(0, 18, 10, 5))
    run_id = f"missed-{EVENING}-{at(0, 18, 0):%Y%m%dT%H%MZ}"
    assert deployed.reconcile() == [f"run {run_id}: missed"]
    assert deployed.reconcile() == []
    report = deployed.client.report(deployed.client.result(run_id), timeout_s=5)
    assert (report["outcome"], report["success"], report["job_id"]) == ("missed", False, EVENING)
    assert report["slot"] == at(0, 18, 0).isoformat(timespec="seconds")
    assert report["error"] == f"it was due at {at(0, 18, 0):%Y-%m-%d %H:%M} UTC and nobody started it"
    lines = deployed.worker.lines_of(run_id)
    assert len([line for line in lines if f"Unified DB → Railway Backup missed: {report['error']}" in line]) == 1
    assert json.loads((deployed.installation.reports_dir / f"{report['stamp']}.json").read_text()) == report


def test_a_run_that_comes_within_its_grace_works_and_bears_job_and_slot(deployed: Deployed) -> None:
    for hour, minute, second, job in ((6, 8, 0, MORNING), (18, 9, 50, EVENING)):
        move_clock(deployed.installation, at(1, hour, minute, second))
        change_source(deployed.installation)
        report = deployed.client.run(job=job)
        assert (report["outcome"], report["error"], report["job_id"]) == ("succeeded", None, job)
        assert report["slot"] == at(1, hour, 0).isoformat(timespec="seconds")
    move_clock(deployed.installation, at(1, 23, 0))
    assert deployed.reconcile() == []


@pytest.mark.parametrize(("day", "minute", "second"), [(2, 10, 1), (3, 11, 0), (4, 15, 0)])
def test_a_run_that_comes_too_late_is_missed_and_not_started(
    deployed: Deployed, day: int, minute: int, second: int
) -> None:
    move_clock(deployed.installation, at(day, 5, 59))
    deployed.reconcile()
    before = deployed.installation.comment()
    move_clock(deployed.installation, at(day, 6, minute, second))
    report = deployed.client.run(job=MORNING)
    assert (report["outcome"], report["success"], report["job_id"]) == ("missed", False, MORNING)
    due = f"it was due at {at(day, 6, 0):%Y-%m-%d %H:%M} UTC and could not start within 600 s"
    assert report["error"] == due
    assert f"Unified DB → Railway Backup missed: {due}" in deployed.worker.text
    assert deployed.installation.comment() == before
    assert deployed.reconcile() == []
    told = [found for found in reports_of(deployed.installation, at(day, 6, 0)) if found["slot"] == report["slot"]]
    assert told == [report], "missed once, not twice"


def test_a_run_by_hand_has_no_slot_and_takes_none(deployed: Deployed) -> None:
    move_clock(deployed.installation, at(5, 6, 3))
    by_hand = deployed.client.run()
    assert (by_hand["outcome"], by_hand["job_id"], by_hand["slot"]) == ("succeeded", "manual", None)
    scheduled = deployed.client.run(job=MORNING)
    assert (scheduled["outcome"], scheduled["slot"]) == ("succeeded", at(5, 6, 0).isoformat(timespec="seconds"))
    again = deployed.client.run(job=MORNING)
    assert again["outcome"] == "skipped"
    assert again["error"].endswith(f"was handled already, by run {scheduled['run_id']}")


def test_of_two_beats_one_brings_a_run_and_the_other_ones_is_skipped(deployed: Deployed) -> None:
    """From the timetable to the copy: beat, broker, worker, databases.

    The beats begin a while before six: without a schedule file of an earlier start, a tick that passes while they
    still start up is lost, and on a busy machine that takes seconds.
    """
    installation = deployed.installation
    change_source(installation)
    move_clock(installation, at(6, 5, 59))
    deployed.reconcile()
    with (
        beating(installation, name="one", at=at(6, 5, 59, 38)),
        beating(installation, name="other", at=at(6, 5, 59, 40)),
    ):

        def ended() -> list[dict[str, Any]]:
            today = [report for report in reports_of(installation, at(6, 6, 0)) if report["outcome"] != "missed"]
            return today if len(today) == 2 else []

        reports = wait_until(ended, "two runs to end", 90)
    assert {report["outcome"] for report in reports} == {"succeeded", "skipped"}
    assert {report["job_id"] for report in reports} == {MORNING}
    worked = next(report for report in reports if report["outcome"] == "succeeded")
    assert worked["slot"] == at(6, 6, 0).isoformat(timespec="seconds")
    assert installation.differences() == []
    assert installation.leftovers() == []
