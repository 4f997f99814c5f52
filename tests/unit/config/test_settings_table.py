"""The generated table of settings, and the example of a .env file."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from config.settings import load_settings, setting_names
from config.settings_table import main, settings_table, with_table

ROOT = Path(__file__).parents[3]
DOCUMENT = "before\n<!-- settings -->\nold\n<!-- /settings -->\nafter\n"


def test_every_setting_has_one_row_with_default_and_meaning() -> None:
    rows = [row.strip("| ").split(" | ") for row in settings_table().splitlines()[2:]]
    assert [re.sub(r"`(\w+)`.*", r"\1", row[0]) for row in rows] == [name.upper() for name in setting_names()]
    assert all(len(row) == 3 and row[1] and row[2].endswith(".") for row in rows)


def test_rows_show_units_secrets_and_what_a_default_follows() -> None:
    table = settings_table()
    assert "| `DATABASE_URL` (secret) | required | " in table
    assert "| `RETENTION_DAYS` | `7` days | " in table
    assert "| `CELERY_RESULT_BACKEND` (secret) | the broker | " in table
    assert "| `STATS_TABLES` | `users,escrows,wallets,transactions` | " in table
    assert "| `KEEP_OWNERS` | `false` | " in table


def test_the_table_replaces_what_stood_between_the_marks_and_nothing_else() -> None:
    document = with_table(DOCUMENT)
    assert document == f"before\n<!-- settings -->\n{settings_table()}\n<!-- /settings -->\nafter\n"
    assert with_table(document) == document


def test_the_check_tells_a_stale_document_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "README.md"
    path.write_text(DOCUMENT)
    assert main(["--check", str(path)]) == 1
    assert "is stale" in capsys.readouterr().err
    assert path.read_text() == DOCUMENT
    assert main([str(path)]) == 0
    assert main([str(path), "--check"]) == 0


@pytest.mark.parametrize("text", ["no marks", "<!-- settings --> no end", "<!-- /settings -->"])
def test_a_document_without_both_marks_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "README.md"
    path.write_text(text)
    assert main([str(path)]) == 2
    assert path.read_text() == text
    assert main([]) == 2


def test_it_is_a_command(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(DOCUMENT)
    done = subprocess.run([sys.executable, "-m", "config.settings_table", path], cwd=ROOT, check=False)
    assert done.returncode == 0
    assert settings_table() in path.read_text()


def test_the_example_names_every_setting_and_can_be_used_as_it_is() -> None:
    example = ROOT / ".env.example"
    named = re.findall(r"^(?:# )?([A-Z_]+)=", example.read_text(), flags=re.MULTILINE)
    assert sorted(named) == sorted(name.upper() for name in setting_names())
    assert load_settings({}, env_file=example).warnings == ()


def test_the_example_shows_the_defaults(tmp_path: Path) -> None:
    example = tmp_path / "all.env"
    example.write_text(re.sub(r"^# (?=[A-Z_]+=)", "", (ROOT / ".env.example").read_text(), flags=re.MULTILINE))
    assert load_settings({}, env_file=example) == load_settings({}, env_file=ROOT / ".env.example")
