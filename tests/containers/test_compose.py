"""docker-compose.yml on a real engine: `make compose-test`. The tests tell one story, in their order."""

import base64
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection

import pytest

from tests.containers.conftest import docker
from tests.containers.stack import BACKUPS, NODE, Stack, new_stack
from tests.support.workers import wait_until

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif("COMPOSE_TEST" not in os.environ, reason="it takes minutes: `make compose-test` runs it"),
    pytest.mark.timeout(900),
]
SERVICES = ("redis", "worker", "beat", "flower", "demo-source", "demo-target")
# Compose stops what depends on a container before it recreates that container, from this version on.
_STOPS_DEPENDENTS_SINCE = (2, 30)
_TOLD_TO_STOP = "worker: Warm shutdown"


@pytest.fixture(scope="module")
def stack(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = new_stack(tmp_path_factory.mktemp("compose"), image)
    try:
        stack.up()
        stack.inside("worker", "touch", f"{BACKUPS}/gate")
        yield stack
    finally:
        stack.compose("down", "--volumes", "--timeout=5", timeout_s=600)
    left = [docker(kind, "ls", "--quiet", f"--filter=name={stack.name}") for kind in ("volume", "network")]
    assert left == ["", ""]


def passwords(stack: Stack) -> list[str]:
    folder = stack.home / "secrets" / "demo"
    names = ("redis_password", "demo_postgres_password", "flower_basic_auth")
    return [(folder / name).read_text().rpartition(":")[2] for name in names]


def test_everything_comes_up_and_is_well(stack: Stack) -> None:
    assert {name: stack.health(name) for name in SERVICES} == dict.fromkeys(SERVICES, "healthy")


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_is_not_root_and_cannot_write_beside_its_volumes(stack: Stack, service: str) -> None:
    assert stack.inside(service, "id", "-u").strip() != "0"
    written = "for path in /x /etc/x /usr/x /var/x; do touch $path 2>/dev/null && echo $path; done; true"
    assert stack.inside(service, "sh", "-c", written) == ""
    status = stack.inside(service, "cat", "/proc/self/status")
    assert {line.split()[1] for line in status.splitlines() if line.startswith("Cap")} == {"0" * 16}
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)


def test_no_password_stands_in_what_the_engine_or_the_process_list_shows(stack: Stack) -> None:
    shown = json.dumps([stack.container(service) for service in SERVICES]) + stack.compose("top")
    assert [word for word in passwords(stack) if word in shown] == []
    logs = stack.compose("logs")
    assert [word for word in passwords(stack) if word in logs] == []


def test_flower_is_reached_by_who_has_the_password_and_ends_nothing(stack: Stack) -> None:
    word = (stack.home / "secrets" / "demo" / "flower_basic_auth").read_text().strip()
    assert ask_flower(stack, "GET", "/workers", None)[0] == 401
    assert ask_flower(stack, "GET", "/workers", f"{word}x")[0] == 401
    wait_until(lambda: NODE in ask_flower(stack, "GET", "/workers", word)[1], "Flower to show the worker", 60)
    assert ask_flower(stack, "POST", "/api/task/revoke/some-id?terminate=true", word)[0] == 403


def test_a_run_by_the_clock_is_emitted_by_beat_and_succeeds(stack: Stack) -> None:
    due = (datetime.now(UTC) + timedelta(seconds=100)).replace(second=0, microsecond=0)
    stack.move_evening(due)
    assert stack.reports() == []

    def look() -> bool:
        return len(stack.reports()) == 1

    wait_until(look, f"the run of {due:%H:%M} UTC", 300)
    (report,) = stack.reports()
    assert (report["outcome"], report["error"]) == ("succeeded", None)
    assert report["job_id"] == "unified_db_railway_backup_evening"
    assert report["slot"] == due.isoformat(timespec="seconds")
    assert report["backup_stats"] == report["source_stats"]
    assert report["source_stats"]["users"] == 57


def test_a_worker_that_is_killed_in_mid_run_leaves_the_copy_and_the_run_is_told_truthfully(stack: Stack) -> None:
    stack.psql("demo-source", "escrow", "UPDATE public.users SET display_name = 'after the copy'")
    stack.shut_gate()
    run_id = stack.send_run()
    stack.wait_at_gate()
    assert re.fullmatch(r"backup__incoming_\w{8}", stack.incoming())
    docker("kill", stack.container("worker")["Id"])
    names = "SELECT count(*) FROM public.users WHERE display_name = 'after the copy'"
    assert stack.psql("demo-target", "backup", names) == "0"
    stack.open_gate()
    stack.up("worker")  # the engine starts nothing again that somebody killed by hand
    report = stack.report(run_id)
    assert (report["outcome"], report["success"]) == ("rolled_back", False)
    assert stack.incoming() == ""
    assert stack.psql("demo-target", "backup", names) == "0"
    after = stack.run()
    assert (after["outcome"], after["error"]) == ("succeeded", None)
    assert stack.psql("demo-target", "backup", names) == "57"


