"""How the end of a run is read from its result."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery, states

from tasks.failures import BackupFailed
from worker.follow import result_of

REPORT = {"run_id": "r", "job_id": "manual", "outcome": "rolled_back", "error": "refused", "steps": []}


@pytest.fixture
def app() -> Iterator[Celery]:
    """An application whose results lie in this process's memory."""
    app = Celery("test", backend="cache+memory://", set_as_current=False)
    yield app
    app.close()


def stored(app: Celery, result: Any, state: str) -> str:
    """The id of a new run with this result."""
    run_id = str(uuid.uuid4())
    app.backend.store_result(run_id, result, state)
    return run_id


@pytest.mark.parametrize("state", [states.PENDING, states.STARTED, "PROGRESS"])
def test_a_result_that_is_open_is_no_end(app: Celery, state: str) -> None:
    assert result_of(app, stored(app, {"step": "dump_source", "position": ""}, state)) is None


def test_a_run_that_succeeded_was_skipped_or_missed_has_its_report_as_result(app: Celery) -> None:
    assert result_of(app, stored(app, {**REPORT, "outcome": "skipped"}, states.SUCCESS)) == {
        **REPORT,
        "outcome": "skipped",
    }


def test_a_run_that_failed_has_its_report_in_its_failure(app: Celery) -> None:
    assert result_of(app, stored(app, BackupFailed("refused", REPORT), states.FAILURE)) == REPORT


def test_a_failure_without_a_report_is_told_as_a_failure_with_its_words(app: Celery) -> None:
    report = result_of(app, stored(app, RuntimeError("the worker was lost"), states.FAILURE))
    assert report is not None
    assert (report["outcome"], report["success"], report["error"]) == ("failed", False, "the worker was lost")
