"""One run as each of its steps sees it: who it is, what it may use, what earlier steps found."""

import hashlib
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from config.settings import Settings
from config.urls import DatabaseUrl
from tasks.engine import names
from tasks.engine.connections import Server
from tasks.engine.errors import RunLost
from tasks.engine.journal import Journal, RunRecord
from tasks.engine.progress import Progress
from tasks.engine.watch import Watch

log = logging.getLogger(__name__)

# The ways of runs that keep the database which stands there; else the way is the method.
UNCHANGED = "unchanged"  # nothing is loaded
CHANGED_TABLES = "changed_tables"  # what differs in rows is written, in one transaction
KEEPING = frozenset({UNCHANGED, CHANGED_TABLES})
SCHEMA_KEPT = "schema_kept"
"""The fact of a run that did not ask pg_dump for the schema: the hash of its catalogs."""
_MAX_NAME_BYTES = 63  # PostgreSQL's NAMEDATALEN - 1


@dataclass(frozen=True, kw_only=True)
class Paths:
    """Where the files of one run lie."""

    directory: Path
    stamp: str
    source_form: names.DumpForm
    safety_form: names.DumpForm

    @property
    def source_dump(self) -> Path:
        return names.dump_path(self.directory, "source", self.stamp, self.source_form)

    @property
    def safety_dump(self) -> Path:
        return names.dump_path(self.directory, "safety", self.stamp, self.safety_form)

    def rejected_dump(self, number: int) -> Path:
        """What a rollback found in the place of the copy; number: from 1, of the attempt."""
        return names.rejected_path(self.directory, self.stamp, number, self.safety_form)

    @property
    def key(self) -> Path:
        """The run's own key to its encrypted dump, until it has ended."""
        return names.run_key_path(self.directory, self.stamp)

    @property
    def report(self) -> Path:
        return names.report_path(self.directory, self.stamp)


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run with the means of one step; `closer` is set while a rollback or reconcile ends it."""

    id: str
    job_id: str
    stamp: str
    started_at: datetime
    options: Mapping[str, Any]
    settings: Settings
    journal: Journal
    watch: Watch
    progress: Progress
    facts: dict[str, Any] = field(default_factory=dict)  # JSON values; `keep` adds to them
    closer: str | None = None

    @property
    def short_id(self) -> str:
        return short_id_of(self.id)

    @property
    def session_prefix(self) -> str:
        """The application_name of every session of this run begins with it, so that a successor can end them."""
        return f"railway-neon-sync/{self.short_id}"

    @property
    def paths(self) -> Paths:
        """By the settings until a dump is made; afterwards it keeps the name that it got."""
        settings = self.settings
        packed = names.DumpForm(compressed=settings.dump_compression == "zstd")
        return Paths(
            directory=settings.backup_dir,
            stamp=self.stamp,
            source_form=self._made("source_dump") or replace(packed, encrypted=bool(settings.encrypt_to)),
            # Never encrypted to a key that this worker lacks: the rollback must be able to read it.
            safety_form=self._made("safety_dump") or packed,
        )

    @property
    def source(self) -> Server:
        return self._server("source", self.settings.source, read_only=True)

    @property
    def target(self) -> Server:
        return self._server("target", self.settings.target)

    @property
    def target_name(self) -> str:
        return self.target.url.dbname

    @property
    def incoming_name(self) -> str:
        """The database in which the new content is prepared."""
        return self._beside("incoming")

    @property
    def previous_name(self) -> str:
        """The database that was replaced, until the run is verified."""
        return self._beside("previous")

    @property
    def nothing_replaced(self) -> bool:
        """The database that stood there stays, and what was published was proved in it at that very instant.

        So whatever differs afterwards was written by somebody else, and is not ours to undo.
        """
        return self.facts.get("way") in KEEPING

    @property
    def wrote_tables(self) -> bool:
        """Single tables are written to where they stand."""
        return self.facts.get("way") == CHANGED_TABLES

    def keep(self, **facts: Any) -> None:
        """Remember for later steps, and for whoever has to end this run."""
        self.journal.keep(self.id, **facts)
        self.facts.update(facts)

    def warn(self, *sentences: str) -> None:
        """What a person should know although the run goes on: into the log and the report."""
        for sentence in sentences:
            log.warning("%s", sentence, extra={"event": "warning"})
        if sentences:
            self.keep(warnings=[*self.facts.get("warnings", []), *sentences])

    def still_ours(self) -> None:
        """RunLost when another process has taken the run.

        Asked after a session is opened and before it changes anything: whoever takes a run first writes so into
        the journal and then ends the run's sessions, so one of both stops a worker that was paused.
        """
        self.watch.check()
        record = self.journal.run(self.id)
        wanted = "open" if self.closer is None else "closing"
        if record is None or record.state != wanted or record.closer != self.closer:
            raise RunLost("another process has ended this run meanwhile; this one stops")

    def _made(self, dump: str) -> names.DumpForm | None:
        made = self.facts.get(dump)
        return names.form_of(made["file"]) if made else None

    def _beside(self, what: str) -> str:
        return name_beside(self.target_name, what, self.short_id)

    def _server(self, role: str, url: DatabaseUrl, *, read_only: bool = False) -> Server:
        suffix = "" if self.closer is None else "/recovery"
        return Server(
            role=role,
            url=url,
            application_name=self.session_prefix + suffix,
            watch=self.watch,
            read_only=read_only,
            connect_timeout_s=self.settings.connect_timeout_s,
            count=self.progress.round_trips_made,
        )


def short_id_of(run_id: str) -> str:
    """Eight hex digits for names that have little room; a caller may have chosen any task id."""
    is_uuid = re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", run_id)
    return run_id[:8] if is_uuid else hashlib.sha256(run_id.encode()).hexdigest()[:8]


def name_beside(target: str, what: str, short_id: str) -> str:
    """The name of a run's own database beside the target; what: incoming or previous."""
    suffix = f"__{what}_{short_id}"
    return target.encode()[: _MAX_NAME_BYTES - len(suffix)].decode(errors="ignore") + suffix


def open_run(
    record: RunRecord,
    *,
    settings: Settings,
    journal: Journal,
    watch: Watch,
    closer: str | None = None,
    progress: Progress | None = None,
) -> Run:
    """A run from what the journal knows of it. progress: for who asks afterwards what was done."""
    return Run(
        id=record.run_id,
        job_id=record.job_id,
        stamp=record.stamp,
        started_at=record.started_at,
        options=record.options,
        settings=settings,
        journal=journal,
        watch=watch,
        progress=progress or Progress(),
        facts=dict(record.facts),
        closer=closer,
    )
