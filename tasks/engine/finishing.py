"""Step 7: what is left to do once the copy is verified. Whatever fails here is told; the copy stands."""

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from config.settings import Settings
from tasks.engine import retention
from tasks.engine.errors import BackupError, Refused, ServerUnreachable
from tasks.engine.faultpoints import fault_point
from tasks.engine.journal import Journal, RunRecord
from tasks.engine.names import PART_SUFFIX, RUN_KEY, DumpKind, instant_of, manifest_path, parse_dump_name, report_path
from tasks.engine.offsite import Synced, sync
from tasks.engine.replacing.swap import drop_own_databases
from tasks.engine.run import Run
from tasks.engine.storage import free_bytes, is_regular, read_regular, remove_file
from tasks.engine.watch import Watch

log = logging.getLogger(__name__)

_PATIENCE_S = 45.0
_PAUSE_S = 2.0


@dataclass(frozen=True, kw_only=True)
class Finished:
    """What was tidied, and what could not be."""

    expired: tuple[str, ...]
    failures: tuple[str, ...]

    def summary(self) -> str:
        removed = f"{len(self.expired)} expired dump(s) removed"
        return f"{removed}; {'; '.join(self.failures)}" if self.failures else removed


def finish(run: Run) -> Finished:
    """Drop the replaced database, let old dumps, reports and journal rows expire. Never raises for one of them."""
    failures: list[str] = []
    expired: list[str] = []

    def attempt(what: str, action: Callable[[], None]) -> None:
        try:
            action()
        except (BackupError, OSError) as error:
            failures.append(f"{what}: {error}")
            log.warning("BACKUP_STORAGE %s: %s", what, error, extra={"event": "tidying_failed"})

    attempt("the replaced database could not be dropped", lambda: _drop_patiently(run))
    fault_point("finish.dropped")
    verdicts = plan_expiry(run.settings, run.journal, now=datetime.now(UTC), succeeding=run.id)
    for verdict in verdicts:
        if not verdict.keep:
            attempt(
                f"{verdict.dump.path.name} could not be removed",
                lambda path=verdict.dump.path, reason=verdict.reason: expired.append(expire(path, reason)),  # type: ignore[misc]
            )
    attempt("old reports could not be removed", lambda: _forget(run.settings, run.journal))
    if run.settings.offsite_url:
        attempt(
            "the off-site copy is not made yet, and is tried again every 15 minutes",
            lambda: run.keep(offsite=copy_offsite(run.settings, run.journal, succeeding=run.id).summary()),
        )
    attempt("keys of ended runs could not be removed", lambda: _forget_keys(run.settings, run.journal))
    kept = sum(verdict.keep for verdict in verdicts)
    free = free_bytes(run.settings.backup_dir) / 2**20
    log.info("BACKUP_STORAGE %d dump files kept, %.0f MB free", kept, free, extra={"event": "storage"})
    finished = Finished(expired=tuple(expired), failures=tuple(failures))
    run.keep(expired=list(expired), warnings=[*run.facts.get("warnings", []), *failures])
    return finished


def _drop_patiently(run: Run) -> None:
    """A server that restarts, or a session that may not be ended, is gone in a moment; else the next run drops it."""
    give_up = time.monotonic() + min(_PATIENCE_S, run.watch.remaining_s / 2)
    while True:
        try:
            drop_own_databases(run)
            return
        except (ServerUnreachable, Refused) as error:
            if time.monotonic() > give_up:
                raise
            log.info("the replaced database cannot be dropped yet: %s", error, extra={"event": "dropping_waits"})
            time.sleep(_PAUSE_S)


def plan_expiry(
    settings: Settings, journal: Journal | None, *, now: datetime, succeeding: str | None = None
) -> list[retention.Verdict]:
    """What retention decides for every dump file in the folder. `succeeding`: a run that is verified and not ended.

    journal: None where it was lost and none is to be made; the reports tell which dumps are verified.
    A folder that another pair of databases uses, or used before an address changed, is judged pair by pair: the
    newest of the one do not push out those of the other.
    """
    files = _dump_files(settings.backup_dir)
    others = journal.of_other_pairs() if journal else []
    theirs = {record.stamp: other.pair for other in others for record in other.runs()}
    ours = {record.stamp for record in journal.runs()} if journal else set()
    pair_of = {file: None if file.stamp in ours else theirs.get(file.stamp) for file in files}
    verdicts = _plan_pair(settings, journal, [f for f in files if pair_of[f] is None], now=now, succeeding=succeeding)
    for other in others:
        some = [file for file in files if pair_of[file] == other.pair]
        verdicts += [
            replace(verdict, reason=f"of another pair of databases: {verdict.reason}")
            for verdict in _plan_pair(
                settings, other, some, now=now, alive_since=now - timedelta(settings.retention_days)
            )
        ]
    return sorted(verdicts, key=lambda verdict: verdict.dump.path)


