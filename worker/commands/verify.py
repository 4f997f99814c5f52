"""`railway-neon-sync verify`: a dump against its manifest, or the backup database against its mark."""

from typing import TYPE_CHECKING

import click

from config.settings import URLS, demand_set
from worker.commands.boundary import FAILED, debug_option, read_settings
from worker.commands.by_hand import by_hand, complete_dumps, path_of
from worker.commands.places import identity_option

if TYPE_CHECKING:
    from tasks.engine.findings import Finding


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
    from tasks.engine.plain import plain  # noqa: PLC0415
    from worker.commands.output import print_findings, print_json  # noqa: PLC0415

    subject, findings = _verify(dump, keys)
    good = all_good(findings)
    if as_json:
        print_json({"subject": subject, "ok": good, "findings": plain(findings)})
    else:
        print_findings(findings)
    ctx.exit(0 if good else FAILED)


def _verify(dump: str | None, keys: tuple[str, ...]) -> "tuple[str, list[Finding]]":
    from tasks.engine import examining  # noqa: PLC0415
    from tasks.engine.progress import Progress  # noqa: PLC0415
    from worker.progress_bar import progress_shown  # noqa: PLC0415

    settings = read_settings(without=URLS)
    if dump is None:
        demand_set(settings, "RAILWAY_BACKUP_DB_URL")
        found = by_hand(
            settings,
            "verify",
            settings.target,
            lambda run: examining.examine_target(run.target, settings, run.progress),
            lonely=False,
        )
        return f"database {settings.target.dbname}", list(found.findings)
    path, progress = path_of(settings, dump), Progress()
    with progress_shown(progress):
        return path.name, examining.examine_dump(path, progress, keys=keys)[0]
