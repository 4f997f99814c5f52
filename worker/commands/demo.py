"""`railway-neon-sync demo`: the product in small, on servers of its own."""

import click

from worker.commands.boundary import FAILED, INTERRUPTED, debug_option, say


@click.command(short_help="Show the whole thing, on servers that are started for it.")
@click.option("--keep", is_flag=True, help="Leave everything running, and print how to use it and how to end it.")
@debug_option
@click.pass_context
def demo(ctx: click.Context, *, keep: bool) -> None:
    """Show the whole thing on real servers that are started for it: three backups, one of which fails on purpose.

    Nothing has to be installed or set, and no setting of yours is used: two PostgreSQL servers, a Valkey and a Celery
    worker start on free ports in a temporary directory, and are ended and removed afterwards, also on Ctrl-C.
    """
    from worker.demo.servers import ServerFailed  # noqa: PLC0415 - only for the demo
    from worker.demo.show import give_demo  # noqa: PLC0415

    try:
        good = give_demo(keep=keep)
    except ServerFailed as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        say("interrupted; all that ran was ended, and its directory removed")
        ctx.exit(INTERRUPTED)
    ctx.exit(0 if good else FAILED)
