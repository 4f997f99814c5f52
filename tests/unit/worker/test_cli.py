"""The command line, without servers: what it says, and how it ends."""

import errno
import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from config.settings import Settings
from tasks.engine.errors import BackupError
from worker.cli import cli
from worker.commands.interruption import when_interrupted
from worker.commands.run import Ended, Ways, print_outcome

URLS = {
    "DATABASE_URL": "postgresql://u:s3cret-source@127.0.0.1:5/neondb",
    "RAILWAY_BACKUP_DB_URL": "postgresql://u:s3cret-target@127.0.0.1:6/railway",
    "RNS_ENV_FILE": "/dev/null",
}
REPORT = {
    "success": True,
    "run_id": "1b0c5d9e-0000-4000-8000-000000000000",
    "job_id": "manual",
    "outcome": "succeeded",
    "start_time": "2025-10-22T18:00:00+00:00",
    "duration_seconds": 150.5,
    "source_stats": {"users": 57, "escrows": 12},
    "backup_stats": {"users": 57, "escrows": 12},
    "error": None,
    "steps": [],
}


def invoke(*arguments: str, ways: Ways | None = None, env: Mapping[str, str] = URLS) -> Result:
    """The command line in this process, with an environment that holds these settings and no others."""
    names = ("DATABASE_URL", "RAILWAY_BACKUP_DB_URL", "RETENTION_DAYS", "RESTORE_METHOD")
    return CliRunner().invoke(
        cli, arguments, obj=ways, env={**dict.fromkeys(names), **env}, prog_name="railway-neon-sync"
    )


def ways_that_ask() -> Ways:
    """A run that first asks a person."""
    return Ways(here=lambda *_: Ended(report={"answer": click.prompt("May it?", err=True)}))


def ways_that_raise(error: Exception) -> Ways:
    """Both ways fail with the error."""

    def fail(*_: object) -> Ended:
        raise error

    return Ways(here=fail, there=fail)


def test_help_needs_no_settings_and_loads_no_celery() -> None:
    script = (
        "import sys; from worker.cli import cli\n"
        "for words in (['--help'], ['run', '--help'], ['demo', '--help'], ['--version']):\n"
        "    cli(words, standalone_mode=False)\n"
        "print('celery' in sys.modules)"
    )
    done = subprocess.run(  # an empty environment, and this process has loaded Celery long ago
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={"RNS_ENV_FILE": "/nowhere"}
    )
    assert done.stdout.endswith("False\n")
    assert "railway-neon-sync run --here" in done.stdout
    assert "held" in done.stdout


def test_every_settings_fault_stands_on_its_own_line_without_a_traceback() -> None:
    result = invoke("run", "--here", env={**URLS, "DATABASE_URL": "", "RETENTION_DAYS": "soon", "RESTORE_METHOD": "x"})
    assert result.exit_code == 2
    first, *faults = result.stderr.splitlines()
    assert first == "railway-neon-sync: 3 settings cannot be used:"
    assert [fault.split()[0] for fault in faults] == ["DATABASE_URL", "RETENTION_DAYS", "RESTORE_METHOD"]
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_a_warning_about_the_settings_is_told_once_on_standard_error() -> None:
    ways = Ways(here=lambda *_: Ended(report=REPORT))
    result = invoke("run", "--here", "--json", ways=ways, env={**URLS, "RETENTION_DAY": "7"})
    assert result.stderr.splitlines() == [
        "warning: RETENTION_DAY in the environment is no setting: did you mean RETENTION_DAYS?"
    ]


@pytest.mark.parametrize(
    "words", [["run", "--bogus"], ["bogus"], ["run", "--here", "--no-wait"], ["run", "--accept-shrink"]]
)
def test_wrong_usage_ends_with_2(words: list[str]) -> None:
    result = invoke(*words, ways=ways_that_raise(AssertionError("it must not come so far")))
    assert result.exit_code == 2
    assert "Error:" in result.stderr


@pytest.mark.parametrize("words", [["run"], ["run", "--here"]])
def test_an_error_of_ours_is_one_sentence_and_ends_with_1(words: list[str]) -> None:
    result = invoke(*words, ways=ways_that_raise(BackupError("the journal cannot be used: disk full")))
    assert result.exit_code == 1
    assert result.stderr == "railway-neon-sync: the journal cannot be used: disk full\n"
    assert result.stdout == ""


def test_another_users_files_are_told_as_that() -> None:
    refused = PermissionError(13, "Permission denied", "/backups/journal.sqlite3")
    result = invoke("run", "--here", ways=ways_that_raise(refused))
    assert result.exit_code == 1
    assert "this user may not open /backups/journal.sqlite3" in result.stderr
    assert "unexpected" not in result.stderr


