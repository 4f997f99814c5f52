"""`railway-neon-sync restore`: a kept dump into a database, whichever, proved."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from config.settings import URLS, Settings
from tasks.engine.wording import counted
from worker.commands.boundary import debug_option, read_settings, say
from worker.commands.by_hand import by_hand, complete_dumps, demand_quiet_now, path_of
from worker.commands.places import HELP, complete_places, identity_option, read_place

if TYPE_CHECKING:
    from tasks.engine.restoring_by_hand import Prospect, RestoredByHand

_INTERRUPTED = (
    "the database holds either all that it held or the whole dump, proved, and nothing in between; its comment says "
    "which, and this command, typed again, looks first"
)


@click.command(
    epilog="""
    \b
    Examples:
      railway-neon-sync restore last --to -                asks for the URL, then for the database's name
      railway-neon-sync restore 20251022_180000 --to target
                                                           into RAILWAY_BACKUP_DB_URL
      RESTORE_TO_URL=postgresql://... railway-neon-sync restore last --yes-overwrite appdb
      railway-neon-sync restore backup_safety_20251022_180000.sql --to @/run/secrets/url

    A URL in the command itself stands in the process list and in the shell's history: prefer the other ways.

    The dump is examined first; what the database holds is saved as backup_safety_<stamp>.sql; the new content is
    prepared, proved and published in one act, as a run does it. The source is refused, and so is a database that was
    promoted. Afterwards runs into that database are held; if it is the backup database, until somebody says `adopt`
    or `promote`.
    """
)
@click.argument("dump", shell_complete=complete_dumps)
@click.option(
    "--to", "to", metavar="URL", help=f"{HELP}; else the variable RESTORE_TO_URL.", shell_complete=complete_places
)
@click.option("--yes-overwrite", metavar="NAME", help="The database's name, in place of typing it.")
@identity_option
@click.option("--json", "as_json", is_flag=True, help="What was done as JSON on standard output.")
@debug_option
def restore(*, dump: str, to: str | None, yes_overwrite: str | None, keys: tuple[str, ...], as_json: bool) -> None:
    """Restore a kept dump into a database, proved, in one act.

    DUMP is a file, a stamp, the beginning of a run's id, or `last`: the newest verified one.
    """
    from tasks.engine import restoring_by_hand  # noqa: PLC0415
    from worker.commands.output import print_json  # noqa: PLC0415
    from worker.commands.stewardship import demand_name  # noqa: PLC0415

    settings = read_settings(without=URLS)
    place = read_place(to, settings, option="--to", variable="RESTORE_TO_URL")
    path, now = path_of(settings, dump), datetime.now(UTC)
    demand_quiet_now(settings)
    prospect = by_hand(settings, "restore", place, lambda run: restoring_by_hand.look_before(run, path, keys=keys))
    _tell(prospect, place.dbname)
    demand_name(place.dbname, yes_overwrite)
    with _stamped(settings, now) as stamp:
        done = by_hand(
            settings,
            "restore",
            place,
            lambda run: restoring_by_hand.restore_by_hand(run, prospect, now=now),
            interrupted=_INTERRUPTED,
            stamp=stamp,
        )
    facts = {**_facts(prospect, done), "database": place.dbname, "host": place.host, "port": place.port}
    if as_json:
        print_json(facts)
        return
    held = f"{counted(facts['tables'], 'table')} with {counted(facts['rows'], 'row')}"
    click.echo(
        f"restored: database {place.dbname} at {place.host}:{place.port} holds {held}, as of "
        f"{facts['snapshot_at']}; proved, by {done.method}, in {done.seconds:.1f} s"
    )
    for note in done.notes:
        click.echo(f"note: {note}")
    if done.safety_backup:
        click.echo(f"what it held before is in {done.safety_backup}")
    if place.identity != settings.target.identity:
        click.echo(
            "RAILWAY_BACKUP_DB_URL does not name this database: adopt and promote are not about it, and a run into it "
            "would be held"
        )
        return
    click.echo("scheduled runs into it are held from now on; to let them overwrite it: railway-neon-sync adopt;")
    click.echo("if the application goes on there: railway-neon-sync promote")


@contextmanager
def _stamped(settings: Settings, now: datetime) -> Iterator[str]:
    """A stamp for the safety backup that no run has."""
    from tasks.engine.beginning import open_storage, release_stamp  # noqa: PLC0415

    stamp, _ = open_storage(settings, now)
    try:
        yield stamp
    finally:
        release_stamp(settings, stamp)


def _tell(prospect: "Prospect", database: str) -> None:
    manifest, content = prospect.manifest, prospect.manifest.content
    tables, rows = counted(len(content.tables), "table"), counted(sum(table.rows for table in content.tables), "row")
    say(f"The dump {prospect.dump.name} holds {tables} with {rows}, as of {manifest.taken_at}.")
    held = f"{counted(len(prospect.content.tables), 'table')} with {counted(prospect.rows, 'row')}"
    holds = "is empty" if prospect.empty else f"holds {held}"
    mark = prospect.state.mark
    marked = "" if mark is None else f", the copy of {mark.snapshot_at}"
    foreign = " and no mark of ours: it might be somebody else's" if mark is None and not prospect.empty else ""
    say(f"The database {database} {holds}{marked}{foreign}; that would be replaced.")
    for note in prospect.notes:
        say(f"note: {note}")


def _facts(prospect: "Prospect", done: "RestoredByHand") -> dict[str, Any]:
    manifest = prospect.manifest
    return {
        "dump": prospect.dump.name,
        "run_id": manifest.run_id,
        "snapshot_at": manifest.taken_at,
        "tables": len(manifest.content.tables),
        "rows": sum(table.rows for table in manifest.content.tables),
        **asdict(done),
        "seconds": round(done.seconds, 3),
    }
