"""`railway-neon-sync expire`: what retention decides for each dump file, with its reason, and doing it."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from worker.commands.boundary import FAILED, debug_option, read_settings, say
from worker.commands.interruption import when_interrupted

if TYPE_CHECKING:
    from tasks.engine.journal import Journal


@click.command(
    epilog="""
    \b
    Examples:
      railway-neon-sync expire           shows the plan; deletes nothing
      railway-neon-sync expire --apply   does exactly that

    Every run that succeeds does the same by itself. Never deleted: the newest three verified dumps, the dump of the
    last run that succeeded, the files of a run that is going, everything while the newest run is held, and
    backup_rejected_*: what somebody wrote into a copy that was rolled back. Those only people delete.
    """
)
@click.option("--apply", is_flag=True, help="Delete what the plan says.")
@click.option("--json", "as_json", is_flag=True, help="The plan as JSON on standard output.")
@debug_option
@click.pass_context
def expire(ctx: click.Context, *, apply: bool, as_json: bool) -> None:
    """Show which dump files expire and why, and with --apply delete them."""
    from tasks.engine import finishing  # noqa: PLC0415 - no other command waits for the engine
    from tasks.engine.errors import BackupError  # noqa: PLC0415
    from tasks.engine.history import journal_if_there  # noqa: PLC0415
    from tasks.engine.kept import kept_dumps  # noqa: PLC0415
    from tasks.means import open_means  # noqa: PLC0415
    from worker.commands.output import print_json  # noqa: PLC0415

    settings = read_settings()
    if apply:
        journal: Journal | None = open_means(settings, lease=None, tell=lambda _: None).journal
    else:
        journal, problem = journal_if_there(settings)
        if problem:
            say(f"note: {problem}")
    dumps = kept_dumps(settings, journal, now=datetime.now(UTC))
    if as_json:
        print_json([{"file": dump.file, "keep": dump.keep, "reason": dump.reason} for dump in dumps])
    for dump in dumps:
        if not as_json:
            click.echo(f"{'keep  ' if dump.keep else 'delete'} {dump.file}: {dump.reason}")
    doomed = [dump for dump in dumps if not dump.keep]
    failed = 0
    with when_interrupted("some may be deleted, and what is left, `railway-neon-sync expire` shows"):
        for dump in doomed if apply else ():
            try:
                finishing.expire(settings.backup_dir / dump.file, dump.reason)
            except (BackupError, OSError) as error:  # one that fails does not stop the others
                failed += 1
                say(f"{dump.file} could not be deleted: {error}")
    done = f"{len(doomed) - failed} deleted" if apply else f"{len(doomed)} would be deleted; --apply deletes them"
    say(f"{len(dumps)} dump files: {len(dumps) - len(doomed)} kept, {done}")
    ctx.exit(FAILED if failed else 0)
