"""No password anywhere: not in logs at DEBUG, messages, results, events, reports, files, or the process list."""

import base64
import json
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Self
from urllib.parse import quote
from urllib.request import urlopen

import pytest
import redis

from tests.support.deployment import Deployed
from tests.support.failing import change_source
from tests.support.installation import Installation, installed, tell
from tests.support.workers import Process, client_of, started, wait_until, worker_of
from worker.demo.servers import PostgresServer, ValkeyServer, find_postgres, free_port

BROKER_PASSWORD = "bröker&9?=/pass"
_BODY = re.compile(r'"body": "([A-Za-z0-9+/=]+)"')


class Listener:
    """Everything that anybody sends to Valkey, and every command line on this machine, until it is stopped."""

    def __init__(self, installation: Installation) -> None:
        self.sent: list[str] = []
        self.command_lines: set[str] = set()
        self._over = threading.Event()
        self._client = redis.Redis(port=installation.valkey.port)
        self._threads = [threading.Thread(target=self._monitor), threading.Thread(target=self._look_at_processes)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        wait_until(lambda: self._client.ping() and self.sent, "the monitor to listen")
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._client.ping()
        for thread in self._threads:
            thread.join(10)
        self._client.close()

    def _monitor(self) -> None:
        """Commands as they were sent, and what is wrapped in them."""
        with self._client.monitor() as monitor:  # type: ignore[no-untyped-call]
            while not self._over.is_set():
                command = str(monitor.next_command()["command"])
                bodies = (base64.b64decode(body).decode() for body in _BODY.findall(command))
                self.sent += [command, *bodies]

    def _look_at_processes(self) -> None:
        while not self._over.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with suppress(OSError):
                    self.command_lines.add(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            time.sleep(0.02)


class Watched:
    """A run that succeeded and one that was refused, and everything that was written and said meanwhile."""

    def __init__(self, deployed: Deployed) -> None:
        installation = deployed.installation
        roles = installation.roles
        assert roles is not None
        self.deployed, self.installation = deployed, installation
        with Listener(installation) as listener, flowering(installation) as flower:
            self.succeeded = deployed.client.run()
            change_source(installation)
            tell(installation.target_server.dsn(), f"ALTER ROLE {roles.name} PASSWORD 'another'")
            self.refused = deployed.client.run()
            self.pages = pages_of(flower, wait_for=self.refused["run_id"])
        self.listener = listener
        raw = (roles.reader_password, roles.owner_password, BROKER_PASSWORD)
        self.secrets = {form for word in raw for form in forms_of(word)}

    def found_in(self, text: str) -> list[str]:
        return [secret for secret in self.secrets if secret in text]


@contextmanager
def flowering(installation: Installation) -> Iterator[str]:
    """Flower beside the worker; its address."""
    port = free_port()
    command = [sys.executable, "-m", "celery", "-A", "worker", "flower", "--address=127.0.0.1", f"--port={port}"]
    flower = Process(installation, command, installation.home / "flower.log", {"FLOWER_UNAUTHENTICATED_API": "true"})
    flower.start("Visit me at")
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        flower.kill()


def pages_of(flower: str, *, wait_for: str) -> dict[str, str]:
    """What Flower shows to whoever may see it, once it knows a run."""

    def page(path: str) -> str:
        with urlopen(f"{flower}{path}", timeout=20) as answer:  # noqa: S310 - our own address
            return str(answer.read().decode())

    wait_until(lambda: wait_for in page("/api/tasks"), "Flower to know the run")
    paths = ("/api/workers", "/workers", "/tasks", f"/task/{wait_for}", "/broker", "/api/tasks")
    return {path: page(path) for path in paths}


def forms_of(word: str) -> set[str]:
    """Raw, percent-encoded as one or another does it, and as JSON and repr() write it."""
    encoded = {quote(word, safe=""), quote(word), quote(word, safe=" "), quote(word, safe="!*'() ")}
    return {word, *encoded, json.dumps(word)[1:-1], repr(word)[1:-1], ascii(word)[1:-1]}


@pytest.fixture(scope="module")
def watched(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Watched]:
    home = tmp_path_factory.mktemp("secrets")
    seen = home / "seen"
    extra = {"LOG_LEVEL": "DEBUG", "PG_BIN_DIR": str(slow_pg_dump(home / "bin", seen))}
    with (
        installed(source_server, target_server, valkey_server, home, own_roles=True, **extra) as made,  # type: ignore[arg-type]
        with_a_password(made) as installation,
        started(replace(worker_of(installation), forked=False)) as worker,
        client_of(installation) as client,
    ):
        yield Watched(Deployed(installation, worker, client))


@contextmanager
def with_a_password(installation: Installation) -> Iterator[Installation]:
    """Worker and Flower enter Valkey as a user of their own while inside."""
    with redis.Redis(port=installation.valkey.port) as client:
        client.acl_setuser(
            "watched", enabled=True, passwords=[f"+{BROKER_PASSWORD}"], keys="*", channels="*", commands=["+@all"]
        )
        entry = f"watched:{quote(BROKER_PASSWORD, safe='')}@"
        broker = installation.broker_url.replace("redis://", f"redis://{entry}")
        yield replace(installation, extra={**installation.extra, "CELERY_BROKER_URL": broker})
        client.acl_deluser("watched")


def slow_pg_dump(folder: Path, seen: Path) -> Path:
    """A pg_dump that can be looked at: it writes down its environment and its credentials' modes, and takes a while."""
    folder.mkdir()
    real = find_postgres().tool("pg_dump")
    path = folder / "pg_dump"
    path.write_text(
        f"""#!/bin/sh
        [ "$1" = --version ] && exec {real} --version
        env >>{seen}
        stat -c 'mode %a' "$PGSERVICEFILE" "$(dirname "$PGSERVICEFILE")" >>{seen}
        sleep 0.2
        exec {real} "$@"
        """
    )
    path.chmod(0o755)
    return folder


def test_the_two_runs_were_what_they_were_meant_to_be(watched: Watched) -> None:
    assert watched.succeeded["outcome"] == "succeeded"
    assert watched.refused["outcome"] == "failed"
    assert "refused user and password" in watched.refused["error"]
    assert len(watched.secrets) >= 8


def test_no_log_line_shows_a_password(watched: Watched) -> None:
    text = watched.deployed.worker.text
    assert " DEBUG " in text
    assert watched.found_in(text) == []


def test_nothing_that_goes_through_the_broker_shows_a_password(watched: Watched) -> None:
    """Messages, arguments, results, progress, events for Flower, the lock: every command that Valkey got."""
    sent = "\n".join(watched.listener.sent)
    for name in ("tasks.restore_target", watched.succeeded["run_id"], '"type": "task-succeeded"', "celery-task-meta"):
        assert name in sent
    assert watched.found_in(sent) == []


def test_no_command_line_shows_a_password(watched: Watched) -> None:
    lines = "\n".join(watched.listener.command_lines)
    assert "--snapshot=" in lines, "pg_dump was never seen"
    assert "celery -A worker worker" in lines
    assert watched.found_in(lines) == []


def test_flower_shows_the_run_and_no_password(watched: Watched) -> None:
    assert watched.succeeded["run_id"] in watched.pages["/api/tasks"]
    for path, text in watched.pages.items():
        assert watched.found_in(text) == [], path
    assert watched.found_in((watched.installation.home / "flower.log").read_text()) == []


def test_no_report_and_no_file_of_a_run_shows_a_password(watched: Watched) -> None:
    files = [path for path in watched.installation.backup_dir.rglob("*") if path.is_file()]
    assert {"journal.sqlite3", f"{watched.refused['stamp']}.json"} <= {path.name for path in files}
    for path in files:
        assert watched.found_in(path.read_bytes().decode(errors="replace")) == [], path
    for report in (watched.succeeded, watched.refused):
        assert watched.found_in(json.dumps(report, ensure_ascii=False)) == []


def test_pg_dump_gets_its_credentials_by_a_private_file_that_is_gone_afterwards(watched: Watched) -> None:
    seen = (watched.installation.home / "seen").read_text()
    assert seen.count("mode 600\n") == seen.count("mode 700\n") == 2
    assert "PGSERVICEFILE=" in seen
    for name in ("DATABASE_URL", "RAILWAY_BACKUP_DB_URL", "PGPASSWORD"):
        assert f"{name}=" not in seen
    assert watched.found_in(seen) == []
    assert list(watched.installation.backup_dir.glob(".service*")) == []


def test_the_listener_would_have_noticed(watched: Watched) -> None:
    """The passwords are there where they may be: in the worker's own environment."""
    environment = Path(f"/proc/{watched.deployed.worker.pid}/environ").read_bytes().decode()
    assert len(watched.found_in(environment)) >= 2
