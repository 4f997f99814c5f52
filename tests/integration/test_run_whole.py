"""A whole run through a real worker: what it leaves, and what it tells to whom."""

import hashlib
import json
import re
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.installation import CHANGES, Installation, installed
from tests.support.workers import Client, Worker, client_of, in_a_fresh_process, working
from worker.demo.servers import PostgresServer, ValkeyServer

STATS = {"users": 57, "escrows": 12, "wallets": 45, "transactions": 234}
CHANGED = {"users": 60, "escrows": 13, "wallets": 48, "transactions": 240}
STEPS = [
    "verify_connections",
    "dump_source",
    "back_up_target",
    "check_guards",
    "restore_target",
    "verify_target",
    "finish",
]


class Ran:
    """Two runs, the second after changes at the source, and everything that can be asked about them afterwards."""

    def __init__(self, installation: Installation, worker: Worker, client: Client) -> None:
        self.installation, self.worker, self.client = installation, worker, client
        self.first = client.run()
        self.first_differences = installation.differences()
        installation.on_source(CHANGES)
        self.second = client.run()
        self.differences = installation.differences()

    @property
    def reports(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return self.first, self.second


@pytest.fixture(scope="module", params=["swap text", "in_place json"])
def ran(
    request: pytest.FixtureRequest,
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Ran]:
    method, log_format = request.param.split()
    home = tmp_path_factory.mktemp(f"whole_{method}")
    extra = {"RESTORE_METHOD": method, "LOG_FORMAT": log_format}
    with (
        installed(source_server, target_server, valkey_server, home, **extra) as installation,
        working(installation) as worker,
        client_of(installation) as client,
    ):
        yield Ran(installation, worker, client)


def test_the_copy_equals_the_source_each_time(ran: Ran) -> None:
    assert ran.first_differences == []
    assert ran.differences == []


def test_the_report_has_its_fixed_keys_with_their_meanings(ran: Ran) -> None:
    for report, stats in zip(ran.reports, (STATS, CHANGED), strict=True):
        assert report["success"] is True
        assert report["outcome"] == "succeeded"
        assert report["job_id"] == "manual"
        assert report["error"] is None
        assert report["source_stats"] == stats
        assert report["backup_stats"] == stats
        assert list(report["source_stats"]) == list(stats)
        assert [(step["name"], step["state"]) for step in report["steps"]] == [(name, "done") for name in STEPS]
        assert report["method"] == ran.installation.extra["RESTORE_METHOD"]


def test_the_report_tells_what_each_step_did_how_long_and_how_much(ran: Ran) -> None:
    for report in ran.reports:
        phases = {(step["name"], phase["name"]): phase for step in report["steps"] for phase in step["phases"]}
        assert phases["dump_source", "reading and dumping"]["bytes"] == report["source_dump"]["size_bytes"]
        if report is ran.first:  # later the dump of the copy before is the safety backup too
            assert phases["back_up_target", "reading and dumping"]["bytes"] == report["safety_dump"]["size_bytes"]
            assert ("back_up_target", "examining the dump") in phases
        else:
            assert report["safety_dump"]["same_as"] == ran.first["source_dump"]["file"]
            assert phases["back_up_target", "reading what stands there"]["tables"] == ran.first["source_dump"]["tables"]
            assert ("back_up_target", "reading the last dump again") in phases
        assert phases["restore_target", "loading"]["bytes"] == report["source_dump"]["size_bytes"]
        assert phases["restore_target", "proving the copy"]["tables"] == report["source_dump"]["tables"]
        assert phases["verify_target", "verifying"]["tables"] == report["source_dump"]["tables"]
        assert phases["restore_target", "loading"]["round_trips"] > 0
        assert phases["verify_connections", "looking at both databases"]["round_trips"] > 0
        took = {step["name"]: step["seconds"] for step in report["steps"]}
        took["back_up_target"] += took["dump_source"]  # beside which it is made
        for step in report["steps"]:
            assert sum(phase["seconds"] for phase in step["phases"]) <= took[step["name"]] + 0.01


def test_the_reports_times_are_iso_8601_in_utc_and_fit_each_other(ran: Ran) -> None:
    for report in ran.reports:
        for key in ("start_time", "end_time"):
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", report[key])
        began, ended = (datetime.fromisoformat(report[key]) for key in ("start_time", "end_time"))
        assert timedelta(0) <= ended - began
        assert abs((ended - began).total_seconds() - report["duration_seconds"]) <= 1
        assert f"{began:%Y%m%d_%H%M%S}" == report["stamp"]


def test_each_run_leaves_two_dumps_their_manifests_and_its_report_and_nothing_else(ran: Ran) -> None:
    expected = {".journal", ".spare", "journal.sqlite3", "metrics.prom", "reports", "status.html"}
    for report in ran.reports:
        for stem in (f"source_db_backup_{report['stamp']}", f"backup_safety_{report['stamp']}"):
            expected |= {f"{stem}.sql", f"{stem}.manifest.json"}
        expected.add(f"reports/{report['stamp']}.json")
    folder = ran.installation.backup_dir
    assert {str(path.relative_to(folder)) for path in folder.rglob("*")} == expected


def test_the_status_page_shows_the_newest_run_and_is_there_with_its_result(ran: Ran) -> None:
    page = (ran.installation.backup_dir / "status.html").read_text()
    assert "<h1>The copy is good</h1>" in page
    assert f"<dt>Run</dt><dd>{ran.second['run_id']}</dd>" in page
    assert "<b>60</b> users" in page


def test_files_are_nobody_elses(ran: Ran) -> None:
    folder = ran.installation.backup_dir
    for path in [folder, *folder.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_the_dump_is_a_complete_plain_file_and_its_manifest_tells_its_size_and_hash(ran: Ran) -> None:
    for report in ran.reports:
        path = ran.installation.backup_dir / f"source_db_backup_{report['stamp']}.sql"
        assert b"-- PostgreSQL database dump complete" in path.read_bytes()[-400:]
        manifest = json.loads(path.with_name(f"{path.stem}.manifest.json").read_text())
        assert manifest["size_bytes"] == path.stat().st_size
        assert manifest["sha256"] == _sha256(path)
        assert manifest["run_id"] == report["run_id"]


def test_the_report_file_holds_the_same_document(ran: Ran) -> None:
    for report in ran.reports:
        path = ran.installation.reports_dir / f"{report['stamp']}.json"
        assert json.loads(path.read_text(encoding="utf-8")) == report


def test_any_process_gets_the_report_by_the_runs_id(ran: Ran) -> None:
    for report in ran.reports:
        asked = ran.client.result(report["run_id"])
        assert asked.state == "SUCCESS"
        assert asked.get(timeout=5) == report
    script = (
        "import json; from tasks import run_backup; "
        f"print(json.dumps(run_backup.AsyncResult({ran.first['run_id']!r}).get(timeout=20)))"
    )
    assert in_a_fresh_process(ran.installation, script) == ran.first


def test_the_fixed_lines_stand_in_the_log_to_the_letter_and_in_their_order(ran: Ran) -> None:
    for report, stats in zip(ran.reports, (STATS, CHANGED), strict=True):
        megabytes = report["source_dump"]["size_bytes"] / 1024**2
        counts = ", ".join(f"{rows} {name}" for name, rows in stats.items())
        fixed = [
            f"✅ Source database dumped: {megabytes:.2f} MB",
            "✅ Railway backup database restored successfully",
            f"✅ Railway backup verification: {counts}",
            f"✅ Unified DB → Railway Backup completed in {report['duration_seconds']:.1f}s",
        ]
        lines = _messages(ran, report["run_id"])
        assert [line for line in lines if "✅" in line or "❌" in line or "🔄" in line] == fixed


def test_the_report_is_logged_as_one_line(ran: Ran) -> None:
    for report in ran.reports:
        logged = [line for line in _messages(ran, report["run_id"]) if line.startswith("report ")]
        assert [json.loads(line.removeprefix("report ")) for line in logged] == [report]


def test_lines_about_files_carry_the_word_backup_storage(ran: Ran) -> None:
    lines = _messages(ran, ran.first["run_id"])
    about_files = [line for line in lines if ".sql" in line and "MB" in line and not line.startswith("report ")]
    made = [line for line in about_files if "made" in line]
    assert len(made) == 2
    assert all("BACKUP_STORAGE" in line for line in made)
    assert any("BACKUP_STORAGE" in line and "free" in line for line in lines)


def test_the_journal_knows_the_run_and_each_step(ran: Ran) -> None:
    with closing(sqlite3.connect(ran.installation.backup_dir / "journal.sqlite3")) as journal:
        for report in ran.reports:
            row = journal.execute(
                "SELECT state, outcome, error, job_id, slot, stamp, report, verified_at IS NOT NULL FROM rns_runs "
                "WHERE run_id = ?",
                [report["run_id"]],
            ).fetchone()
            assert row[:6] == ("ended", "succeeded", None, "manual", None, report["stamp"])
            assert json.loads(row[6]) == report
            assert row[7] == 1
            steps = journal.execute(
                "SELECT name, state, took_s IS NOT NULL FROM rns_steps WHERE run_id = ? ORDER BY began_at",
                [report["run_id"]],
            ).fetchall()
            assert steps == [(name, "done", 1) for name in STEPS]


def test_the_target_carries_the_mark_of_the_newest_run(ran: Ran) -> None:
    comment = ran.installation.comment()
    assert comment is not None
    mark = json.loads(comment)
    assert mark["run_id"] == ran.second["run_id"]
    assert mark["content_digest"] == ran.second["source_dump"]["content_digest"]
    assert mark["snapshot_at"] == ran.second["source_dump"]["taken_at"]


def test_nothing_is_left_behind(ran: Ran) -> None:
    assert ran.installation.leftovers() == []


def test_each_steps_own_result_can_be_seen(ran: Ran) -> None:
    """Its state, seconds and summary, under its name: what Flower shows."""
    lines = _messages(ran, ran.first["run_id"])
    for name in STEPS:
        assert any(re.match(rf"{name} done in \d+\.\d s: ", line) for line in lines), name


def test_celerys_own_lines_about_a_run_bear_its_id_too(ran: Ran) -> None:
    """Received, succeeded: in the main process and in a child of it."""
    about = [line for line in ran.worker.text.splitlines() if "Task tasks." in line and "reconcile" not in line]
    assert len(about) >= 2 * 2 * len(STEPS)
    if ran.installation.extra["LOG_FORMAT"] == "json":
        found = {json.loads(line)["run_id"] for line in about}
    else:
        found = {line.partition("[")[2].partition("]")[0] for line in about}
    assert found == {report["run_id"] for report in ran.reports}


def _messages(ran: Ran, run_id: str) -> list[str]:
    """The messages of one run, without what the format puts around them."""
    if ran.installation.extra["LOG_FORMAT"] == "json":
        records = [json.loads(line) for line in ran.worker.text.splitlines() if line.startswith("{")]
        return [record["message"] for record in records if record["run_id"] == run_id]
    return [line.partition(f"[{run_id}] ")[2] for line in ran.worker.lines_of(run_id)]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
