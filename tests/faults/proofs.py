"""The other proofs of the page, played beside the matrix: the tests that are marked `figures`."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.figures import FOLDER_VARIABLE, Figure, collect

_REPOSITORY = Path(__file__).parents[2]
_LINE = re.compile(r"^(?P<test>\S+::.*?) (?P<how>PASSED|FAILED|ERROR|SKIPPED)\b")
_NOTHING_SELECTED = 5
# A proof that waits for the matrix's processor is no hanging one.
_OPTIONS = ("-v", "--no-header", "--durations=0", "-o", "timeout=900")


@dataclass
class Proofs:
    """One pytest in the background. `figures` and `failures` are complete after `wait`."""

    tell: Callable[[str], None]
    selection: Sequence[str] = ("-m", "figures")
    figures: list[Figure] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    passed: int = 0
    stopped: bool = False
    _folder: Path | None = None
    _process: "subprocess.Popen[str] | None" = None
    _reader: threading.Thread | None = None

    def start(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="rns-figures-"))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *self.selection, *_OPTIONS],
            cwd=_REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(_REPOSITORY), FOLDER_VARIABLE: str(self._folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, name="proofs", daemon=True)
        self._reader.start()

    def stop(self) -> None:
        """Whoever stops the matrix stops the proofs; what they have recorded stays. pytest ends its servers."""
        if self._process is not None and self._process.poll() is None:
            self.stopped = True
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGINT)

    def wait(self) -> None:
        if self._process is None or self._reader is None or self._folder is None:
            return
        self._reader.join()
        status = self._process.wait()
        if status not in {0, _NOTHING_SELECTED} and not self.failures and not self.stopped:
            self.failures.append(f"pytest {' '.join(self.selection)} ended with {status}")
        self.figures = collect(self._folder)
        for path in self._folder.iterdir():
            path.unlink()
        self._folder.rmdir()

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            self._follow(lines)

    def _follow(self, lines: Iterable[str]) -> None:
        tail: list[str] = []
        for line in lines:
            tail = [*tail[-60:], line]
            if found := _LINE.match(line):
                self.tell(f"proof {found['test']}: {found['how'].lower()}")
                self.passed += found["how"] == "PASSED"
                if found["how"] != "PASSED":
                    self.failures.append(f"{found['test']} {found['how'].lower()}")
        if self.failures:
            self.tell("".join(tail))
