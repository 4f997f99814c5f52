"""`railway-neon-sync verify`, `restore` and `drill`: what the kept dumps are good for."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem
from rich.text import Text

from config.logs import harmless
from config.settings import Settings, load_settings
from worker.commands.boundary import FAILED, debug_option, read_settings, say
from worker.commands.places import HELP, complete_places, identity_option, read_place

if TYPE_CHECKING:
    from pathlib import Path

    from tasks.engine.drills import Drill
    from tasks.engine.findings import Finding
    from tasks.engine.overview import DumpOnDisk
    from tasks.engine.restoring_by_hand import Prospect, RestoredByHand
    from tasks.engine.run import Run

_LIMIT_S = 6 * 3600.0  # a person waits, and may interrupt it at any time
SIGNS = {"good": ("✓", "green"), "bad": ("✗", "bold red"), "note": ("·", "yellow"), "open": ("-", "dim")}


def complete_dumps(_ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """For the shell: dump files, and `last`."""
    try:
        items = [CompletionItem(dump.file, help=dump.state) for dump in _dumps(load_settings())]
    except Exception:  # noqa: BLE001 - a shell that completes has no place for a message
        return []
    return [item for item in [*items, CompletionItem("last")] if item.value.startswith(begun)]


@click.command(
    epilog="""
    \b
    Examples:
      railway-neon-sync verify                the backup database against its mark
      railway-neon-sync verify last           the newest verified dump against its manifest
      railway-neon-sync verify 20251022_180000
      railway-neon-sync verify last --json | jq .ok

    \b
    Exit codes: 0 everything is right; 1 something is not, and its line says what; 2 usage or settings.
    """
)
@click.argument("dump", required=False, shell_complete=complete_dumps)
@identity_option
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON on standard output.")
@debug_option
@click.pass_context
def verify(ctx: click.Context, *, dump: str | None, keys: tuple[str, ...], as_json: bool) -> None:
    """A dump against its manifest, or without DUMP the backup database against its mark.

    DUMP is a file, a stamp, the beginning of a run's id, or `last`. Nothing is changed, and the source is not asked.
    """
    from tasks.engine.findings import all_good  # noqa: PLC0415 - no other command waits for the engine
    from tasks.engine.overview import as_json as plain  # noqa: PLC0415
    from worker.commands.output import print_json  # noqa: PLC0415

    subject, findings = _verify(read_settings(), dump, keys)
    good = all_good(findings)
    if as_json:
        print_json({"subject": subject, "ok": good, "findings": plain(findings)})
    else:
        print_findings(findings)
    ctx.exit(0 if good else FAILED)


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
    promoted. Afterwards runs into that database are held until somebody says `adopt` or `promote`.
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

    settings = read_settings()
    place = read_place(to, settings, option="--to", variable="RESTORE_TO_URL")
    path, now = _path_of(settings, dump), datetime.now(UTC)
    _demand_quiet(settings)
    with _by_hand(settings, "restore", place) as run:
        prospect = restoring_by_hand.look_before(run, path, keys=keys)
    _tell(prospect, place.dbname)
    demand_name(place.dbname, yes_overwrite)
    with _stamped(settings, now) as stamp, _by_hand(settings, "restore", place, stamp=stamp) as run:
        done = restoring_by_hand.restore_by_hand(run, prospect, now=now)
    facts = {**_facts(prospect, done), "database": place.dbname, "host": place.host, "port": place.port}
    if as_json:
        print_json(facts)
        return
    click.echo(
        f"restored: database {place.dbname} at {place.host}:{place.port} holds {facts['tables']} tables with "
        f"{facts['rows']} rows, as of {facts['snapshot_at']}; proved, by {done.method}, in {done.seconds:.1f} s"
    )
    for note in done.notes:
        click.echo(f"note: {note}")
    if done.safety_backup:
        click.echo(f"what it held before is in {done.safety_backup}")
    click.echo("scheduled runs into it are held from now on; to let them overwrite it: railway-neon-sync adopt;")
    click.echo("if the application goes on there: railway-neon-sync promote")


@click.command(
    epilog="""
    \b
    Examples:
      railway-neon-sync drill                  any verified dump, beside the backup database
      railway-neon-sync drill last             the newest one
      railway-neon-sync drill --on -           on another server; asks for the URL
      railway-neon-sync drill --json | jq .rto_s

    \b
    Exit codes: 0 the dump was restored and proved; 1 it was not; 2 usage or settings.
    """
)
@click.argument("dump", required=False, shell_complete=complete_dumps)
@click.option("--on", "on", metavar="URL", help=f"{HELP}; by default `target`.", shell_complete=complete_places)
@identity_option
@click.option("--json", "as_json", is_flag=True, help="What was measured as JSON on standard output.")
@debug_option
@click.pass_context
def drill(ctx: click.Context, *, dump: str | None, on: str | None, keys: tuple[str, ...], as_json: bool) -> None:
    """Restore a kept dump into a scratch database, prove it, drop it, and remember how long it took.

    No database that is there is touched. DUMP is a random verified one unless it is given.
    """
    from tasks.engine import drilling, drills  # noqa: PLC0415
    from tasks.engine.history import journal_if_there  # noqa: PLC0415
    from tasks.engine.page.writing import write_page_or_tell  # noqa: PLC0415
    from worker.commands.output import print_json  # noqa: PLC0415

    settings = read_settings()
    place = read_place(on or "target", settings, option="--on", variable="")
    if dump:
        path = _path_of(settings, dump)
    else:
        path = settings.backup_dir / drilling.choose_dump(_dumps(settings), encrypted=bool(keys)).file
    _demand_quiet(settings)
    with _by_hand(settings, "drill", place) as run:
        done = drilling.drill(run, path, now=datetime.now(UTC), keys=keys)
    drills.remember_drill(settings.backup_dir, done, keep_days=settings.report_retention_days)
    write_page_or_tell(settings, journal_if_there(settings)[0])
    if as_json:
        print_json(asdict(done))
    else:
        _print_drill(done)
    ctx.exit(0 if done.ok else FAILED)


def print_findings(findings: "Iterable[Finding]") -> None:
    """A line for each, with its sign."""
    from worker.commands.output import console  # noqa: PLC0415

    screen = console()
    for finding in findings:
        screen.print(finding_line(finding))


def finding_line(finding: "Finding") -> Text:
    """✓ or ✗, the name, what is told."""
    sign, style = SIGNS[finding.state]
    return Text.assemble((f"{sign} ", style), (f"{finding.name:<20} ", "bold"), harmless(finding.told))


def _verify(settings: Settings, dump: str | None, keys: tuple[str, ...]) -> "tuple[str, list[Finding]]":
    from tasks.engine import examining  # noqa: PLC0415
    from tasks.engine.progress import Progress  # noqa: PLC0415
    from worker.progress_bar import progress_shown  # noqa: PLC0415

    if dump is None:
        with _by_hand(settings, "verify", settings.target, lonely=False) as run:
            found = examining.examine_target(run.target, settings, run.progress)
        return f"database {settings.target.dbname}", list(found.findings)
    path, progress = _path_of(settings, dump), Progress()
    with progress_shown(progress):
        return path.name, examining.examine_dump(path, progress, keys=keys)[0]


@contextmanager
def _by_hand(
    settings: Settings, purpose: str, place: Any, *, lonely: bool = True, stamp: str | None = None
) -> "Iterator[Run]":
    """A run's means for one command, shown while it works; lonely: no other of its kind works there meanwhile."""
    from contextlib import nullcontext  # noqa: PLC0415

    from tasks.engine.by_hand import alone, open_by_hand  # noqa: PLC0415
    from worker.progress_bar import progress_shown  # noqa: PLC0415

    with (
        open_by_hand(settings, purpose, place, limit_s=_LIMIT_S, stamp=stamp) as run,
        progress_shown(run.progress),
        alone(run, purpose) if lonely else nullcontext(),
    ):
        yield run


