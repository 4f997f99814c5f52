"""`railway-neon-sync drill`: how long a restore takes, measured by doing one."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from config.logs import harmless
from config.settings import URLS
from worker.commands.boundary import FAILED, debug_option, read_settings, say
from worker.commands.by_hand import by_hand, complete_dumps, demand_quiet_now, dumps_of, path_of
from worker.commands.places import HELP, complete_places, identity_option, read_place

if TYPE_CHECKING:
    from tasks.engine.drills import Drill


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
    from tasks.engine.errors import BackupError  # noqa: PLC0415
    from tasks.engine.history import journal_if_there  # noqa: PLC0415
    from tasks.engine.page.writing import write_page_or_tell  # noqa: PLC0415
    from tasks.engine.storage import ensure_private_dir  # noqa: PLC0415
    from worker.commands.output import print_json  # noqa: PLC0415

    settings = read_settings(without=URLS)
    place = read_place(on or "target", settings, option="--on", variable="")
    if dump:
        path = path_of(settings, dump)
    else:
        path = settings.backup_dir / drilling.choose_dump(dumps_of(settings), encrypted=bool(keys)).file
    demand_quiet_now(settings)
    done = by_hand(
        settings,
        "drill",
        place,
        lambda run: drilling.drill(run, path, now=datetime.now(UTC), keys=keys),
        interrupted="no database that was there is touched, and nothing is remembered",
    )
    if as_json:
        print_json(asdict(done))
    else:
        _print_drill(done)
    try:
        drills.remember_drill(ensure_private_dir(settings.backup_dir), done, keep_days=settings.report_retention_days)
        write_page_or_tell(settings, journal_if_there(settings)[0])
    except (BackupError, OSError) as error:  # what was measured is true all the same
        say(f"note: the drill is not remembered: {error}")
    ctx.exit(0 if done.ok else FAILED)


def _print_drill(done: "Drill") -> None:
    if not done.ok:
        click.echo(f"the drill failed: {harmless(done.error or '')}")
        return
    click.echo(
        f"the drill succeeded: {done.dump} ({done.size_bytes / 2**20:.2f} MB, {done.rows} rows) was loaded on "
        f"{done.server} in {done.load_s:.1f} s and proved in {done.prove_s:.1f} s"
    )
    click.echo(f"measured recovery time: {done.rto_s:.1f} s")
