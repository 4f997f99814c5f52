"""The metrics: right when they are read later, and the alerts and the dashboard that read them."""

import os
import re
import shutil
import stat
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tasks.engine import metrics
from tasks.engine.drills import Drill
from tasks.engine.metrics import MEANINGS, PREFIX, rendered, samples_of, write_metrics, write_metrics_or_tell
from tasks.engine.overview import Lock, Overview, read_overview
from tests.support.bench import Bench

DEPLOY = Path(__file__).parents[4] / "deploy"
ALERTS, ALERTS_TEST = DEPLOY / "prometheus" / "alerts.yml", DEPLOY / "prometheus" / "alerts_test.yml"
DASHBOARD = DEPLOY / "grafana" / "dashboard.json"
NAME = re.compile(rf"{PREFIX}(\w+)")
DRILL = Drill(
    at="2025-11-24T12:00:00+00:00",
    dump="source_db_backup_20251124_060000.sql",
    run_id="one",
    snapshot_at="2025-11-24T06:00:00+00:00",
    server="h:5432",
    size_bytes=1,
    tables=1,
    rows=1,
    load_s=1.0,
    prove_s=1.0,
    rto_s=12.5,
    ok=True,
    error=None,
)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def overview_of(bench: Bench) -> Overview:
    return read_overview(bench.settings, bench.journal, now=datetime.now(UTC), last_runs=None)