def test_a_disk_that_can_only_be_read_is_told_as_that_and_is_no_defect() -> None:
    result = invoke("run", "--here", ways=ways_that_raise(OSError(errno.EROFS, "Read-only file system", "/b/x")))
    assert result.exit_code == 1
    assert result.stderr == (
        "railway-neon-sync: /b/x cannot be used: Read-only file system; see the disk on which it lies\n"
    )
    result = invoke("run", "--here", ways=ways_that_raise(OSError(errno.EBADF, "Bad file descriptor", "/b/x")))
    assert "an unexpected error" in result.stderr


def test_status_that_cannot_be_told_is_unknown_and_not_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "/b/reports")

    monkeypatch.setattr("tasks.engine.overview.read_overview", deny)
    result = invoke("status", "--quick")
    assert (result.exit_code, "may not open /b/reports" in result.stderr) == (2, True)


def test_offsite_without_a_storage_is_a_mistake_in_the_settings() -> None:
    result = invoke("offsite", env={**URLS, "OFFSITE_URL": ""})
    assert result.exit_code == 2
    assert "OFFSITE_URL is not set" in result.stderr


@pytest.mark.parametrize("program", [["celery"], [sys.executable, "-m", "celery"]], ids=["celery", "python -m celery"])
def test_celery_with_settings_that_cannot_be_used_ends_with_a_sentence(program: list[str], tmp_path: Path) -> None:
    first = program[0] if len(program) > 1 else str(Path(sys.executable).with_name(program[0]))
    done = subprocess.run(
        [first, *program[1:], "-A", "worker", "worker"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parents[3]), "RETENTION_DAYS": "soon"},
    )
    assert done.returncode == 2
    assert done.stderr.startswith("celery: 3 settings cannot be used:\n")
    assert "RETENTION_DAYS must be a whole number" in done.stderr
    assert f"there is no .env in {tmp_path}" in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_while_the_program_still_loads_shows_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise KeyboardInterrupt")
    done = subprocess.run(
        [sys.executable, "-m", "worker", "--help"],
        env={"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[3]}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (130, "railway-neon-sync: interrupted; nothing was begun\n")


def test_a_question_that_nobody_is_there_to_answer_says_how_to_answer_it_beforehand() -> None:
    result = invoke("run", "--here", ways=ways_that_ask())
    assert (result.exit_code, "Aborted" in result.output) == (2, False)
    assert "nobody answered, and nothing was changed" in result.stderr
    assert result.stderr.endswith("railway-neon-sync run --help\n")


def test_ctrl_c_at_a_question_is_told_and_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> str:
        raise KeyboardInterrupt

    def ask(*_: object) -> Ended:
        monkeypatch.setattr("click.termui.visible_prompt_func", interrupted)
        return Ended(report={"answer": click.prompt("May it?", err=True)})

    result = invoke("run", "--here", ways=Ways(here=ask))
    assert result.exit_code == 130
    assert result.stderr.endswith("railway-neon-sync: interrupted; nothing was changed\n")


@pytest.mark.parametrize("told", ["", "the run goes on"])
def test_ctrl_c_anywhere_is_told_in_a_sentence_and_ends_with_130(told: str) -> None:
    def interrupt(*_: object) -> Ended:
        with when_interrupted(told) if told else nullcontext():
            raise KeyboardInterrupt

    result = invoke("run", ways=Ways(there=interrupt))
    assert result.exit_code == 130
    assert result.stderr == f"railway-neon-sync: interrupted; {told or 'nothing was changed'}\n"


def test_whoever_stands_in_the_wrong_folder_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    nothing = dict.fromkeys(("RNS_ENV_FILE", "DATABASE_URL"), "")
    for words, code in ((["run"], 2), (["promote"], 2), (["list"], 0)):
        result = invoke(*words, env=nothing)
        assert (result.exit_code, f"there is no .env in {tmp_path}" in result.stderr) == (code, True), result.stderr
    (tmp_path / ".env").write_text("RETENTION_DAYS=7\n")
    assert "there is no .env" not in invoke("run", env=nothing).stderr


def test_a_status_page_without_a_backup_directory_is_told_in_one_sentence(tmp_path: Path) -> None:
    result = invoke("status", "--quick", "--html", env={**URLS, "BACKUP_DIR": str(tmp_path / "none")})
    assert result.exit_code == 2
    assert result.stderr.endswith("make a backup: railway-neon-sync run\n")
    assert "unexpected" not in result.stderr


@pytest.mark.parametrize("words", [["--debug", "run"], ["run", "--debug"]])
def test_debug_shows_where_an_error_came_from(words: list[str]) -> None:
    result = invoke(*words, ways=ways_that_raise(BackupError("no room")))
    assert result.exit_code == 1
    assert "Traceback" in result.stderr
    assert result.stderr.endswith("railway-neon-sync: no room\n")


@pytest.mark.parametrize("words", [["run"], ["run", "--debug"]])
def test_no_error_shows_a_password(words: list[str]) -> None:
    result = invoke(*words, ways=ways_that_raise(RuntimeError("cannot connect to u:s3cret-source@127.0.0.1")))
    assert result.exit_code == 1
    assert "an unexpected error, RuntimeError: cannot connect to u:***@127.0.0.1" in result.stderr
    assert "s3cret-source" not in result.output


def test_json_prints_the_report_and_nothing_else_on_standard_output() -> None:
    result = invoke("run", "--json", ways=Ways(there=lambda *_: Ended(report=REPORT)))
    assert result.exit_code == 0
    assert json.loads(result.stdout) == REPORT


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        *(("succeeded", 0), ("failed", 1), ("rolled_back", 1), ("missed", 1)),
        *(("held", 3), ("skipped", 4), ("rollback_failed", 5), ("something new", 1)),
    ],
)
def test_the_exit_code_says_how_the_run_ended(outcome: str, code: int) -> None:
    ended = Ended(report={**REPORT, "outcome": outcome})
    ways = Ways(here=lambda *_: ended, there=lambda *_: ended)
    assert invoke("run", ways=ways).exit_code == code
    assert invoke("run", "--here", "--json", ways=ways).exit_code == code


