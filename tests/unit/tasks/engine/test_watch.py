"""A step's own deadline, which must hold when nothing else does."""

import socket
import threading
import time

import pytest

from tasks.engine.errors import BackupError, DeadlineExceeded, RunLost
from tasks.engine.watch import Watch, cut_socket


def test_a_step_over_its_limit_is_cut_and_says_which_and_how_long() -> None:
    cut = threading.Event()

    def step() -> None:
        with Watch("dump_source", 0.05) as watch, watch.covering(cut.set):
            cut.wait(5)
            raise OSError("the connection broke because it was cut")

    with pytest.raises(DeadlineExceeded, match=r"dump_source took longer than its limit of 0.05 s"):
        step()
    assert cut.is_set()


def test_a_step_that_was_cut_fails_even_when_its_work_did_not_notice() -> None:
    with pytest.raises(RunLost), Watch("restore_target", 60) as watch:
        watch.fail(RunLost("taken over"))


def test_the_first_reason_stays() -> None:
    watch = Watch("step", 60)
    watch.fail(RunLost("first"))
    watch.fail(BackupError("second"))
    with pytest.raises(RunLost, match="first"):
        watch.check()


def test_nothing_new_begins_after_the_end() -> None:
    watch = Watch("step", 60)
    watch.fail(RunLost("taken over"))
    with pytest.raises(RunLost), watch.covering(lambda: None):
        pytest.fail("the body must not run")


def test_what_is_no_longer_used_is_not_cut() -> None:
    cuts: list[str] = []
    watch = Watch("step", 60)
    with watch.covering(lambda: cuts.append("old")):
        pass
    watch.fail(RunLost("taken over"))
    assert cuts == []


def test_a_blocked_reader_returns_when_its_socket_is_cut() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        threading.Timer(0.05, cut_socket, [ours]).start()
        began = time.monotonic()
        assert ours.recv(1) == b""
        assert time.monotonic() - began < 5