def values(text: str) -> dict[str, float]:
    """Each sample by its name and labels, the pair left out."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sample.labels.items() if name != "pair")
            found[sample.name.removeprefix(PREFIX) + (f"[{labels}]" if labels else "")] = sample.value
    return found


def promtool() -> str:
    found = shutil.which("promtool")
    if found is None and os.environ.get("CI") != "true":
        pytest.skip("promtool is not here; Debian has it in the package prometheus")
    assert found, "promtool is missing; Debian has it in the package prometheus"
    return found


def test_they_tell_instants_and_not_ages(bench: Bench) -> None:
    bench.end("succeeded")
    bench.end("failed", "x")
    overview = overview_of(bench)
    found = values(rendered(samples_of(overview, promoted=False, undelivered=2, drill=DRILL), pair="a").decode())
    assert overview.copy is not None
    assert overview.current is None
    assert found["verified_copy_timestamp_seconds"] == overview.copy.snapshot_at.timestamp()
    assert found["written_timestamp_seconds"] == overview.now.timestamp()
    assert found["stale_after_seconds"] == 46_800
    assert found["verified_copy_rows[table=users]"] == 57
    assert found["notices_undelivered"] == 2
    assert found["last_run_outcome[outcome=failed]"] == 1
    assert found["last_run_outcome[outcome=succeeded]"] == 0
    assert found["runs_remembered[outcome=succeeded]"] == found["runs_remembered[outcome=failed]"] == 1
    assert found["runs_remembered[outcome=held]"] == 0
    assert found["run_end_timestamp_seconds[outcome=failed]"] == pytest.approx(overview.now.timestamp(), abs=60)
    assert "run_end_timestamp_seconds[outcome=held]" not in found
    assert "open_run_start_timestamp_seconds" not in found
    assert "lock_held" not in found, "nobody asked Redis"
    assert found["last_drill_timestamp_seconds"] == datetime(2025, 11, 24, 12, tzinfo=UTC).timestamp()
    assert (found["last_drill_duration_seconds"], found["last_drill_success"]) == (12.5, 1)
    assert found["next_run_timestamp_seconds[job=unified_db_railway_backup_morning]"] > overview.now.timestamp()
    assert [name for name in MEANINGS if "age" in name.split("_")] == []


def test_a_run_that_goes_and_the_lock_that_it_holds(bench: Bench) -> None:
    run_id = bench.begin(started_at=datetime(2025, 11, 24, 6, tzinfo=UTC))
    overview = replace(overview_of(bench), lock=Lock(holder=run_id))
    found = values(rendered(samples_of(overview, promoted=True, undelivered=0, drill=None), pair="a").decode())
    assert found["open_run_start_timestamp_seconds"] == datetime(2025, 11, 24, 6, tzinfo=UTC).timestamp()
    assert (found["lock_held"], found["promoted"]) == (1, 1)
    assert "last_drill_timestamp_seconds" not in found


def test_every_run_writes_them_anew_for_its_owner_alone(bench: Bench) -> None:
    bench.end("succeeded")
    path = bench.settings.metrics_file
    assert path == bench.settings.backup_dir / "metrics.prom"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first = values(path.read_text())
    assert first["last_run_outcome[outcome=succeeded]"] == 1
    assert first["info[source=shop,target=railway]"] == 1
    bench.end("failed", "x")
    assert values(path.read_text())["last_run_outcome[outcome=failed]"] == 1


def test_a_collectors_folder_gets_a_file_that_the_collector_may_read(bench: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "textfile"
    folder.mkdir()
    settings = bench.with_settings(METRICS_FILE=str(folder / "backup.prom"))
    path = write_metrics(settings, bench.journal, now=datetime.now(UTC), lease=None)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [entry.name for entry in folder.iterdir()] == ["backup.prom"]


def test_a_folder_that_is_not_there_is_told_and_harms_nothing(
    bench: Bench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = bench.with_settings(METRICS_FILE=str(tmp_path / "nowhere" / "backup.prom"))
    write_metrics_or_tell(settings, bench.journal, now=datetime.now(UTC), lease=None)
    assert "the metrics could not be written" in caplog.text


def test_promtool_finds_nothing_wrong_with_them(bench: Bench) -> None:
    bench.end("succeeded")
    text = rendered(samples_of(overview_of(bench), promoted=False, undelivered=0, drill=DRILL), pair="a")
    checked = subprocess.run([promtool(), "check", "metrics"], input=text, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


@pytest.mark.parametrize("arguments", [["check", "rules", str(ALERTS)], ["test", "rules", str(ALERTS_TEST)]])
def test_the_alerts_fire_when_they_should_and_not_before(arguments: list[str]) -> None:
    done = subprocess.run([promtool(), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_test_in_which_it_fires() -> None:
    rules = {rule["alert"] for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]}
    fired = set()
    for case in yaml.safe_load(ALERTS_TEST.read_text())["tests"]:
        fired |= {test["alertname"] for test in case.get("alert_rule_test", ()) if test["exp_alerts"]}
        labels = [sample["labels"] for test in case.get("promql_expr_test", ()) for sample in test["exp_samples"]]
        fired |= set(re.findall(r'alertname="(\w+)"', " ".join(labels)))
    assert rules - fired == set()


@pytest.mark.parametrize("path", [ALERTS, ALERTS_TEST, DASHBOARD], ids=lambda path: path.name)
def test_what_reads_the_metrics_names_only_metrics_that_are_written(path: Path) -> None:
    named = set(NAME.findall(path.read_text()))
    assert named
    assert named - set(MEANINGS) == set()


def test_the_dashboard_shows_every_metric_but_those_that_only_rules_need() -> None:
    shown = set(NAME.findall(DASHBOARD.read_text()))
    unseen = {
        "info",
        "known_since_timestamp_seconds",
        "last_run_start_timestamp_seconds",
        "open_run_start_timestamp_seconds",
    }
    assert set(MEANINGS) - shown == unseen


def test_the_age_in_an_alert_follows_the_setting(bench: Bench) -> None:
    settings = bench.with_settings(STALE_AFTER_S="1000")
    overview = read_overview(settings, bench.journal, now=datetime.now(UTC) + timedelta(days=1))
    found = values(rendered(samples_of(overview, promoted=False, undelivered=0, drill=None), pair="a").decode())
    assert found["stale_after_seconds"] == 1000
    assert metrics.PREFIX == "railway_neon_sync_"
