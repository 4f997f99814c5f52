"""What a person sees of a run: each step once, in order, on a terminal and elsewhere."""

import io
import logging

from rich.console import Console

from tasks.pipeline import ORDER
from worker.display import TITLES, Calm, PlainDisplay, Steps, TerminalDisplay, showing
from worker.here import StepLines


def plain() -> tuple[Steps, io.StringIO]:
    stream = io.StringIO()
    return Steps(PlainDisplay(stream)), stream


def test_every_step_of_a_run_has_a_title_in_the_order_of_the_run() -> None:
    assert [*TITLES] == [*(step.name.removeprefix("tasks.") for step in ORDER), "rollback"]


def test_news_from_several_sources_are_told_once() -> None:
    steps, stream = plain()
    for _ in range(2):
        steps.working("dump_source")
        steps.working("dump_source", "1 of 6 tables")
    for _ in range(2):
        steps.ended("dump_source", good=True, seconds=1.26, summary="6 tables")
    steps.working("dump_source", "2 of 6 tables")
    assert stream.getvalue().splitlines() == [
        "count and dump the source ...",
        "count and dump the source: 1 of 6 tables",
        "count and dump the source done in 1.3 s: 6 tables",
    ]


def test_lines_of_a_log_say_each_new_thing_at_once_and_how_far_it_is_once_in_a_while() -> None:
    stream, now = io.StringIO(), [0.0]
    steps = Steps(PlainDisplay(stream, calm=Calm(clock=lambda: now[0])))
    for second in range(25):
        now[0] = float(second)
        steps.working("restore_target", f"loading, {second} MB")
    steps.working("restore_target", "proving the copy")
    assert stream.getvalue().splitlines() == [
        "restore, prove, publish: loading, 0 MB",
        "restore, prove, publish: loading, 10 MB",
        "restore, prove, publish: loading, 20 MB",
        "restore, prove, publish: proving the copy",
    ]


def test_a_step_that_is_heard_of_too_early_is_shown_after_its_predecessors_end() -> None:
    steps, stream = plain()
    steps.working("dump_source")
    steps.working("back_up_target")
    steps.ended("dump_source", good=True, seconds=1.0, summary="a")
    steps.ended("back_up_target", good=True, seconds=1.0, summary="b")
    assert [line.split(" in ")[0] for line in stream.getvalue().splitlines()] == [
        "count and dump the source ...",
        "count and dump the source done",
        "safety backup of the target ...",
        "safety backup of the target done",
    ]


def test_the_report_tells_what_nobody_told_and_nothing_twice() -> None:
    steps, stream = plain()
    report = {
        "steps": [
            {"name": "verify_connections", "state": "done", "seconds": 0.1, "summary": "both answer"},
            {"name": "dump_source", "state": "failed", "seconds": 0.5, "summary": "disk full"},
        ]
    }
    steps.ended("verify_connections", good=True, seconds=0.1, summary="both answer")
    assert not steps.knows(report)
    steps.complete(report)
    assert steps.knows(report)
    assert stream.getvalue().splitlines() == [
        "verify connections done in 0.1 s: both answer",
        "count and dump the source FAILED in 0.5 s: disk full",
    ]


def test_a_terminal_keeps_a_line_for_each_step_that_is_over() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=100, color_system=None, _environ={"TERM": "xterm"})
    display = TerminalDisplay(console)
    steps = Steps(display)
    steps.working("restore_target", "[1 of 6 tables]")
    steps.ended("restore_target", good=False, seconds=2.0, summary="[refused]")
    display.stop()
    assert "restore, prove, publish: [1 of 6 tables]" in stream.getvalue()
    assert "✗ restore, prove, publish       2.0 s [refused]" in stream.getvalue()


def test_whatever_is_shown_is_cleaned_first() -> None:
    stream = io.StringIO()
    with showing(lambda text: text.replace("s3cret", "***"), stream) as steps:
        steps.working("dump_source", "s3cret")
        steps.ended("dump_source", good=True, seconds=None, summary="s3cret")
        steps.display.note("s3cret")
    assert "s3cret" not in stream.getvalue()
    assert stream.getvalue().count("***") == 3


def test_a_run_in_this_process_is_shown_from_what_it_logs() -> None:
    steps, stream = plain()
    log = logging.getLogger("test of step lines")
    log.setLevel(logging.INFO)
    log.propagate = False
    log.handlers = [StepLines(steps)]
    log.info("dump_source begins", extra={"event": "step_began", "step": "dump_source"})
    log.info("of no interest")
    log.warning("%d tables are locked", 2)
    fields = {"event": "step_done", "step": "dump_source", "took_s": 2.0, "summary": "6 tables"}
    log.info("dump_source done in 2.0 s", extra=fields)
    failed = {"event": "step_failed", "step": "back_up_target"}
    log.error("%s failed: %s", "back_up_target", "disk full: 0 bytes", extra=failed)
    assert stream.getvalue().splitlines() == [
        "count and dump the source ...",
        "2 tables are locked",
        "count and dump the source done in 2.0 s: 6 tables",
        "safety backup of the target FAILED: disk full: 0 bytes",
    ]
