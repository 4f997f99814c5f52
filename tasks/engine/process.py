"""Programs of PostgreSQL: found, described as an argument list, and run by one function."""

import logging
import os
import shutil
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tasks.engine.errors import ToolFailed
from tasks.engine.watch import Watch, end_group

log = logging.getLogger(__name__)

_STDERR_LINES = 20
# What a program may see of our environment: where programs and certificates lie, and no secret.
_PASSED_ON = ("PATH", "HOME", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "LD_LIBRARY_PATH", "TZ")


def tool_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of a child: messages in English, so that they can be recognised."""
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**passed, "LC_ALL": "C", **extra}


def run_tool(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    watch: Watch,
    on_stderr: Callable[[str], None] | None = None,
    stdin: int | None = None,
    stdout: int | None = None,
) -> None:
    """Run a program to its end; ToolFailed with the last lines of its stderr when it does not end well.

    stdin, stdout: file descriptors that give its standard input, which else is empty, and take its standard output,
    which else goes nowhere.

    It leads a process group of its own, and where the system can, it dies with the thread that started it:
    an orphan would go on working, and commit.
    """
    tool = Path(command[0]).name
    lines: deque[str] = deque(maxlen=_STDERR_LINES)
    if shutil.which(command[0]) is None:  # setpriv would say so in its own words
        raise ToolFailed(f"{tool} could not be started: {command[0]} is no program", tool=tool)
    try:
        process = subprocess.Popen(  # noqa: S603 - an argument list of ours, never a shell
            [*_die_with_parent(), *command],
            env=env,
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            stdout=subprocess.DEVNULL if stdout is None else stdout,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise ToolFailed(f"{tool} could not be started: {error.strerror}", tool=tool) from error
    with process:  # whose end it waits for
        try:
            with watch.covering(lambda: end_group(process.pid)):
                reader = threading.Thread(target=_read_lines, args=(process, lines, on_stderr), daemon=True)
                reader.start()
                status = process.wait()
        finally:
            end_group(process.pid)  # also when the watch was over before the program had begun
        reader.join(5)
    watch.check()
    if status != 0:
        stderr = "\n".join(lines)
        raise ToolFailed(
            f"{tool} ended with exit status {status}: {_essence(lines) or 'it printed no reason'}",
            tool=tool,
            exit_status=status,
            stderr=stderr,
        )


def _read_lines(process: "subprocess.Popen[str]", lines: deque[str], on_stderr: Callable[[str], None] | None) -> None:
    assert process.stderr is not None  # noqa: S101 - we asked for the pipe
    for line in process.stderr:
        text = line.rstrip()[:1000]
        if on_stderr is not None:
            on_stderr(text)
        if text and not _is_chatter(text):
            lines.append(text)


def _is_chatter(line: str) -> bool:
    """A line of `--verbose` that tells progress, not trouble."""
    return line.startswith("pg_dump: ") and not line.startswith(
        ("pg_dump: error", "pg_dump: warning", "pg_dump: detail", "pg_dump: hint")
    )


def _essence(lines: Sequence[str]) -> str:
    """The lines that name the trouble, as one."""
    errors = [line for line in lines if "error" in line.lower() or "fatal" in line.lower()]
    details = [line for line in lines if line.startswith(("pg_dump: detail", "DETAIL", "pg_dump: hint"))]
    return " ".join((errors[-2:] + details[-1:]) or list(lines)[-2:])[:600]


def _die_with_parent() -> list[str]:
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
