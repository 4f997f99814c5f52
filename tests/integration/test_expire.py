"""The expire command shows a plan with its reasons, and does exactly that."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import Result

from tasks.engine.journal import Journal
from tasks.engine.names import dump_path, manifest_path, stamp_of
from tests.support.command import command_in

NOW = datetime.now(UTC).replace(microsecond=0)
URLS = {"DATABASE_URL": "postgresql://u:p@neon/a", "RAILWAY_BACKUP_DB_URL": "postgresql://u:p@railway/b"}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"BACKUP_DIR": str(tmp_path / "backups"), **URLS}


def remember(environment: dict[str, str], ages_in_days: list[float], outcome: str = "succeeded") -> list[Path]:
    """Runs of these ages with their dump files; the newest last."""
    from config.settings import load_settings  # noqa: PLC0415

    settings = load_settings(environment, None)
    settings.backup_dir.mkdir(mode=0o700, exist_ok=True)
    journal = Journal(settings.journal_url.get_secret_value(), pair=settings.pair)
    dumps = []
    for age in ages_in_days:
        began = NOW - timedelta(days=age)
        run_id, stamp = f"run-{age}", stamp_of(began)
        journal.begin_run(
            run_id, job_id="manual", slot=None, stamp=stamp, started_at=began, host="h", allowance_s=60, options={}
        )
        journal.mark_verified(run_id)
        assert journal.end_run(run_id, outcome=outcome, error=None, report={})
        dump = dump_path(settings.backup_dir, "source", stamp)
        dump.write_text("a dump")
        manifest_path(dump).write_text("{}")
        dumps.append(dump)
    return dumps


def expire(environment: dict[str, str], *arguments: str) -> Result:
    done = command_in(environment, "expire", *arguments)
    assert "unexpected" not in done.stderr
    return done


def test_the_plan_names_each_file_with_its_reason_and_deletes_nothing(environment: dict[str, str]) -> None:
    dumps = remember(environment, [30, 20, 10, 1, 0.5])
    done = expire(environment)
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        f"{'delete' if number < 2 else 'keep  '} {dump.name}" for number, dump in enumerate(dumps)
    ]
    assert all(line.split(": ", 1)[1] for line in lines)
    assert [dump for dump in dumps if not dump.exists()] == []


def test_apply_does_exactly_what_the_plan_says(environment: dict[str, str]) -> None:
    dumps = remember(environment, [30, 20, 10, 1, 0.5])
    plan = {entry["file"]: entry["keep"] for entry in json.loads(expire(environment, "--json").stdout)}
    assert expire(environment, "--apply").exit_code == 0
    assert {dump.name: dump.exists() for dump in dumps} == plan
    assert {dump.name: manifest_path(dump).exists() for dump in dumps} == plan


def test_nothing_expires_while_the_newest_run_is_held(environment: dict[str, str]) -> None:
    dumps = remember(environment, [30, 20, 10, 1, 0.5])
    remember(environment, [0.1], outcome="held")
    assert expire(environment, "--apply").exit_code == 0
    assert [dump for dump in dumps if not dump.exists()] == []


def test_what_belongs_to_another_pair_of_databases_is_judged_by_itself(environment: dict[str, str]) -> None:
    """Two installations in one folder, or one whose address was changed: each keeps its newest three."""
    other = {**environment, "DATABASE_URL": "postgresql://u:p@neon/another"}
    theirs = remember(other, [40, 35, 30, 25])
    ours = remember(environment, [20, 15, 10, 9, 8])
    assert "of another pair of databases: among the newest 3" in expire(environment).stdout
    assert expire(environment, "--apply").exit_code == 0
    assert [dump.exists() for dump in theirs] == [False, True, True, True]
    assert [dump.exists() for dump in ours] == [False, False, True, True, True]
    theirs = [*theirs[1:], *remember(other, [21, 16])]
    remember(other, [0.25], outcome="held")
    assert expire(environment, "--apply").exit_code == 0
    assert [dump for dump in theirs if not dump.exists()] == [], "their newest run is held"


def test_three_verified_dumps_stay_however_old(environment: dict[str, str]) -> None:
    dumps = remember(environment, [400, 300, 200, 100])
    expire(environment, "--apply")
    assert [dump.exists() for dump in dumps] == [False, True, True, True]


def test_a_lost_journal_makes_no_verified_dump_an_unverified_one(environment: dict[str, str]) -> None:
    """What the journal forgot, the reports still tell."""
    dumps = remember(environment, [30, 20, 10, 1, 0.5])
    reports = dumps[0].parent / "reports"
    reports.mkdir()
    for dump in dumps:
        stamp = dump.stem.removeprefix("source_db_backup_")
        (reports / f"{stamp}.json").write_text(json.dumps({"outcome": "succeeded"}))
    (dumps[0].parent / "journal.sqlite3").unlink()
    expire(environment, "--apply")
    assert [dump.exists() for dump in dumps] == [False, False, True, True, True]


def test_a_clock_that_was_set_back_changes_neither_the_newest_run_nor_the_last_that_succeeded(
    environment: dict[str, str],
) -> None:
    """The run that succeeded last bears the oldest stamp; then one is held under an old stamp, too."""
    dumps = remember(environment, [12, 11, 10, 9, 30])
    assert expire(environment, "--apply").exit_code == 0
    assert [dump.exists() for dump in dumps] == [False, True, True, True, True]
    remember(environment, [40], outcome="held")
    assert "the newest run is held" in expire(environment).stdout


def test_what_somebody_wrote_into_a_rejected_copy_is_told_and_never_deleted(environment: dict[str, str]) -> None:
    dumps = remember(environment, [400, 300, 200, 100])
    rejected = dumps[0].with_name(f"backup_rejected_{stamp_of(NOW - timedelta(days=500))}_2.sql")
    rejected.write_text("somebody's rows")
    plan = {entry["file"]: entry for entry in json.loads(expire(environment, "--json").stdout)}
    assert plan[rejected.name]["keep"] is True
    assert "no retention deletes it" in plan[rejected.name]["reason"]
    expire(environment, "--apply")
    assert [path.exists() for path in (rejected, *dumps)] == [True, False, True, True, True]
    assert "1 with what somebody wrote" in command_in(environment, "status", "--quick").stdout
