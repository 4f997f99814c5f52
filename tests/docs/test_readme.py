"""What the README says about outcomes, steps, reports, settings and log lines is what the code does."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from config.schedule import JOBS
from config.settings import Settings
from config.settings_table import main as settings_table
from tasks.engine.journal import RunRecord
from tasks.engine.report import SHOWN_FACTS, build_report
from tasks.pipeline import ORDER
from tests.docs.documents import ROOT, rows, section, words
from worker.commands.boundary import EXIT_CODES

README = (ROOT / "README.md").read_text()
SOURCES = [path for folder in ("config", "tasks", "worker") for path in sorted((ROOT / folder).rglob("*.py"))]
# As one text, in which a sentence is whole although its literal was broken into lines; what is filled in is `...`.
CODE = re.sub(
    r"\{[^{}]*\}|%[.\d]*[sdgf]", "...", re.sub(r'"\s*f?"', "", " ".join(path.read_text() for path in SOURCES))
)


def test_the_table_of_settings_is_todays() -> None:
    assert settings_table(["--check", str(ROOT / "README.md")]) == 0


def test_the_defaults_that_sentences_tell_are_those_of_the_settings() -> None:
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    assert str(defaults["backup_dir"]) == "backups/unified_database_backup"
    assert (defaults["retention_days"], defaults["retention_keep_last"]) == (7, 3)
    assert (defaults["report_retention_days"], defaults["misfire_grace_s"]) == (90, 600)
    assert (defaults["max_shrink_percent"], defaults["stale_after_s"]) == (50, 13 * 3600)


def test_each_outcome_has_its_meaning_its_exit_status_and_what_to_do() -> None:
    table = rows(section(README, "How a run ends, and what to do").partition("###")[0])
    assert {words(row[0])[0]: int(row[2]) for row in table} == EXIT_CODES
    assert [row[0] for row in table if not (row[1].endswith(".") and row[3])] == []


def test_each_reason_to_hold_a_run_stands_there_in_the_words_of_its_message() -> None:
    pieces = [piece.strip() for row in rows(section(README, "held")) for piece in words(row[0])[0].split("...")]
    assert len(pieces) > 5
    assert [piece for piece in pieces if piece not in CODE] == []


def test_the_steps_stand_there_in_their_order() -> None:
    table = rows(section(README, "What a run does").partition("Two methods")[0])
    assert [words(row[1])[0] for row in table] == [task.name for task in ORDER]


def test_the_jobs_stand_there_with_their_times() -> None:
    table = {words(row[0])[0]: row[1] for row in rows(section(README, "When it runs")) if words(row[0])}
    assert table == {job.job_id: f"{job.hour:02}:{job.minute:02}" for job in JOBS}


def test_every_key_of_a_report_is_explained_and_no_other() -> None:
    explained = [key for row in rows(section(README, "The report")) for key in words(row[0])]
    assert sorted(explained) == sorted(a_report())


def a_report() -> Mapping[str, object]:
    """A report in which every key occurs."""
    now = datetime.now(UTC)
    record = RunRecord(
        run_id="one",
        pair="two",
        job_id="manual",
        slot=now,
        stamp="20251022_180000",
        started_at=now,
        host="here",
        state="open",
        outcome=None,
        error=None,
        closer=None,
        restore_began_at=None,
        verified_at=None,
        ended_at=None,
        alive_until=now,
        options={},
        facts=dict.fromkeys(SHOWN_FACTS),
        report=None,
    )
    return build_report(record, [], outcome="succeeded", error=None, ended_at=now, stats_tables=())


def test_the_files_on_disk_bear_the_names_of_the_code() -> None:
    names = [name for row in rows(section(README, "What is on disk, and elsewhere")) for name in words(row[0])]
    assert len(names) > 6
    fixed = [Path(name.replace("<stamp>", "...")).name.strip("*") for name in names]
    assert [name for name in fixed if f'"{name}' not in CODE and f"/{name}" not in CODE] == []


def test_the_lines_that_never_change_are_those_of_the_code() -> None:
    lines = [words(row[1])[0] for row in rows(README) if re.match("`[✅❌🔄]", row[1])]
    assert len(lines) == 7
    assert [line for line in lines if re.split(r"\[|\d", line)[0] not in CODE] == []