def test_a_worker_whose_main_process_dies_in_mid_run_is_started_again_by_the_engine(stack: Stack) -> None:
    stack.shut_gate()
    run_id = stack.send_run()
    stack.wait_at_gate()
    before = stack.started_at("worker")
    signal_main(stack, "KILL")
    wait_until(lambda: stack.started_at("worker") != before, "the worker to be started again", 60)
    stack.open_gate()
    assert stack.report(run_id)["outcome"] == "rolled_back"
    assert stack.run()["outcome"] == "succeeded"


def test_the_health_check_calls_a_worker_well_that_cannot_answer_but_is_at_work(stack: Stack) -> None:
    stack.shut_gate()
    run_id = stack.send_run()
    stack.wait_at_gate()
    signal_main(stack, "STOP")
    try:
        assert says_healthy(stack)
        assert stack.health("worker") == "healthy"
    finally:
        signal_main(stack, "CONT")
    stack.open_gate()
    assert stack.report(run_id)["outcome"] == "succeeded"
    signal_main(stack, "STOP")
    try:
        wait_until(lambda: not says_healthy(stack), "an idle worker that cannot answer to be called sick", 180)
    finally:
        signal_main(stack, "CONT")


def test_containers_made_anew_in_mid_run_let_the_step_end_before_redis_goes(stack: Stack) -> None:
    version = docker("compose", "version", "--short").strip().lstrip("v")
    if tuple(int(part) for part in version.split(".")[:2]) < _STOPS_DEPENDENTS_SINCE:
        pytest.skip(f"Docker Compose {version} stops Redis first; 2.30 and newer do not")
    stack.shut_gate()
    run_id = stack.send_run()
    stack.wait_at_gate()
    redis, old = stack.container("redis"), stack.container("worker")["Id"]
    told = stack.compose("logs", "worker").count(_TOLD_TO_STOP)
    recreating = stack.begin("up", "--detach", "--no-build", "--force-recreate")
    wait_until(lambda: stack.compose("logs", "worker").count(_TOLD_TO_STOP) > told, "the worker to be told to stop", 60)
    time.sleep(3)  # in which another order would have stopped Redis
    assert stack.container("redis")["Id"] == redis["Id"]
    assert stack.container("redis")["State"]["Running"]
    stack.open_gate()
    output, _ = recreating.communicate(timeout=600)
    assert recreating.returncode == 0, output
    assert stack.container("redis")["Id"] != redis["Id"]
    assert stack.container("worker")["Id"] != old
    report = stack.report(run_id)
    assert (report["outcome"], report["error"]) == ("succeeded", None)


def test_what_was_stopped_and_removed_goes_on_with_its_files_and_its_memory_and_new_passwords(stack: Stack) -> None:
    """What docs/operations.md says of rotating the passwords of Redis and Flower."""
    known, old = [report["run_id"] for report in stack.reports()], passwords(stack)
    stack.compose("down", timeout_s=600)
    assert stack.compose("ps", "--all", "--quiet") == ""
    stack.make_secrets(anew=("redis_password", "celery_broker_url", "flower_basic_auth"))
    stack.up()
    assert [report["run_id"] for report in stack.reports()] == known
    assert stack.run()["outcome"] == "succeeded"
    assert [word in old for word in passwords(stack)] == [False, True, False]
    refused = stack.inside("redis", "sh", "-c", f"REDISCLI_AUTH={old[0]} redis-cli ping 2>&1 || true")
    assert "WRONGPASS" in refused
    assert ask_flower(stack, "GET", "/workers", f"operator:{old[2]}")[0] == 401
    assert ask_flower(stack, "GET", "/workers", f"operator:{passwords(stack)[2]}")[0] == 200


def signal_main(stack: Stack, name: str) -> None:
    """A signal to the worker's main process, the only child of the container's first."""
    stack.inside("worker", "sh", "-c", f"kill -{name} $(cat /proc/1/task/1/children)")


def says_healthy(stack: Stack) -> bool:
    check = f"python /etc/railway-neon-sync/worker_health.py {NODE} && echo well || true"
    return "well" in stack.inside("worker", "timeout", "25", "sh", "-c", check)


def ask_flower(stack: Stack, method: str, path: str, user_and_password: str | None) -> tuple[int, str]:
    """Status and text of Flower's answer."""
    headers = {}
    if user_and_password:
        headers["Authorization"] = f"Basic {base64.b64encode(user_and_password.encode()).decode()}"
    with closing(HTTPConnection("127.0.0.1", stack.flower_port, timeout=20)) as connection:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
