"""Guards: when a run must not overwrite. A copy that overwrites on schedule is a loaded gun."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy.engine import Connection

from tasks.engine.content import (
    Content,
    compare_definitions,
    content_digest,
    definitions_digest,
    describe_changes,
    describe_losses,
    describe_tables,
    is_empty,
    statistics,
)
from tasks.engine.database_properties import properties_from, read_properties
from tasks.engine.errors import DumpRefused, Held
from tasks.engine.faultpoints import fault_point
from tasks.engine.grants import grants_to_json, read_grants
from tasks.engine.manifest import Manifest, read_manifest
from tasks.engine.mark import Mark
from tasks.engine.names import dump_path, manifest_path
from tasks.engine.run import Run
from tasks.engine.wording import counted

NOT_OVERWRITTEN = "nothing was overwritten"
_SHOWN = 3
_COMMANDS = "if it may be overwritten: railway-neon-sync adopt; if it is production now: railway-neon-sync promote"


@dataclass(frozen=True, kw_only=True)
class Shrink:
    """How much smaller the copy would become: statistics tables that lose everything, and all rows together."""

    emptied: Mapping[str, int]  # table to the rows that the target holds and the source does not
    rows_before: int
    rows_after: int

    def within(self, accepted: "Shrink") -> bool:
        """No larger loss than the accepted one."""
        lost, accepted_loss = self.rows_before - self.rows_after, accepted.rows_before - accepted.rows_after
        return set(self.emptied) <= set(accepted.emptied) and lost <= accepted_loss


def check_guards(run: Run, source: Manifest, safety: Manifest, mark: Mark | None) -> str:
    """Raise Held, naming every reason and the command that lifts it; else say what was judged."""
    copied = _last_copy(run, mark)
    written = _written_definitions(run, safety, mark, copied)
    reasons = foreign_target(safety, mark) + written_target(safety, mark, copied=copied, definitions=written)
    shrink = measure_shrink(
        safety.content, source.content, tables=run.settings.stats_tables, max_percent=run.settings.max_shrink_percent
    )
    accepted = _accepted(run)
    if shrink is not None:
        run.keep(shrink=asdict(shrink))
        if accepted is None or not shrink.within(accepted):
            losses = describe_losses(safety.content, source.content)
            by = run.options["accept_shrink"] if accepted else None
            reasons.append(_describe_shrink(shrink, losses, run.id, accepted=by))
    fault_point("check_guards.middle")
    if reasons:
        raise Held("; ".join(reasons))
    return "nothing forbids to overwrite the backup database"


def foreign_target(safety: Manifest, mark: Mark | None) -> list[str]:
    """Guard 1: it holds data and no mark of ours: it might be anybody's database."""
    if mark is not None or is_empty(safety.content):
        return []
    tables = counted(len(safety.content.tables), "table")
    rows = counted(sum(table.rows for table in safety.content.tables), "row")
    return [
        f"the backup database {safety.database} holds {tables} with {rows} and no mark "
        f"of ours{_in_brackets(describe_tables(safety.content))}: it might be somebody else's; if it may be "
        "overwritten from now on: railway-neon-sync adopt"
    ]


def written_target(
    safety: Manifest, mark: Mark | None, *, copied: Content | None = None, definitions: Sequence[str] = ()
) -> list[str]:
    """Guard 2: it is production now, was restored by hand, or was written to since our last copy.

    copied: what that copy held, where its manifest is still there: then it is said what was written, else what stands
    there now. definitions: what was found written in text that the digest does not hold.
    """
    if mark is None:
        return []
    if mark.promoted is not None:
        return [
            f"the backup database {safety.database} was promoted on {mark.promoted}: it is production now and is not "
            "overwritten; to let it be a backup again: railway-neon-sync adopt"
        ]
    if mark.restored is not None:
        return [
            f"the backup database {safety.database} was restored by hand on {mark.restored}, to what was dumped at "
            f"{mark.snapshot_at}: a run would replace that by what the source holds now; {_COMMANDS}"
        ]
    if safety.content_digest != mark.content_digest or definitions:
        since = f"it was adopted on {mark.adopted}" if mark.adopted else f"the copy of {mark.snapshot_at}"
        what = describe_changes(copied, safety.content) if copied else f"now {describe_tables(safety.content)}"
        what = "; ".join(definitions[:_SHOWN]) or what
        return [
            f"the backup database {safety.database} was written to since {since}{_in_brackets(what)}: somebody failed "
            f"over to it, or uses it; {_COMMANDS}"
        ]
    return []


