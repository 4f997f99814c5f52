"""`railway-neon-sync demo`: the product in small, on servers of its own."""

import click

from worker.commands.boundary import debug_option


@click.command(short_help="Show the whole thing, on servers that are started for it.")
@click.option("--keep", is_flag=True, help="Leave everything running, and print how to use it and how to end it.")
@debug_option
@click.pass_context
def demo(ctx: click.Context, *, keep: bool) -> None:
    """Show the whole thing on real servers that are started for it: three backups, one of which fails on purpose."""
