"""The command itself, with real servers: it copies, prints its tables, and can be interrupted."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.workers import wait_until

_ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Below one that the servers' user can reach, too; pytest's own are private."""
    path = Path(tempfile.mkdtemp(prefix="rns-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@contextmanager
def benching(folder: Path, *options: str) -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
    """The command, at work in a temporary folder of its own; and what it prints."""
    printed = folder / "printed"
    with printed.open("wb") as lines:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench", *options],
            cwd=_ROOT,
            env={**os.environ, "TMPDIR": str(folder)},
            stdout=lines,
            stderr=lines,
        )
    with process:
        try:
            yield process, printed
        finally:
            process.terminate()


def programs(folder: Path) -> list[str]:
    """The command lines of programs that work in the bench's folder, or were started with its paths."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if str(folder / "rns-bench-") in words + str((process / "cwd").readlink()):
                found.append(words)
    return found


def left(folder: Path) -> list[str]:
    return [*programs(folder), *(path.name for path in folder.glob("rns-bench-*"))]


def test_it_copies_and_prints_what_it_measured_and_foretold(folder: Path) -> None:
    with benching(folder, "--quick", "--data", "S", "--wire", "10", "--only", "psql,engine", "--cases", "first") as (
        process,
        printed,
    ):
        status = process.wait(150)
    text = printed.read_text()
    assert status == 0, text
    assert "| engine     | first run " in text
    assert "| ~" in text
    assert left(folder) == []


def test_interrupted_it_leaves_nothing_behind(folder: Path) -> None:
    with benching(folder, "--data", "W", "--only", "psql", "--wire", "200") as (process, printed):
        wait_until(lambda: "W is built" in printed.read_text(), "the data to be built")
        wait_until(lambda: any(words.startswith("pg_dump") for words in programs(folder)), "pg_dump to work")
        process.send_signal(signal.SIGINT)
        status = process.wait(60)
    assert status == 130, printed.read_text()
    assert "interrupted" in printed.read_text()
    assert left(folder) == []
