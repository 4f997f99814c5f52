"""The dump of a run that succeeded: what a later run may build upon."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.engine.manifest import Manifest, read_own
from tasks.engine.run import Run


@dataclass(frozen=True, kw_only=True)
class ProvedDump:
    """known: its summary, as the journal remembers it, whatever became of file and manifest."""

    file: Path
    run_id: str
    known: Mapping[str, Any]

    def manifest(self) -> Manifest:
        """DumpRefused unless it is the one that its run wrote."""
        return read_own(self.file, run_id=self.run_id, known=self.known)


def proved_dump(run: Run, run_id: str | None) -> ProvedDump | None:
    """Of the run of this id; None where that is no run that succeeded. run: the one that asks."""
    record = run.journal.run(run_id) if run_id is not None else None
    if record is None or record.outcome != "succeeded" or "source_dump" not in record.facts:
        return None
    known = record.facts["source_dump"]
    return ProvedDump(file=run.paths.directory / Path(known["file"]).name, run_id=record.run_id, known=known)
