"""A run that fails in this process, and everything that must hold of each failure."""

import itertools
import json
import logging

import pytest

from tests.support.installation import Installation

ROLLING_BACK = "🔄 ROLLING BACK: Restoring from safety backup..."
ROLLED_BACK = "✅ Rollback successful - Railway backup database preserved"
STEPS = [
    "verify_connections",
    "dump_source",
    "back_up_target",
    "check_guards",
    "restore_target",
    "verify_target",
    "finish",
]
_numbers = itertools.count(1)


def change_source(installation: Installation) -> None:
    """So that a copy that should not have been published would show."""
    installation.on_source(f"UPDATE public.users SET display_name = 'change {next(_numbers)}' WHERE id = 3")


class Failed:
    """A run that failed in this process, and what was to be seen before and after it."""

    def __init__(self, installation: Installation, caplog: pytest.LogCaptureFixture, **others: str) -> None:
        self.installation = installation
        change_source(installation)
        before = installation.fingerprint(), installation.comment()
        caplog.clear()
        with caplog.at_level(logging.INFO):
            self.report = installation.run_here(**others)
        self.messages = [record.getMessage() for record in caplog.records]
        self.target_is_untouched = before == (installation.fingerprint(), installation.comment())
        self.leftovers = installation.leftovers()

    def demand(self, outcome: str, *, step: str | None, said: str) -> None:
        """Everything that holds for each failure. step: the one that failed; said: words of the error."""
        report = self.report
        assert (report["outcome"], report["success"]) == (outcome, False)
        assert said in report["error"]
        assert "\n" not in report["error"]
        assert report["backup_stats"] is None or outcome == "rolled_back"
        states = {found["name"]: found["state"] for found in report["steps"]}
        assert step is None or states == dict.fromkeys(STEPS[: STEPS.index(step)], "done") | {step: "failed"}
        assert self.target_is_untouched
        assert self.leftovers == []
        self._demand_lines(outcome)
        path = self.installation.reports_dir / f"{report['stamp']}.json"
        assert json.loads(path.read_text()) == report
        assert report["run_id"] in (self.installation.backup_dir / "status.html").read_text()

    def _demand_lines(self, outcome: str) -> None:
        failed = f"❌ Unified DB → Railway Backup failed: {self.report['error']}"
        expected = [ROLLING_BACK, ROLLED_BACK, failed] if outcome == "rolled_back" else [failed]
        assert [line for line in self.messages if line in {ROLLING_BACK, ROLLED_BACK, failed}] == expected
        assert not any("completed in" in line for line in self.messages)

    def demand_that_the_next_run_works(self, **others: str) -> None:
        report = self.installation.run_here(**others)
        assert (report["outcome"], report["error"]) == ("succeeded", None)
        assert self.installation.leftovers() == []
        comment = self.installation.comment()
        assert comment is not None
        assert json.loads(comment)["run_id"] == report["run_id"]
