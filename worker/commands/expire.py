"""`railway-neon-sync expire`: what retention decides for each dump file, with its reason, and doing it."""

import json
from datetime import UTC, datetime

import click

from worker.commands.boundary import FAILED, debug_option, read_settings, say


@click.command(
    epilog="""
    \b
    Examples:
      railway-neon-sync expire           shows the plan; deletes nothing
      railway-neon-sync expire --apply   does exactly that

    Every run that succeeds does the same by itself. Never deleted: the newest three verified dumps, the dump of the
    last run that succeeded, the files of a run that is going, and everything while the newest run is held.
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
    from tasks.means import open_means  # noqa: PLC0415

    means = open_means(read_settings(), lease=None, tell=lambda _: None)
    verdicts = finishing.plan_expiry(means.settings, means.journal, now=datetime.now(UTC))
    if as_json:
        plan = [{"file": v.dump.path.name, "keep": v.keep, "reason": v.reason} for v in verdicts]
        click.echo(json.dumps(plan, indent=2, ensure_ascii=False))
    for verdict in verdicts:
        if not as_json:
            click.echo(f"{'keep  ' if verdict.keep else 'delete'} {verdict.dump.path.name}: {verdict.reason}")
    doomed = [verdict for verdict in verdicts if not verdict.keep]
    failed = 0
    for verdict in doomed if apply else ():
        try:
            finishing.expire(verdict.dump.path, verdict.reason)
        except (BackupError, OSError) as error:  # one that fails does not stop the others
            failed += 1
            say(f"{verdict.dump.path.name} could not be deleted: {error}")
    done = f"{len(doomed) - failed} deleted" if apply else f"{len(doomed)} would be deleted; --apply deletes them"
    say(f"{len(verdicts)} dump files: {len(verdicts) - len(doomed)} kept, {done}")
    ctx.exit(FAILED if failed else 0)
