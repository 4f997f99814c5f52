"""The demo, whole and interrupted, as a person at a pipe sees it; and nothing of it is left."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

TIMEOUT_S = 150
# Of somebody who has exported the settings of production: the demo must not come near them.
PRODUCTION = {
    "DATABASE_URL": "postgresql://nobody:s3cret@127.0.0.1:1/production",
    "RAILWAY_BACKUP_DB_URL": "postgresql://nobody:s3cret@127.0.0.1:1/backup",
    "CELERY_BROKER_URL": "redis://:s3cret@127.0.0.1:1/0",
    "CELERY_RESULT_BACKEND": "redis://:s3cret@127.0.0.1:1/0",
    "RETENTION_DAYS": "soon",
}


@contextmanager
def demo(home: Path, *words: str) -> "Iterator[subprocess.Popen[str]]":
    """`railway-neon-sync demo`, called in a folder with a `.env` of its own."""
    (home / ".env").write_text("".join(f"{name}={value}\n" for name, value in PRODUCTION.items()))
    with subprocess.Popen(
        [sys.executable, "-m", "worker", "demo", *words],
        env={**os.environ, **PRODUCTION, "PYTHONPATH": str(Path(__file__).parents[2])},
        cwd=home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def read_until(stream: IO[str], words: str) -> str:
    """The first line with these words."""
    for line in stream:
        if words in line:
            return line
    raise AssertionError(f"it never said {words!r}")


def place(line: str) -> Path:
    """The demo's directory, from its first line."""
    found = re.search(r"\S+/railway-neon-sync-demo-\S+", line)
    assert found is not None, line
    return Path(found[0])


def processes_of(root: Path) -> list[str]:
    """Whoever works in the directory, or was given a file of it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            known = command + (process / "environ").read_bytes() + os.fsencode((process / "cwd").readlink())
        except OSError:  # it ended meanwhile
            continue
        if os.fsencode(root) in known:
            found.append(command.decode(errors="replace").replace("\0", " "))
    return found


def check_three_acts(printed: str) -> None:
    """Two copies that are equal row by row, and a failure after which the old content is still there."""
    for words in (
        "Act 1 of 3: a first backup",
        "Act 2 of 3: a morning's work, and a second backup",
        "Act 3 of 3: a backup that fails",
    ):
        assert words in printed
    assert printed.count("✓ outcome: succeeded") == 2
    assert "✓ compared row by row: 451 rows in 6 tables are equal in both databases" in printed
    assert "✓ compared row by row: 466 rows in 6 tables are equal in both databases" in printed
    assert re.search(r"public\.users +57 +60 +\+ 58: Zoë Okafor", printed)
    assert "status: funded → released" in printed
    assert re.search(r"restore, prove, publish FAILED.*: .*function has_words\(text\) does not exist", printed)
    assert "✓ outcome: rolled_back" in printed
    assert "✓ the backup database still holds the same 466 rows in 6 tables, compared one by one" in printed
    assert "All three acts went as they should" in printed
    assert printed.count("verify the copy done in") == 2


def test_the_whole_demo_goes_as_it_should_and_leaves_nothing(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        printed, _ = process.communicate(timeout=TIMEOUT_S)
    check_three_acts(printed)
    assert process.returncode == 0
    assert "s3cret" not in printed
    root = place(printed)
    assert not root.exists()
    assert processes_of(root) == []


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (signal.SIGINT, "Everything happens in"),
        (signal.SIGTERM, "count and dump the source ..."),
        (signal.SIGINT, "restore, prove, publish ..."),
    ],
)
def test_an_interrupted_demo_leaves_nothing(tmp_path: Path, number: signal.Signals, words: str) -> None:
    with demo(tmp_path) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        root = place(line)
        if words not in line:
            read_until(process.stdout, words)
            assert len(processes_of(root)) >= 4
        process.send_signal(number)
        printed, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130
    assert "interrupted; all that ran was ended" in printed
    assert not root.exists()
    assert processes_of(root) == []


def test_a_demo_that_is_kept_can_be_used_and_ended_with_what_it_prints(tmp_path: Path) -> None:
    with demo(tmp_path, "--keep") as process:
        printed, _ = process.communicate(timeout=TIMEOUT_S)
    root = place(printed)
    script = root / "end"
    try:
        check_three_acts(printed)
        assert process.returncode == 0
        exports = "\n".join(line for line in printed.splitlines() if line.startswith("export "))
        command = f"{exports}\nexec {shlex.quote(sys.executable)} -m worker run"
        used = subprocess.run(
            ["sh", "-c", command],
            env={**os.environ, **PRODUCTION, "RETENTION_DAYS": "", "CELERY_RESULT_BACKEND": ""},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert used.returncode == 0, used.stderr
        assert f"sh {script}" in printed
    finally:
        subprocess.run(["sh", script], timeout=TIMEOUT_S, check=True)
    assert not root.exists()
    assert processes_of(root) == []
