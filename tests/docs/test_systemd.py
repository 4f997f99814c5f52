"""The units in deploy/systemd: systemd's own check, what they promise, and the page that says how to install them."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from config.settings import load_settings
from tasks.framing import step_limit_s
from tasks.pipeline import ORDER
from tests.docs.documents import ROOT, blocks

UNITS = {path.stem.removeprefix("railway-neon-sync-"): path for path in (ROOT / "deploy" / "systemd").glob("*.service")}
PAGE = (ROOT / "docs" / "running-with-systemd.md").read_text()
HOME = "/opt/railway-neon-sync"
SOURCE = "postgresql://reader:so%20secret@ep-x-1.eu-central-1.aws.neon.tech/neondb"
TARGET = "postgresql://postgres:hidden@name.proxy.rlwy.net:12345/railway"

every_unit = pytest.mark.parametrize("name", UNITS)


def values(name: str, key: str) -> list[str]:
    """What a unit says for one key, line by line."""
    return re.findall(rf"^{key}=(.*)$", UNITS[name].read_text(), re.MULTILINE)


def value(name: str, key: str) -> str:
    (only,) = values(name, key)
    return only


def environment(name: str, credentials: Path) -> dict[str, str]:
    """What a unit gives to its process, with the folder of its credentials."""
    pairs = (line.partition("=") for line in values(name, "Environment"))
    return {variable: text.replace("%d", str(credentials)) for variable, _, text in pairs}


def seconds(text: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(s|min)", text).groups()  # type: ignore[union-attr] # else the test fails
    return int(number) * {"s": 1, "min": 60}[unit]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The units, with an installation where they look for it."""
    if shutil.which("systemd-analyze") is None:
        assert not os.environ.get("CI"), "systemd-analyze is missing; .ci/run installs it"
        pytest.skip("systemd-analyze is missing: it comes with systemd")
    home = tmp_path_factory.mktemp("opt")
    (home / ".venv" / "bin").mkdir(parents=True)
    program = home / ".venv" / "bin" / "celery"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    copies = []
    for path in UNITS.values():
        copies.append(home / path.name)
        copies[-1].write_text(path.read_text().replace(f"{HOME}/.venv", f"{home}/.venv"))
    return copies