@contextmanager
def _stamped(settings: Settings, now: datetime) -> Iterator[str]:
    """A stamp for the safety backup that no run has."""
    from tasks.engine.beginning import open_storage, release_stamp  # noqa: PLC0415

    stamp, _ = open_storage(settings, now)
    try:
        yield stamp
    finally:
        release_stamp(settings, stamp)


def _demand_quiet(settings: Settings) -> None:
    from tasks.engine.by_hand import demand_quiet  # noqa: PLC0415
    from tasks.engine.history import journal_if_there  # noqa: PLC0415

    demand_quiet(settings, journal_if_there(settings)[0], now=datetime.now(UTC))


def _dumps(settings: Settings) -> "list[DumpOnDisk]":
    from tasks.engine.history import journal_if_there  # noqa: PLC0415
    from tasks.engine.overview import read_overview  # noqa: PLC0415

    return list(read_overview(settings, journal_if_there(settings)[0], now=datetime.now(UTC)).dumps)


def _path_of(settings: Settings, dump: str) -> "Path":
    from tasks.engine.examining import find_dump  # noqa: PLC0415

    return find_dump(_dumps(settings), dump, settings.backup_dir)


def _tell(prospect: "Prospect", database: str) -> None:
    manifest, content = prospect.manifest, prospect.manifest.content
    rows = sum(table.rows for table in content.tables)
    say(
        f"The dump {prospect.dump.name} holds {len(content.tables)} tables with {rows} rows, as of {manifest.taken_at}."
    )
    holds = "is empty" if prospect.empty else f"holds {len(prospect.content.tables)} tables with {prospect.rows} rows"
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


def _print_drill(done: "Drill") -> None:
    if not done.ok:
        click.echo(f"the drill failed: {harmless(done.error or '')}")
        return
    click.echo(
        f"the drill succeeded: {done.dump} ({done.size_bytes / 2**20:.2f} MB, {done.rows} rows) was loaded on "
        f"{done.server} in {done.load_s:.1f} s and proved in {done.prove_s:.1f} s"
    )
    click.echo(f"measured recovery time: {done.rto_s:.1f} s")
