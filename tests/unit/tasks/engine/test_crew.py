"""Sessions that share tasks; those that are not needed are not opened."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from tasks.engine.crew import Crew
from tasks.engine.errors import ServerUnreachable


def connection() -> Any:
    return SimpleNamespace(connection=SimpleNamespace(driver_connection=object()))


class Helpers:
    """Whoever is asked for one is counted."""

    def __init__(self, *, fail: bool = False) -> None:
        self.opened = self.closed = 0
        self._fail = fail

    @contextmanager
    def __call__(self) -> Iterator[Any]:
        self.opened += 1
        if self._fail:
            raise ServerUnreachable("too many connections")
        yield connection()
        self.closed += 1


@pytest.mark.parametrize(("tasks", "opened"), [(0, 0), (1, 0), (2, 1), (3, 2), (9, 3)])
def test_no_more_are_opened_than_there_are_tasks(tasks: int, opened: int) -> None:
    helpers, done = Helpers(), list[int]()
    with Crew(connection(), [helpers] * 3) as crew:
        crew.share([lambda _, number=number: done.append(number) for number in range(tasks)])  # type: ignore[misc]
        assert sorted(done) == list(range(tasks))
    assert (helpers.opened, helpers.closed) == (opened, opened)


def test_one_that_cannot_be_opened_is_asked_for_once(caplog: pytest.LogCaptureFixture) -> None:
    helpers, done = Helpers(fail=True), list[Any]()
    with caplog.at_level("INFO"), Crew(connection(), [helpers]) as crew:
        crew.share([done.append, done.append])
        crew.share([done.append, done.append])
    assert (helpers.opened, len(done)) == (1, 4)
    assert "a session less works: too many connections" in caplog.text


def test_the_first_failure_is_raised_and_no_more_is_begun() -> None:
    done = list[Any]()

    def fails(_: Any) -> None:
        raise ValueError("the first")

    with Crew(connection(), []) as crew, pytest.raises(ValueError, match="the first"):
        crew.share([done.append, fails, done.append])
    assert len(done) == 1