class _DumpFile(NamedTuple):
    path: Path
    kind: DumpKind
    stamp: str


def _dump_files(folder: Path) -> list[_DumpFile]:
    found = [(path, parse_dump_name(path.name.removesuffix(PART_SUFFIX))) for path in sorted(folder.glob("*.sql*"))]
    return [_DumpFile(path, *parsed) for path, parsed in found if parsed is not None and is_regular(path)]


def _plan_pair(
    settings: Settings,
    journal: Journal | None,
    files: Sequence[_DumpFile],
    *,
    now: datetime,
    succeeding: str | None = None,
    alive_since: datetime | None = None,
) -> list[retention.Verdict]:
    """For the files of one pair, whose memory this journal is. alive_since: a run held earlier was left for good."""
    records = journal.runs() if journal else []
    last = _last_that_worked(records, journal)
    newest = succeeding or next((record.run_id for record in records if record.state != "ended"), None)
    states = {record.stamp: (record.run_id, _state(record.state, record.outcome)) for record in records}
    held = last is not None and last.outcome == "held" and (alive_since is None or last.started_at > alive_since)
    dumps = []
    for path, kind, stamp in files:
        run_id, state = states.get(stamp) or ("unknown", _told_state(settings, stamp))
        dumps.append(
            retention.KeptDump(
                run_id=run_id,
                stamp=instant_of(stamp),
                path=path,
                kind=kind,
                state="succeeded" if run_id == succeeding else state,
            )
        )
    return retention.plan(
        dumps,
        keep_days=settings.retention_days,
        keep_last=settings.retention_keep_last,
        now=now,
        newest_run_held=succeeding is None and held,
        newest_run_id=newest or (last.run_id if last else None),
        last_succeeded_run_id=succeeding or (journal.last_succeeded() if journal else None),
    )


def copy_offsite(settings: Settings, journal: Journal, *, succeeding: str | None = None) -> Synced:
    """The verified dumps here, off-site too; OffsiteFailed or DeadlineExceeded when that cannot be done now."""
    now = datetime.now(UTC)
    last = _last_that_worked(journal.runs(), journal)
    with Watch("the off-site copy", settings.offsite_timeout_s) as watch:
        return sync(
            settings,
            plan_expiry(settings, journal, now=now, succeeding=succeeding),
            held=succeeding is None and last is not None and last.outcome == "held",
            now=now,
            watch=watch,
        )


def _last_that_worked(records: Sequence[RunRecord], journal: Journal | None) -> RunRecord | None:
    """The run that ended last, as the journal wrote down; of one that did not, by the clock."""
    last_ended = journal.last_ended() if journal else None
    last = next((record for record in records if record.run_id == last_ended), None)
    return last or next((record for record in records if record.outcome not in {None, "skipped", "missed"}), None)


def _told_state(settings: Settings, stamp: str) -> retention.RunState:
    """Of a run that the journal does not know (it was lost, or is another one): what its report says."""
    try:
        outcome = json.loads(read_regular(report_path(settings.backup_dir, stamp)))["outcome"]
    except (OSError, ValueError, KeyError, TypeError):
        return "failed"
    return _state("ended", outcome)


def _state(state: str, outcome: str | None) -> retention.RunState:
    if state != "ended":
        return "open"
    return "succeeded" if outcome == "succeeded" else "failed"


def expire(path: Path, reason: str) -> str:
    """A manifest goes with its dump, and after it: a dump without its manifest is still a dump."""
    remove_file(path)
    if manifest_path(path).exists():
        remove_file(manifest_path(path))
    log.info("BACKUP_STORAGE removed %s: %s", path.name, reason, extra={"event": "expired"})
    return path.name


def _forget_keys(settings: Settings, journal: Journal) -> None:
    """Of runs that died so that nobody could, or that no journal knows."""
    going = journal.stamps_in_use()
    for path in settings.backup_dir.glob(f"{RUN_KEY}*"):
        if path.name.removeprefix(RUN_KEY) not in going:
            path.unlink(missing_ok=True)


def _forget(settings: Settings, journal: Journal) -> None:
    """Reports and rows that are old, but for those that tell which dumps on disk are verified."""
    before = datetime.now(UTC) - timedelta(days=settings.report_retention_days)
    parsed = [parse_dump_name(path.name) for path in settings.backup_dir.glob("*.sql*")]
    needed = {found[1] for found in parsed if found}
    for record in journal.runs():
        if record.state == "ended" and record.started_at < before and record.stamp not in needed:
            report_path(settings.backup_dir, record.stamp).unlink(missing_ok=True)
    journal.forget_before(before, except_stamps=needed)
    journal.outbox.forget_before(before)
