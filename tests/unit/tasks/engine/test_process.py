"""One function runs every program."""

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from tasks.engine.errors import DeadlineExceeded, ToolFailed
from tasks.engine.process import run_tool, tool_environment
from tasks.engine.watch import Watch


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def test_an_exit_status_is_an_error_with_the_reason() -> None:
    program = "import sys; print('pg_dump: error: no such table', file=sys.stderr); sys.exit(3)"
    with pytest.raises(ToolFailed, match="exit status 3: pg_dump: error: no such table") as caught:
        run_tool(python(program), env=tool_environment({}), watch=Watch("step", 60))
    assert caught.value.exit_status == 3


def test_a_program_that_is_not_there_is_told() -> None:
    with pytest.raises(ToolFailed, match="pg_dump could not be started"):
        run_tool(["/nowhere/pg_dump"], env={}, watch=Watch("step", 60))


def test_the_environment_is_given_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:secret@h/d")
    assert "DATABASE_URL" not in tool_environment({"PGSERVICE": "database"})
    assert tool_environment({"PGSERVICE": "database"})["PGSERVICE"] == "database"


def test_lines_are_shown_while_it_runs() -> None:
    lines: list[str] = []
    program = "import sys; print('one', file=sys.stderr); print('two', file=sys.stderr)"
    run_tool(python(program), env=tool_environment({}), watch=Watch("step", 60), on_stderr=lines.append)
    assert lines == ["one", "two"]


def test_a_program_over_the_limit_is_ended_with_its_children(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    program = (
        "import subprocess, sys, time; "
        f"child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
        f"open({str(pid_file)!r}, 'w').write(str(child.pid)); time.sleep(60)"
    )
    with pytest.raises(DeadlineExceeded), Watch("dump_source", 2) as watch:
        run_tool(python(program), env=tool_environment({}), watch=watch)
    grandchild = int(pid_file.read_text())
    deadline = time.monotonic() + 5
    while alive(grandchild) and time.monotonic() < deadline:
        threading.Event().wait(0.02)
    assert not alive(grandchild)


def test_a_program_whose_watch_is_over_before_it_has_begun_is_ended(tmp_path: Path) -> None:
    """It is waited for: one that sleeps would keep a step that has failed already until it wakes."""
    mark, watch = tmp_path / "went on", Watch("step", 60)
    watch.fail(ToolFailed("the other one failed", tool="pg_dump"))
    program = f"import pathlib, time; time.sleep(5); pathlib.Path({str(mark)!r}).touch()"
    with pytest.raises(ToolFailed, match="the other one failed"):
        run_tool(python(program), env=tool_environment({}), watch=watch)
    assert not mark.exists()
