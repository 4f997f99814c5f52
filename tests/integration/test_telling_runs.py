"""Real runs that tell: through a worker, in this process, after `promote`, by mail; workers that watch alone."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from tests.support.installation import Installation, installed
from tests.support.listener import Listener, listening
from tests.support.workers import client_of, wait_until, working
from worker.demo.servers import PostgresServer, ValkeyServer, free_port

HURRIED = ["tests.support.hurried_watch"]


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as found:
        yield found


@pytest.fixture
def installation(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path: Path,
    listener: Listener,
) -> Iterator[Installation]:
    told: Any = {
        "NOTIFY_URLS": f"json://{listener.address}/hook",
        "HEARTBEAT_URL": f"http://{listener.address}/check",
        "NOTIFY_SUCCESS": "each",
    }
    with installed(source_server, target_server, valkey_server, tmp_path, **told) as found:
        yield found


def command(installation: Installation, *arguments: str, **others: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "worker", *arguments],
        env={**installation.environment, **others},
        cwd=installation.home,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_without_beat_one_of_two_workers_tells_once_that_the_copy_is_too_old_and_a_run_that_it_is_over(
    installation: Installation, listener: Listener
) -> None:
    assert installation.run_here()["outcome"] == "succeeded"
    with (
        working(installation, include=HURRIED, STALE_AFTER_S="1") as one,
        working(installation, name="two", include=HURRIED, STALE_AFTER_S="1") as two,
        client_of(installation) as client,
    ):
        wait_until(lambda: len(listener.titles) > 1, "the copy to be told too old")
        time.sleep(2)  # four more looks of each worker
        assert listener.titles == ["✅ Railway backup done", "⏰ Railway backup is too old"]
        assert sum("too old: The newest verified copy is" in worker.text for worker in (one, two)) == 1
        listener.heard.clear()
        report = client.run()
        wait_until(lambda: "✅ Railway backup works again" in listener.titles, "the recovery to be told")
        wait_until(lambda: listener.at("/check"), "the end to be told")
        start, end = listener.at("/check/start"), listener.at("/check")
        assert [request.query["rid"] for request in (*start, *end)] == [report["run_id"]] * 2
        assert end[0].text.startswith("succeeded after")
        assert "Traceback" not in one.text + two.text


def test_after_promote_alarms_rest_and_it_is_said_and_after_adopt_they_are_on_again(
    installation: Installation, listener: Listener
) -> None:
    assert installation.run_here()["outcome"] == "succeeded"
    assert command(installation, "promote").returncode == 0
    assert installation.run_here()["outcome"] == "held"
    # Neon lets nobody in any more: such a run does not come as far as the guards.
    locked_out = installation.source_server.url(installation.source_name, "nobody", "geheim")
    assert installation.run_here(DATABASE_URL=locked_out)["outcome"] == "failed"
    name = installation.target_name
    assert command(installation, "adopt", "--yes-overwrite", name).returncode == 0
    assert installation.run_here()["outcome"] == "succeeded"
    assert listener.titles == [
        "✅ Railway backup done",
        "⏸ Railway backup rests: promoted",
        "✅ Railway backup is back",
    ]
    ends = [request for request in listener.heard if request.path in {"/check", "/check/fail"}]
    assert [request.path for request in ends] == ["/check"] * len(ends), "the schedule lives, and that is all it can do"
    assert "alarms rest" in ends[1].text


def test_a_run_from_cron_tells_before_it_ends_and_a_hanging_start_ping_holds_it_up_no_second(
    installation: Installation, listener: Listener
) -> None:
    with listening() as deaf:
        deaf.how = "hang"
        done = command(
            installation,
            "run",
            "--here",
            "--json",
            DATABASE_URL="postgresql://u:geheim@127.0.0.1:1/gone",
            HEARTBEAT_URL=f"http://{deaf.address}/check",
        )
    report: dict[str, Any] = json.loads(done.stdout)
    assert (done.returncode, report["outcome"]) == (1, "failed")
    assert listener.titles == ["❌ Railway backup failed"]
    assert {request.path for request in deaf.heard} == {"/check/start", "/check/fail"}
    assert "the dead man's switch did not take the notice" in done.stderr
    assert not any("geheim" in request.text for request in listener.heard)


class _Mailbox:
    """What a mail server took."""

    def __init__(self) -> None:
        self.mails: list[str] = []

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802
        self.mails.append(envelope.content.decode())
        return "250 taken"


def test_a_test_goes_to_every_channel_mail_among_them_and_says_which_does_not_work(
    installation: Installation, listener: Listener
) -> None:
    mailbox = _Mailbox()
    port = free_port()
    server = Controller(mailbox, hostname="127.0.0.1", port=port)
    server.start()
    mail = f"mailto://localhost:{port}?from=backup@example.com&to=ops@example.com&mode=insecure"
    try:
        urls = f"{mail}\njson://{listener.address}/hook\njson://127.0.0.1:1/geheim-geheim-1"
        done = command(installation, "notify-test", NOTIFY_URLS=urls)
    finally:
        server.stop()
    first, second, third, switch = done.stdout.splitlines()
    assert first.startswith("✓ channel 1 (mailto): took it in")
    assert second.startswith("✓ channel 2 (json): took it in")
    assert third.startswith("✗ channel 3 (json): A Connection error occurred")
    assert switch.startswith("✓ the dead man's switch: took it in")
    assert done.returncode == 1
    assert len(mailbox.mails) == 1
    assert "To: ops@example.com" in mailbox.mails[0]
    assert listener.titles == ["🔔 Railway backup: a test"]
    assert [request.path for request in listener.heard] == ["/hook", "/check/log"]
    assert "geheim" not in done.stdout + done.stderr


def test_a_test_as_json_and_one_when_nobody_is_told(installation: Installation) -> None:
    done = command(installation, "notify-test", "--json", HEARTBEAT_URL="")
    (result,) = json.loads(done.stdout)
    assert (result["channel"], result["error"], done.returncode) == ("channel 1 (json)", None, 0)
    nobody = command(installation, "notify-test", NOTIFY_URLS="", HEARTBEAT_URL="")
    assert nobody.returncode == 2
    assert "nobody is told of anything: set NOTIFY_URLS" in nobody.stderr
