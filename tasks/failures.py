"""What a caller of a run gets when it did not succeed."""

from collections.abc import Mapping
from typing import Any


class BackupFailed(Exception):
    """A run ended as failed, rolled_back, rollback_failed or held.

    Its text is the report's `error`; both arguments are plain JSON values, so that it travels through the result
    backend. A step's own failure carries no report: the run's does.
    """

    def __init__(self, sentence: str, report: Mapping[str, Any] | None = None) -> None:
        super().__init__(sentence, report)

    @property
    def report(self) -> dict[str, Any] | None:
        return dict(self.args[1]) if self.args[1] is not None else None

    def __str__(self) -> str:
        return str(self.args[0])