def test_an_interrupted_run_ends_with_130_and_still_has_its_report() -> None:
    ended = Ended(report={**REPORT, "outcome": "failed"}, interrupted=True)
    result = invoke("run", "--here", "--json", ways=Ways(here=lambda *_: ended))
    assert result.exit_code == 130
    assert json.loads(result.stdout)["outcome"] == "failed"


def test_without_json_a_person_reads_the_outcome_and_the_rows() -> None:
    result = invoke("run", ways=Ways(there=lambda *_: Ended(report=REPORT)))
    assert "✅ the backup database equals the source" in result.stdout
    assert ["users", "57", "57"] in [line.split() for line in result.stdout.splitlines()]


def test_a_run_that_is_only_sent_prints_its_id() -> None:
    asked = []

    def send(_: Settings, accept_shrink: str | None, wait: bool) -> Ended:
        asked.append((accept_shrink, wait))
        return Ended(report={"run_id": "abc", "outcome": None})

    assert invoke("run", "--no-wait", "--accept-shrink", "r1", ways=Ways(there=send)).stdout == "abc\n"
    assert asked == [("r1", False)]


def test_the_run_whose_loss_is_accepted_reaches_a_run_here_too() -> None:
    asked = []

    def run(settings: Settings, accept_shrink: str | None) -> Ended:
        asked.append((settings.target.dbname, accept_shrink))
        return Ended(report=REPORT)

    assert invoke("run", "--here", "--accept-shrink", "r1", ways=Ways(here=run)).exit_code == 0
    assert asked == [("railway", "r1")]


@pytest.mark.parametrize(
    "report",
    [
        {"success": False, "run_id": "x", "outcome": "failed", "error": "lost", "steps": []},
        {**REPORT, "outcome": "held", "source_stats": {"users": None}, "backup_stats": None, "error": "\x1b[2Jheld"},
        {**REPORT, "outcome": "something new", "warnings": ["a", "b"]},
    ],
)
def test_every_report_can_be_shown_and_obeys_no_terminal_code(
    report: Mapping[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    print_outcome(report, as_json=False)
    shown = capsys.readouterr().out
    assert report["run_id"] in shown
    assert "\x1b[2J" not in shown


def test_what_to_type_is_said_where_something_is_not_there(tmp_path: Path) -> None:
    folder = {"BACKUP_DIR": str(tmp_path / "backups")}
    missing = invoke("verify", str(tmp_path / "none.sql"), env={**URLS, **folder})
    assert missing.stderr.endswith("none.sql; the dumps that are kept: railway-neon-sync list --dumps\n")
    assert f"no dump file is kept in {folder['BACKUP_DIR']}" in invoke("list", "--dumps", env={**URLS, **folder}).stderr
    (tmp_path / "dump.sql").touch()
    alone = " ".join(invoke("verify", str(tmp_path / "dump.sql"), env={**URLS, **folder}).output.split())
    assert "the other dumps: railway-neon-sync list --dumps" in alone
    unset = {"RNS_ENV_FILE": "/dev/null", **folder}
    told = " ".join(invoke("status", "--quick", env=unset).stdout.split())
    assert "set DATABASE_URL and RAILWAY_BACKUP_DB_URL, see what else is wrong: railway-neon-sync doctor" in told