def _written_definitions(run: Run, safety: Manifest, mark: Mark | None, copied: Content | None) -> tuple[str, ...]:
    """The views, defaults, checks and their like that are no longer the last copy's, though the digest is."""
    if mark is None or copied is None or safety.content_digest != mark.content_digest:
        return ()
    record = run.journal.run(mark.run_id)
    if record is not None and record.facts.get("definitions") == definitions_digest(safety.content):
        return ()  # to the letter as it was verified: nobody need be asked
    with run.target.open() as connection:
        return compare_definitions(copied, safety.content, connection)


def _last_copy(run: Run, mark: Mark | None) -> Content | None:
    """What the copy held that was published last; None on another host, or when its files have expired."""
    record = run.journal.run(mark.run_id) if mark is not None else None
    if record is None or mark is None:
        return None
    try:
        manifest = read_manifest(manifest_path(dump_path(run.settings.backup_dir, "source", record.stamp)))
    except DumpRefused:
        return None
    return manifest.content if manifest.content_digest == mark.content_digest else None


def _in_brackets(text: str) -> str:
    return f" ({text})" if text else ""


def measure_shrink(before: Content, after: Content, *, tables: Sequence[str], max_percent: float) -> Shrink | None:
    """Guard 3, against what would be overwritten: a statistics table is lost or emptied, or too many rows go."""
    old, new = statistics(before, tables), statistics(after, tables)
    emptied = {name: rows for name, rows in old.items() if rows and not new[name]}
    rows_before = sum(table.rows for table in before.tables)
    rows_after = sum(table.rows for table in after.tables)
    too_many = rows_after < rows_before * (1 - max_percent / 100)
    if not emptied and not too_many:
        return None
    return Shrink(emptied=emptied, rows_before=rows_before, rows_after=rows_after)


def _accepted(run: Run) -> Shrink | None:
    """`--accept-shrink RUN` accepts what that held run showed, and no larger loss."""
    accepted = run.options.get("accept_shrink")
    if not accepted:
        return None
    record = run.journal.run(accepted)
    shown: dict[str, Any] | None = record.facts.get("shrink") if record else None
    if shown is None:
        run.warn(f"nothing was accepted: no run {accepted} that would have shrunk the copy is known here")
        return None
    return Shrink(**shown)


def _describe_shrink(shrink: Shrink, losses: str, run_id: str, *, accepted: str | None) -> str:
    lost = ", ".join(f"{name} ({rows} rows in the backup, none in the source)" for name, rows in shrink.emptied.items())
    rows = f"all tables together: {shrink.rows_before} rows in the backup, {shrink.rows_after} in the source"
    more = f"; this is more than run {accepted} showed" if accepted else ""
    return (
        f"the copy would shrink: {lost + '; ' if lost else ''}{rows}{_in_brackets(losses)}{more}; somebody may have "
        "destroyed data, and the backup may now be the only copy; if that is right: railway-neon-sync run "
        f"--accept-shrink {run_id}"
    )


def demand_unwritten(found: Content, safety: Content, database: str, *, told: str) -> None:
    """Held when the target is not what the safety backup holds: the last look. told: what became of it."""
    if not untouched(found, safety):
        raise Held(written_meanwhile(database, describe_changes(safety, found), told=told))


def demand_same_rights(connection: Connection, before: str | None, database: str, *, told: str) -> None:
    """Held when somebody gave or took rights in the connection's database since. before: as a manifest has them."""
    if before is not None and grants_to_json(read_grants(connection)) != before:
        raise Held(written_meanwhile(database, "owners and privileges", told=told))


def demand_same_properties(
    connection: Connection, name: str, before: Mapping[str, Any], database: str, *, told: str
) -> None:
    """Held when somebody set something for the database `name` since, which a rename leaves behind."""
    if read_properties(connection, name) != properties_from(before):
        raise Held(written_meanwhile(database, "the database's own settings, owner or rights", told=told))


def written_meanwhile(database: str, what: str, *, told: str) -> str:
    """The sentence. what: was written; told: what became of it."""
    return (
        f"somebody wrote to the backup database {database} after its safety backup ({what}); {told}; if that may "
        "be lost: railway-neon-sync adopt; if it is production now: railway-neon-sync promote"
    )


def unchanged(found: Content, expected: Content) -> bool:
    """Does a database still hold what its manifest says, as far as the digest tells?"""
    return content_digest(found) == content_digest(expected)


def untouched(found: Content, before: Content) -> bool:
    """Does one database hold at two instants the same, to the letter of each view, default and check?"""
    letters = found.server_version != before.server_version or definitions_digest(found) == definitions_digest(before)
    return letters and unchanged(found, before)
