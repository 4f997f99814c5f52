"""A run of this process that is held at an instant while a test does something."""

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.installation import Installation
from tests.support.workers import gate, has_come, wait_until

_RUN_LIMIT_S = 150


@dataclass
class Held:
    """The run; its report is there when it was let go."""

    _future: "Future[dict[str, Any]]"
    _gate: Path

    def go_on(self) -> None:
        """Before the `with` is left."""
        self._gate.touch()

    @property
    def report(self) -> dict[str, Any]:
        return self._future.result(_RUN_LIMIT_S)

    @property
    def is_over(self) -> bool:
        return self._future.done()


@contextmanager
def held_at(installation: Installation, instant: str, **others: str) -> Iterator[Held]:
    """While inside, a run stands at the fault point `instant`; then it goes on, and is over when this is left."""
    path = gate(installation, instant)
    before = os.environ.get("RNS_FAULT")
    os.environ["RNS_FAULT"] = f"{instant}=wait:{path}"
    try:
        with ThreadPoolExecutor(1) as pool:
            held = Held(pool.submit(installation.run_here, **others), path)
            try:
                wait_until(lambda: held.is_over or has_come(path), f"the run to reach {instant}")
                assert not held.is_over, held.report
                yield held
            finally:
                path.touch()
            _ = held.report
    finally:
        if before is None:
            os.environ.pop("RNS_FAULT", None)
        else:
            os.environ["RNS_FAULT"] = before
