"""Work beside other work."""

import threading
from contextvars import ContextVar

import pytest

from tasks.engine.background import beside

WHO: ContextVar[str] = ContextVar("who")


def test_it_is_done_meanwhile_in_the_callers_context() -> None:
    begun = threading.Event()
    WHO.set("the caller")

    def work() -> str:
        begun.set()
        return WHO.get()

    with beside(work, name="test") as working:
        assert begun.wait(10)
        assert working.result() == "the caller"


def test_leaving_waits_for_its_end_also_after_an_error() -> None:
    goes_on, done = threading.Event(), threading.Event()

    def work() -> None:
        assert goes_on.wait(10)
        done.set()

    def fail() -> None:
        with beside(work, name="test"):
            goes_on.set()
            raise ValueError("the first")

    with pytest.raises(ValueError, match="the first"):
        fail()
    assert done.is_set()


def test_what_it_raised_is_raised_by_whoever_asks_for_its_result() -> None:
    def work() -> None:
        raise ValueError("beside")

    with beside(work, name="test") as working:
        pass
    with pytest.raises(ValueError, match="beside"):
        working.result()
