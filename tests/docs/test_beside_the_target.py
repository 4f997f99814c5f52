"""docs/running-beside-the-target.md: its variables are settings, and its start commands start what it says."""

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from dotenv import dotenv_values

from config.settings import load_settings
from tests.docs.documents import ROOT, blocks
from tests.support.installation import Installation, installed
from tests.support.workers import Process, client_of
from worker.demo.servers import PostgresServer, ValkeyServer

PAGE = (ROOT / "docs" / "running-beside-the-target.md").read_text()
ONE_SERVICE, BEAT = (block.text for block in blocks(PAGE, "sh"))
VOLUME = "/var/lib/railway-neon-sync"


@pytest.fixture
def installation(
    source_server: PostgresServer, target_server: PostgresServer, valkey_server: ValkeyServer, tmp_path: Path
) -> Iterator[Installation]:
    with installed(source_server, target_server, valkey_server, tmp_path) as one:
        yield one


def test_the_variables_are_settings_or_railways(tmp_path: Path) -> None:
    (block,) = blocks(PAGE, "ini")
    (tmp_path / "page").write_text(block.text)
    variables = dotenv_values(tmp_path / "page", interpolate=False)
    given = {name: text or "" for name, text in variables.items() if not name.startswith("RAILWAY_RUN_")}
    railways = {name for name in given if name.startswith("RAILWAY_DEPLOYMENT_")}
    assert {given[name] for name in ("RAILWAY_BACKUP_DB_URL", "CELERY_BROKER_URL")} == {
        "${{Postgres.DATABASE_URL}}",
        "${{Redis.REDIS_URL}}",
    }
    filled_in = {
        "RAILWAY_BACKUP_DB_URL": "postgresql://postgres:word@postgres.railway.internal:5432/railway",
        "CELERY_BROKER_URL": "redis://default:word@redis.railway.internal:6379",
    }
    lines = "\n".join(f"{name}={text}" for name, text in {**given, **filled_in}.items() if name not in railways)
    (tmp_path / ".env").write_text(lines)  # in which a name that is no setting is an error
    found = load_settings({}, tmp_path / ".env")
    assert found.target.host == "postgres.railway.internal"
    assert found.backup_dir.is_relative_to(VOLUME)
    assert not found.warnings


def test_one_service_is_worker_and_timetable(installation: Installation) -> None:
    command = shlex.split(ONE_SERVICE.replace(VOLUME, str(installation.home)))
    assert Path(command[0]).name == "celery"
    program = [sys.executable, "-m", "celery", *command[1:]]
    service = Process(installation, program, installation.home / "service.log")
    service.start(" ready.")
    try:
        with client_of(installation) as client:
            assert client.run()["outcome"] == "succeeded"
        assert "beat: Starting..." in service.text
        assert (installation.home / "schedule").exists() or list(installation.home.glob("schedule*"))
    finally:
        service.kill()


def test_two_services_are_what_docker_compose_starts() -> None:
    words = shlex.split(BEAT)
    assert all(f'"{word}"' in (ROOT / "docker-compose.yml").read_text() for word in words)
    assert 'CMD ["celery", "-A", "worker", "worker", "--hostname=backup@worker"]' in (ROOT / "Dockerfile").read_text()
    assert "--hostname=backup@worker" in ONE_SERVICE
