"""`make proofs`: the tests that are marked `figures` or `long`, and their part of docs/reliability.md."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.faults.document import PAGE, commit, head, put_part, table_of_figures, told_failures
from tests.faults.figures import FOLDER_VARIABLE, Figure, as_lines, as_tables, collect

_SELECTION = ("-m", "figures or long", "--numprocesses", "2", "--dist", "loadfile")
_OPTIONS = ("-v", "--no-header", "-rfE", "-o", "timeout=900")
_BAD = ("FAILED ", "ERROR ")


@dataclass(frozen=True, kw_only=True)
class Proved:
    """What the tests have counted, and a line for each that failed."""

    figures: Sequence[Figure]
    failures: Sequence[str]


def prove(selection: Sequence[str] = _SELECTION) -> Proved:
    """Run the tests, and show what they print."""
    failures: list[str] = []
    with tempfile.TemporaryDirectory(prefix="rns-figures-") as folder:
        command = [sys.executable, "-m", "pytest", *selection, *_OPTIONS]
        environment = {**os.environ, FOLDER_VARIABLE: folder}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as pytest:
            assert pytest.stdout is not None
            for line in pytest.stdout:
                sys.stdout.write(line)
                sys.stdout.flush()
                if line.startswith(_BAD):
                    failures.append(line.strip())
        if pytest.returncode and not failures:
            failures.append(f"pytest {' '.join(selection)} ended with {pytest.returncode}")
        return Proved(figures=collect(Path(folder)), failures=failures)


def part(proved: Proved, *, took_s: float) -> str:
    """For the page."""
    return "\n".join(
        (
            head("Damaged dumps, lies, versions, histories", "make proofs", commit=commit(), took_s=took_s),
            table_of_figures(as_lines(proved.figures)),
            told_failures(proved.failures),
            as_tables(proved.figures),
        )
    )


def main() -> int:
    """0 when every proof held."""
    began = time.monotonic()
    proved = prove()
    put_part(PAGE, "proofs", part(proved, took_s=time.monotonic() - began))
    return int(bool(proved.failures))


if __name__ == "__main__":
    sys.exit(main())
