"""An installation with a worker, and somebody who sends it runs."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.support.failing import change_source
from tests.support.installation import Installation
from tests.support.workers import Client, Worker, client_of, working


@dataclass(frozen=True)
class Deployed:
    """What a test of whole runs works with. A copy stands in the target already."""

    installation: Installation
    worker: Worker
    client: Client

    def demand_stable(self, report: dict[str, Any], for_s: float = 0.3) -> None:
        """Whoever asks, at once, later, and after reconcile has been: the same report by result and file."""
        self._demand_told(report, for_s)
        self.reconcile()
        self._demand_told(report, for_s)
        path = self.installation.reports_dir / f"{report['stamp']}.json"
        assert json.loads(path.read_text(encoding="utf-8")) == report

    def reconcile(self) -> list[str]:
        """What it says that it did."""
        done: list[str] = self.client.send("tasks.reconcile").get(timeout=60)
        return done

    def demand_that_the_next_run_works(self) -> dict[str, Any]:
        self.worker.fault("")
        report = self.client.run()
        assert (report["outcome"], report["error"]) == ("succeeded", None)
        assert self.installation.leftovers() == []
        return report

    def _demand_told(self, report: dict[str, Any], for_s: float) -> None:
        state = "SUCCESS" if report["outcome"] in {"succeeded", "skipped", "missed"} else "FAILURE"
        ends_at = time.monotonic() + for_s
        while time.monotonic() < ends_at:
            result = self.client.result(report["run_id"])
            assert result.state == state
            assert self.client.report(result, timeout_s=5) == report
            time.sleep(0.05)


@contextmanager
def deployed_at(installation: Installation, **extra: str) -> Iterator[Deployed]:
    """With a worker, and a first copy; in the end, whatever was done to it, it works. extra: more environment."""
    with working(installation, **extra) as worker, client_of(installation) as client:
        assert client.run()["outcome"] == "succeeded"
        deployed = Deployed(installation, worker, client)
        yield deployed
        deployed.demand_that_the_next_run_works()


@contextmanager
def without_faults(deployed: Deployed) -> Iterator[Deployed]:
    """For one test of many: no fault before and after, a change to be copied, and afterwards nothing is left."""
    deployed.worker.fault("")
    change_source(deployed.installation)
    yield deployed
    deployed.worker.fault("")
    assert deployed.installation.leftovers() == []