def analyze(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    command = ["systemd-analyze", "--no-pager", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_there_is_a_unit_for_worker_beat_and_flower() -> None:
    assert set(UNITS) == {"worker", "beat", "flower"}


def test_systemd_finds_nothing_wrong_with_them(installed: list[Path]) -> None:
    found = analyze("verify", *installed)
    assert (found.returncode, found.stdout + found.stderr) == (0, "")


def test_systemd_would_find_a_word_that_it_does_not_know(installed: list[Path], tmp_path: Path) -> None:
    broken = tmp_path / installed[0].name
    broken.write_text(installed[0].read_text().replace("KillMode=mixed", "KillMode=gentle"))
    assert "kill mode" in analyze("verify", broken).stderr


def test_what_they_may_do_is_little(installed: list[Path]) -> None:
    """systemd's own measure of exposure: 10 is a unit without any restriction, which counts as unsafe."""
    for unit in installed:
        found = analyze("security", "--offline=yes", "--threshold=20", unit)
        assert found.returncode == 0, found.stdout


@every_unit
def test_a_unit_starts_again_however_often_it_ends(name: str) -> None:
    assert value(name, "Restart") == "always"
    assert value(name, "StartLimitIntervalSec") == "0"
    assert value(name, "KillMode") == "mixed"


def test_the_worker_has_time_to_end_the_longest_step_or_a_rollback(tmp_path: Path) -> None:
    given = {"DATABASE_URL": SOURCE, "RAILWAY_BACKUP_DB_URL": TARGET, "BACKUP_DIR": str(tmp_path)}
    usual = load_settings(given, env_file=None)
    steps = [step_limit_s(usual, step.name.removeprefix("tasks.")) for step in ORDER]
    rollback = usual.restore_timeout_s + usual.safety_timeout_s + usual.verify_timeout_s
    assert seconds(value("worker", "TimeoutStopSec")) > max(*steps, rollback)


@every_unit
def test_no_unit_runs_as_root_or_holds_a_password(name: str) -> None:
    assert values(name, "User") == ["railway-neon-sync"] or value(name, "DynamicUser") == "yes"
    assert not re.search(r"\w://[^/\s:@]*:[^/\s@]+@", UNITS[name].read_text())


def test_each_unit_starts_what_docker_compose_starts() -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    for name in UNITS:
        words = value(name, "ExecStart").split()[1:]
        assert words[:3] == ["-A", "worker", name]
        assert f'"-A", "worker", "{name}"' in compose
    assert "--hostname=backup@worker" in value("worker", "ExecStart")
    assert '"--hostname=backup@worker"' in compose


# --- the files that the page has somebody make


def lines_of(heading: str) -> list[str]:
    return [line for block in blocks(PAGE, "sh") if block.heading == heading for line in block.text.splitlines()]


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """/etc/railway-neon-sync as the page makes it."""
    (tmp_path / "secrets").mkdir()
    texts = {
        "database_url": SOURCE,
        "railway_backup_db_url": TARGET,
        "celery_broker_url": "redis://:word@127.0.0.1:6379/0",
        "flower_basic_auth": "operator:word",
    }
    for name, text in texts.items():
        (tmp_path / "secrets" / name).write_text(text)
    (settings,) = blocks(PAGE, "ini")
    (tmp_path / "settings.env").write_text(settings.text.replace("/etc/railway-neon-sync", str(tmp_path)))
    return tmp_path


@pytest.mark.parametrize("name", ["worker", "beat"])
def test_with_the_file_of_the_page_worker_and_beat_have_their_settings(etc: Path, name: str) -> None:
    given = environment(name, etc / "secrets")
    assert given["RNS_ENV_FILE"] == "/etc/railway-neon-sync/settings.env"
    settings = load_settings({**given, "RNS_ENV_FILE": str(etc / "settings.env")})
    assert {"so secret", "hidden", "word"} <= set(settings.secrets)
    folders = [f"/var/lib/{folder}" for folder in value(name, "StateDirectory").split()]
    assert str(settings.backup_dir).startswith(folders[0])
    assert (str(settings.backup_dir) in folders) == (name == "worker")


def test_flower_is_handed_the_files_that_it_needs_and_no_password_of_a_database(etc: Path) -> None:
    handed = dict(line.split(":") for line in values("flower", "LoadCredential"))
    assert set(handed) == {"celery_broker_url", "flower_basic_auth"}
    assert all(path == f"/etc/railway-neon-sync/secrets/{name}" for name, path in handed.items())
    settings = load_settings(environment("flower", etc / "secrets"), env_file=None)
    assert set(settings.secrets) == {"word"}


@pytest.mark.parametrize("variable", ["CREDENTIALS_DIRECTORY", None])
def test_flower_finds_its_password_where_systemd_puts_it(
    etc: Path, monkeypatch: pytest.MonkeyPatch, variable: str | None
) -> None:
    from runpy import run_path  # noqa: PLC0415

    if variable:
        monkeypatch.setenv(variable, str(etc / "secrets"))
        assert run_path(str(ROOT / "deploy" / "flowerconfig.py"))["basic_auth"] == ["operator:word"]
    else:
        with pytest.raises(FileNotFoundError):
            run_path(str(ROOT / "deploy" / "flowerconfig.py"))


def test_the_page_installs_every_unit_and_makes_every_file_that_they_name() -> None:
    installing = "\n".join(lines_of("Install it"))
    named = set(re.findall(r"/etc/railway-neon-sync/[\w./]+", "\n".join(u.read_text() for u in UNITS.values())))
    named |= set(re.findall(r"/etc/railway-neon-sync/[\w./]+", blocks(PAGE, "ini")[0].text))
    assert "deploy/systemd/*.service /etc/systemd/system/" in installing
    assert [path for path in sorted(named) if Path(path).name not in PAGE] == []
    for name in UNITS:
        assert f"railway-neon-sync-{name}" in PAGE
    assert HOME in installing
    # The umask of the secrets still holds when somebody writes the settings: they would be root's alone.
    assert "chgrp railway-neon-sync /etc/railway-neon-sync/settings.env" in installing
