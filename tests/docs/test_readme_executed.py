"""The README's blocks are executed: in a shell, in psql's place, and in a Python shell beside a real worker."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.documents import ROOT, Block, blocks
from tests.support.installation import Installation, ask, installed
from tests.support.workers import working
from worker.demo.servers import PostgresServer, ValkeyServer

README = (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def installation(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    home = tmp_path_factory.mktemp("readme")
    folder = str(home / "backups" / "unified_database_backup")
    with installed(source_server, target_server, valkey_server, home, BACKUP_DIR=folder) as one:
        yield one


def block(language: str) -> Block:
    (only,) = blocks(README, language)
    return only


def python_shell(installation: Installation) -> "subprocess.CompletedProcess[str]":
    """The README's example, as somebody types it."""
    return subprocess.run(
        [sys.executable, "-c", block("python").text],
        env=installation.environment,
        cwd=installation.home,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def shell(home: Path) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": os.environ["PATH"]}
    return subprocess.run(
        ["bash", "-c", block("sh").text], cwd=home, env=environment, capture_output=True, text=True, check=False
    )


def test_the_blocks_do_what_the_readme_says(installation: Installation) -> None:
    with working(installation):
        good = python_shell(installation)
        assert good.stdout.splitlines()[-1].startswith("succeeded {'users': 57"), good.stderr
        installation.on_target("DELETE FROM audit.sign_ins")
        held = python_shell(installation)
        assert "was written to since the copy of" in held.stdout, held.stderr
        assert held.stdout.splitlines()[-1] == "held None"
    alive = shell(installation.home)
    assert alive.returncode == 0, alive.stderr
    assert alive.stdout.count(".json") == 1
    ((copy_of, age),) = ask(installation.target, block("sql").text)
    assert copy_of.endswith("+00:00")
    assert 0 < age.total_seconds() < 600


def test_the_alarm_sounds_when_there_is_no_young_verified_copy(tmp_path: Path) -> None:
    reports = tmp_path / "backups" / "unified_database_backup" / "reports"
    reports.mkdir(parents=True)
    (reports / "failed.json").write_text('{"outcome": "failed"}')
    old = reports / "old.json"
    old.write_text('{"outcome": "succeeded"}')
    os.utime(old, (0, 0))
    done = shell(tmp_path)
    assert done.stdout == "no verified copy in 13 hours\n"
    assert done.returncode == 1
