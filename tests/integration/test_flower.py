"""Flower in a real browser, beside a real worker: a good run, one that works just now, and one that was rolled back."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.browser import Browser, browsing
from tests.support.failing import change_source
from tests.support.flower import COLUMNS, PASSWORD, Flower, flowering
from tests.support.installation import REPOSITORY, Installation, installed
from tests.support.workers import Client, Worker, client_of, gate, wait_for_gate, wait_until, working
from worker.demo.servers import PostgresServer, ValkeyServer

STEPS = ("verify_connections", "dump_source", "back_up_target", "check_guards", "restore_target")
ROWS = """
return [...document.querySelectorAll('#tasks-table tbody tr')].map(
    row => [...row.querySelectorAll('td')].map(cell => cell.innerText.trim()))
"""


@dataclass
class Watched:
    """What was seen in the browser, and of which runs."""

    flower: Flower
    browser: Browser
    installation: Installation
    good: dict[str, Any]
    bad: dict[str, Any]
    at_work: str  # the page of the run while its restore stood at a gate
    step_at_work: str

    def rows(self) -> list[str]:
        """The list of tasks, a line for each."""
        self.browser.open(self.flower.url("/tasks"))
        rows = wait_until(lambda: [row for row in self.browser.run(ROWS) if len(row) > 1], "the tasks in Flower", 20)
        return [" | ".join(row) for row in rows]

    def page(self, run_id: str) -> str:
        self.browser.open(self.flower.url(f"/task/{run_id}"))
        return self.browser.text("#task-page")


@pytest.fixture(scope="module")
def watched(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Watched]:
    home = tmp_path_factory.mktemp("flower")
    with (
        browsing() as browser,
        installed(source_server, target_server, valkey_server, home) as installation,
        working(installation) as worker,
        flowering(installation) as flower,
        client_of(installation) as client,
    ):
        yield _look(flower, browser, worker, client)


def _look(flower: Flower, browser: Browser, worker: Worker, client: Client) -> Watched:
    """A good run, and then one that is looked at in the middle of its restore, and then broken."""
    good = client.run()
    change_source(worker.installation)
    stop = gate(worker.installation, "loaded")
    worker.fault(f"loaded=wait:{stop},publish.before=raise")
    run = client.send()
    wait_for_gate(stop)

    def page_of(task_id: str) -> str:
        browser.open(flower.url(f"/task/{task_id}"))
        return browser.text("#task-page")

    def at_work() -> str:
        text = page_of(str(run.id))
        return text if "PROGRESS" in text and "restore_target: " in text else ""

    seen = wait_until(at_work, "the run's progress in Flower", 30)
    browser.open(flower.url("/tasks"))
    row_of_step = ("tasks.restore_target", str(run.id), "restore_target: ")

    def lines_of_step() -> list[str]:
        lines = [" | ".join(row) for row in browser.run(ROWS)]
        return [line for line in lines if all(part in line for part in row_of_step)]

    step = wait_until(lines_of_step, "its step")[0]
    stop.touch()
    bad = client.report(run)
    wait_until(lambda: "FAILURE" in page_of(str(run.id)), "the end of the run in Flower", 30)
    return Watched(flower, browser, worker.installation, good, bad, seen, step)


def test_each_task_is_listed_by_its_name_with_the_run_that_it_belongs_to(watched: Watched) -> None:
    rows = watched.rows()
    assert watched.good["outcome"] == "succeeded"
    for run, steps in ((watched.good, (*STEPS, "verify_target", "finish")), (watched.bad, (*STEPS, "rollback"))):
        for step in steps:
            assert [row for row in rows if f"tasks.{step}" in row and run["run_id"] in row], (step, rows)


def test_a_run_at_work_shows_which_step_it_is_at_and_how_far(watched: Watched) -> None:
    assert "tasks.run_backup" in watched.at_work
    assert re.search(r"restore_target: \w+", watched.at_work), watched.at_work
    assert "PROGRESS" in watched.step_at_work
    assert "restore_target: " in watched.step_at_work


def test_a_good_run_shows_its_outcome(watched: Watched) -> None:
    page = watched.page(watched.good["run_id"])
    assert "SUCCESS" in page
    assert "succeeded" in page


def test_a_bad_run_shows_why_in_a_sentence_and_not_a_traceback(watched: Watched) -> None:
    page = watched.page(watched.bad["run_id"])
    assert watched.bad["outcome"] == "rolled_back"
    assert "FAILURE" in page
    assert watched.bad["error"] in page
    assert "Traceback" not in page


def test_in_a_container_it_shows_the_same_columns() -> None:
    assert f'tasks_columns = "{COLUMNS}"' in (REPOSITORY / "deploy" / "flowerconfig.py").read_text()


def test_the_only_worker_is_the_one_that_runs(watched: Watched) -> None:
    """Progress is told in the worker's name, not in that of each of its processes."""
    watched.browser.open(watched.flower.url("/workers"))
    script = "return [...document.querySelectorAll('#workers-table tbody tr')].map(row => row.innerText)"
    rows = wait_until(lambda: [row for row in watched.browser.run(script) if "@" in row], "the workers in Flower")
    assert len(rows) == 1, rows
    assert "worker@tests" in rows[0]


def test_nothing_can_be_ended_from_there(watched: Watched) -> None:
    """Terminate gets no rollback at once: the button is gone, and the request behind it is refused."""
    for run_id in (watched.good["run_id"], watched.bad["run_id"]):
        page = watched.page(run_id)
        assert "Terminate" not in page
        assert "Revoke" not in page
    assert "Terminate" not in watched.at_work
    revoke = f"/api/task/revoke/{watched.good['run_id']}?terminate=true"
    assert watched.flower.status("POST", revoke, authorized=True) in {401, 403}


@pytest.mark.parametrize("path", ["/", "/tasks", "/workers", "/api/tasks", "/api/workers"])
def test_nobody_looks_in_without_the_password(watched: Watched, path: str) -> None:
    assert watched.flower.status("GET", path) == 401
    assert watched.flower.status("GET", path, authorized=True) == 200


def test_it_fetches_nothing_from_elsewhere_and_shows_no_password(watched: Watched) -> None:
    pages = [*watched.rows(), watched.page(watched.bad["run_id"])]
    requests = watched.browser.requests()
    assert requests != []
    assert [url for url in requests if "127.0.0.1" not in url] == []
    source = watched.browser.driver.page_source
    for secret in (watched.installation.source_url, watched.installation.target_url, PASSWORD):
        assert secret not in source
        assert not any(secret in page for page in pages)
    assert [line for line in watched.browser.console() if "SEVERE" in line] == []
