"""What a real beat process emits and when, on a clock that the tests move."""

import base64
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.support.installation import Installation, installed
from tests.support.workers import Process, beating, in_a_fresh_process, wait_until
from worker.demo.servers import PostgresServer, ValkeyServer

MORNING, EVENING = "unified_db_railway_backup_morning", "unified_db_railway_backup_evening"
# Ahead of the real clock: messages that were emitted then have not expired now.
DAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=2)


@pytest.fixture
def installation(
    source_server: PostgresServer, target_server: PostgresServer, valkey_server: ValkeyServer, tmp_path: Path
) -> Iterator[Installation]:
    with deployed_beat(source_server, target_server, valkey_server, tmp_path) as found:
        yield found


@contextmanager
def deployed_beat(
    source_server: PostgresServer, target_server: PostgresServer, valkey_server: ValkeyServer, home: Path
) -> Iterator[Installation]:
    extra = {"application": False, "LOG_LEVEL": "DEBUG", "RNS_CLOCK_FILE": str(home / "clock")}
    with installed(source_server, target_server, valkey_server, home, **extra) as found:  # type: ignore[arg-type]
        yield found


@pytest.fixture(scope="module")
def earlier_start(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> list[Path]:
    """The schedule of a beat that ran at 05:50: one file or more, as this Python's dbm has it."""
    home = tmp_path_factory.mktemp("earlier")
    with deployed_beat(source_server, target_server, valkey_server, home) as found, beating_at(found, at(5, 50)):
        pass
    return sorted(home.glob("beat-schedule*"))


def bring(schedule: list[Path], home: Path) -> None:
    """As if that beat had run here."""
    for path in schedule:
        shutil.copy(path, home)


def at(hour: int, minute: int, second: int = 0) -> datetime:
    return DAY + timedelta(hours=hour, minutes=minute, seconds=second)


@contextmanager
def beating_at(installation: Installation, when: datetime) -> Iterator[Process]:
    """A beat that begins at this time, and has looked at its timetable."""
    with beating(installation, at=when) as beat:
        began = beat.text.rindex("beat: Starting...")
        wait_until(lambda: "beat: Waking up in" in beat.text[began:], "beat to have looked", 20)
        yield beat


def emitted(installation: Installation) -> list[dict[str, Any]]:
    """The runs that lie in the queue: each with its job and when it expires."""
    with redis.Redis(port=installation.valkey.port, db=installation.valkey_number) as client:
        messages = [json.loads(text) for text in client.lrange("railway_neon_sync", 0, -1)]
    runs = [message for message in messages if message["headers"]["task"] == "tasks.run_backup"]
    return [{**json.loads(base64.b64decode(run["body"]))[1], "expires": run["headers"]["expires"]} for run in runs]


@pytest.mark.parametrize(("job", "slot"), [(MORNING, at(6, 0)), (EVENING, at(18, 0))])
def test_each_slot_emits_a_run_with_its_job_id_that_expires_with_the_grace(
    installation: Installation, job: str, slot: datetime
) -> None:
    with beating_at(installation, slot - timedelta(seconds=4)):
        assert emitted(installation) == []
        found = wait_until(lambda: emitted(installation), f"the run of {slot}", 20)
    assert [run["job"] for run in found] == [job]
    late = datetime.fromisoformat(found[0]["expires"]) - slot - timedelta(seconds=600)
    assert timedelta(0) <= late < timedelta(seconds=5)


@pytest.mark.parametrize(
    ("back", "emits"),
    [(at(6, 8), True), (at(6, 9, 50), True), (at(6, 10, 1), False), (at(6, 15), False)],
)
def test_a_beat_that_was_down_at_its_time_emits_until_ten_minutes_later(
    installation: Installation, earlier_start: list[Path], back: datetime, emits: bool
) -> None:
    bring(earlier_start, installation.home)
    with beating_at(installation, back):
        assert [run["job"] for run in emitted(installation)] == ([MORNING] if emits else [])


def test_a_beat_that_is_killed_right_after_an_emission_does_not_emit_again(
    installation: Installation, earlier_start: list[Path]
) -> None:
    bring(earlier_start, installation.home)
    with beating_at(installation, at(6, 0)) as beat:
        wait_until(lambda: emitted(installation), "the emission", 20)
        beat.send(signal.SIGKILL)
        wait_until(beat.ended, "beat to end")
    with beating_at(installation, at(6, 0, 30)):
        assert len(emitted(installation)) == 1


@pytest.mark.parametrize("when", [at(12, 0, 30), at(6, 5)], ids=["at noon", "minutes after a slot"])
def test_a_first_installation_emits_nothing_for_what_was_before_it(installation: Installation, when: datetime) -> None:
    with beating_at(installation, when):
        assert emitted(installation) == []


def test_beat_is_started_by_celerys_own_command_and_knows_its_three_entries(installation: Installation) -> None:
    with beating(installation) as beat:
        wait_until(lambda: "beat: Waking up in" in beat.text, "beat to have looked", 20)
        pong = subprocess.run(
            [sys.executable, "-m", "celery", "-A", "worker", "inspect", "ping", "--timeout", "1.5"],
            env=installation.environment,
            cwd=installation.home,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "pong" in pong.stdout
    script = (
        "import json; from worker import app; entries = app.conf.beat_schedule; "
        "print(json.dumps({name: [entry['task'], entry.get('kwargs')] for name, entry in entries.items()}))"
    )
    assert in_a_fresh_process(installation, script) == {
        MORNING: ["tasks.run_backup", {"job": MORNING}],
        EVENING: ["tasks.run_backup", {"job": EVENING}],
        "reconcile": ["tasks.reconcile", None],
    }
