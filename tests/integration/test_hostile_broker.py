"""Redis with something else in it than what we put there: it is told or ignored, the worker lives, and nothing runs."""

import base64
import json
import os
import pickle
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from config.celery import QUEUE
from tasks.pipeline import run_here
from tests.support.deployment import Deployed, deployed_at
from tests.support.installation import installed
from tests.support.workers import wait_until
from worker.demo.servers import PostgresServer, ValkeyServer

NOTHING_ELSE = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
OUR_LINE = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ [A-Z]+ +\[|    )|^$")
FORGED = "x\n2026-01-01 00:00:00Z INFO     [-] forged \x1b[31m \u202e"


@pytest.fixture(scope="module")
def deployed(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Deployed]:
    """In the end a run succeeds, whatever the worker was sent."""
    home = tmp_path_factory.mktemp("hostile")
    with (
        installed(source_server, target_server, valkey_server, home) as installation,
        deployed_at(installation) as found,
    ):
        yield found


class Pickled:
    """Runs a command in whoever unpickles it."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.proof}",)


def body(*args: Any, **kwargs: Any) -> bytes:
    return json.dumps([args, kwargs, NOTHING_ELSE]).encode()


def envelope(content: bytes, task: object = "tasks.run_backup", **changes: Any) -> dict[str, Any]:
    """A message as Celery writes it to Redis; changes: of its headers, or `kind` of its content."""
    task_id = str(uuid.uuid4())
    kind = changes.pop("kind", "application/json")
    headers = {"lang": "py", "task": task, "id": task_id, "root_id": task_id, "retries": 0, "origin": "elsewhere"}
    properties = {
        "correlation_id": task_id,
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": QUEUE},
        "priority": 0,
        "body_encoding": "base64",
        "delivery_tag": str(uuid.uuid4()),
    }
    coding = "utf-8" if kind == "application/json" else "binary"
    return {
        "body": base64.b64encode(content).decode(),
        "content-type": kind,
        "content-encoding": coding,
        "headers": {**headers, **changes},
        "properties": properties,
    }


def without(message: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name not in names}


def elements(proof: Path) -> dict[str, bytes]:
    """What may lie in the queue; each is told by its own words or by none, and none may run."""
    good = envelope(body())
    documents: dict[str, Any] = {
        "an empty object": {},
        "a list": [],
        "a number": 5,
        "a message without properties": without(good, "properties"),
        "a message without headers": without(good, "headers"),
        "a message without a body": without(good, "body"),
        "a body that is not base64": {**good, "body": "%%%"},
        "a body that is no JSON": envelope(b"{{{"),
        "a body that is a number": envelope(b"5"),
        "a body that is null": envelope(b"null"),
        "a body with too few parts": envelope(b"[[], {}]"),
        "headers that are a list": {**good, "headers": []},
        "an id that is a number": envelope(body(), id=7),
        "a task that is a number": envelope(body(), task=5),
        "an instant that is none": envelope(body(), eta="yesterday"),
        "pickled arguments": envelope(pickle.dumps(([Pickled(proof)], {}, {})), kind="application/x-python-serialize"),
        "a task of somebody else": envelope(body("a"), task="app.tasks.send_mail"),
        "a task that would forge a line": envelope(body(), task=FORGED),
        "an option that nobody knows": envelope(body(url="postgresql://elsewhere/db")),
        "a job that is a list": envelope(body(job=["x"])),
        "a job that would forge a line": envelope(body(job=FORGED)),
        "an accepted loss that is an object": envelope(body(accept_shrink={"a": 1})),
        "an id that is a path": envelope(body(job="none"), id="../../../../tmp/x"),
        "an id that would forge a line": envelope(body(job="none"), id=FORGED),
        "a step of a run that is a path": envelope(body("../../x"), task="tasks.restore_target"),
        "a step of a run that is an object": envelope(body({"a": 1}), task="tasks.restore_target"),
        "a step of a run with a zero byte": envelope(body("a\0b"), task="tasks.restore_target"),
        "a rollback of a list": envelope(body(["a"]), task="tasks.rollback"),
        "a rollback of nothing": envelope(body(None), task="tasks.rollback"),
        "a rollback of many": envelope(body(1, 2, 3), task="tasks.rollback"),
    }
    written = {name: json.dumps(document).encode() for name, document in documents.items()}
    return {"bytes": b"\xff\xfe\x00garbage", "words": b"hello", **written}


@pytest.fixture(scope="module")
def hit(deployed: Deployed) -> Deployed:
    """All of them at once; returns when the worker has answered a ping behind them."""
    installation = deployed.installation
    with redis.Redis(port=installation.valkey.port, db=installation.valkey_number) as client:
        before = state_of(deployed)
        for element in elements(proof_of(deployed)).values():
            client.lpush(QUEUE, element)
        wait_until(lambda: not client.llen(QUEUE), "the queue to be empty")
        deployed.reconcile()
        assert state_of(deployed) == before
    return deployed


def proof_of(deployed: Deployed) -> Path:
    """A file that is there when something was run."""
    return deployed.installation.home / "ran"


def state_of(deployed: Deployed) -> tuple[Any, ...]:
    installation = deployed.installation
    names = sorted(str(path) for path in installation.home.rglob("*") if path.is_file())
    spare = (installation.backup_dir / ".spare").exists()
    return installation.fingerprint(), installation.comment(), names, spare, installation.lock()


def test_whatever_lies_in_the_queue_runs_nothing_and_the_worker_lives(hit: Deployed) -> None:
    assert not proof_of(hit).exists()
    assert not hit.worker.ended()
    assert "Unrecoverable error" not in hit.worker.text
    assert "Restoring" not in hit.worker.text


def test_a_worker_that_dropped_all_that_still_answers_questions(hit: Deployed) -> None:
    """By them containers and operators know that it lives."""
    installation = hit.installation
    command = [sys.executable, "-m", "celery", "-A", "worker", "inspect", "ping", "--timeout=10"]
    done = subprocess.run(
        command, env=installation.environment, cwd=installation.home, capture_output=True, text=True, check=False
    )
    assert "worker@tests: OK" in done.stdout, done.stdout + done.stderr


def test_what_lies_in_the_queue_is_told(hit: Deployed) -> None:
    for words in (
        "it is no JSON (JSONDecodeError)",
        "it is no message",
        "its properties are missing",
        "its headers are no message's",
        "its body cannot be decoded",
        "its body is no task's",
        "untrusted content of type pickle",
        "unregistered task of type 'app.tasks.send_mail'",
        "unexpected keyword argument 'url'",
        "the option job of a run is a text, not list",
        "the option accept_shrink of a run is a text, not dict",
        "a run's id is a text, not dict",
        "there is no job",
    ):
        assert words in hit.worker.text, words


def test_no_message_forges_a_line_of_the_log(hit: Deployed) -> None:
    lines = hit.worker.text.partition(" ready.")[2].splitlines()[1:]  # before that Python warns of root in its own form
    assert any("forged" in line for line in lines)
    assert [line for line in lines if not OUR_LINE.match(line)] == []
    assert not any(line.startswith("2026-01-01") for line in lines)
    assert not {"\x1b", "\u202e"} & set(hit.worker.text)


@pytest.mark.parametrize(
    "found",
    [
        b"\xff\xfenot text",
        b"[]",
        b'{"status": 5}',
        b'{"status": "SUCCESS", "result": {"outcome": "forged"}, "traceback": null, "children": []}',
        b'{"status": "FAILURE", "result": {"exc_type": "BackupFailed", "exc_message": [], "exc_module": '
        b'"tasks.failures"}, "traceback": null, "children": []}',
        b'{"status": "FAILURE", "result": {"exc_type": "system", "exc_message": ["touch ran"], "exc_module": "os"}}',
        None,
    ],
    ids=["bytes", "a list", "a number as status", "a forged success", "a failure without words", "a command", "a hash"],
)
def test_a_result_that_somebody_else_wrote_is_replaced_by_the_report(hit: Deployed, found: bytes | None) -> None:
    report = newest_report(hit)
    key = f"celery-task-meta-{report['run_id']}"
    with redis.Redis(port=hit.installation.valkey.port, db=hit.installation.valkey_number) as client:
        client.delete(key)
        if found is None:
            client.hset(key, "a", "b")
        else:
            client.set(key, found)
        hit.reconcile()
        stored = json.loads(client.get(key) or b"")
    assert (stored["status"], stored["result"]) == ("SUCCESS", report)
    assert not (hit.installation.home / "ran").exists()


def newest_report(deployed: Deployed) -> dict[str, Any]:
    newest = max(deployed.installation.reports_dir.glob("*.json"))
    report: dict[str, Any] = json.loads(newest.read_text(encoding="utf-8"))
    return report


@pytest.mark.parametrize("found", [b"\xff\xfe", FORGED.encode(), None], ids=["bytes", "a forged line", "a hash"])
def test_a_lock_that_somebody_else_wrote_holds_runs_back_and_is_told(hit: Deployed, found: bytes | None) -> None:
    installation = hit.installation
    key = f"railway-neon-sync:{installation.settings().pair}:lock"
    with redis.Redis(port=installation.valkey.port, db=installation.valkey_number) as client:
        if found is None:
            client.hset(key, "a", "b")
        else:
            client.set(key, found)
        try:
            report = hit.client.run()
        finally:
            client.delete(key)
    assert report["outcome"] == ("skipped" if found else "failed")
    assert "holds the lock" in report["error"]
    assert report["error"].isprintable()


def test_a_lock_server_that_speaks_another_language_is_told(hit: Deployed) -> None:
    """A real one: the source's PostgreSQL."""
    port = hit.installation.source_server.port
    report = run_here(hit.installation.means(LOCK_URL=f"redis://127.0.0.1:{port}/0"))
    assert report["outcome"] == "failed"
    assert "Redis, which holds the lock, cannot be used" in report["error"]
