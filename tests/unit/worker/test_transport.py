"""What has the shape of a message of Celery, and is handed on."""

import base64
import json
from typing import Any

import pytest

from worker.transport import what_is_wrong


def message(headers: dict[str, Any], body: object) -> dict[str, Any]:
    """As it lies in Redis."""
    return {
        "body": base64.b64encode(json.dumps(body).encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers,
        "properties": {"delivery_info": {}, "delivery_tag": "one", "body_encoding": "base64"},
    }


@pytest.mark.parametrize("expires", [1795513123.25, 0, None])
def test_a_question_to_the_worker_expires_after_so_many_seconds(expires: float | None) -> None:
    question = {"method": "ping", "arguments": {}, "destination": ["backup@worker"]}
    assert what_is_wrong(message({"clock": 1, "expires": expires}, question)) is None


@pytest.mark.parametrize(
    ("expires", "right"), [("2026-11-25T06:10:00+00:00", True), (None, True), (1795513123.25, False)]
)
def test_a_task_expires_at_an_instant(expires: object, *, right: bool) -> None:
    task = message({"task": "tasks.run_backup", "id": "one", "expires": expires}, [[], {}, {}])
    assert (what_is_wrong(task) is None) == right


def test_a_question_that_expires_at_a_word_would_end_the_worker_and_is_none() -> None:
    assert what_is_wrong(message({"clock": 1, "expires": "soon"}, {"method": "ping"})) is not None


def test_events_that_come_several_in_one_message_reach_who_watches() -> None:
    """A worker sends what happens to its tasks so; without it, Flower sees no task at all."""
    events = [{"type": "task-received", "uuid": "one"}, {"type": "task-started", "uuid": "one"}]
    headers = {"hostname": "worker@tests"}
    assert what_is_wrong(message(headers, events), of_events=True) is None
    assert what_is_wrong(message(headers, events[0]), of_events=True) is None
    assert what_is_wrong(message(headers, [1, 2]), of_events=True) is not None


def test_a_list_in_the_workers_own_queue_is_still_no_task() -> None:
    assert what_is_wrong(message({"hostname": "worker@tests"}, [{"type": "task-received"}])) is not None
