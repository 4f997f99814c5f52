"""`railway-neon-sync offsite`: what lies off-site, bringing it up to date, and bringing a dump back."""

import click

from worker.commands.boundary import debug_option, read_settings, say


@click.command(
    epilog="""
    \b
    Examples:
      railway-neon-sync offsite                       what lies there; changes nothing
      railway-neon-sync offsite --sync                sends what is missing, deletes what has expired
      railway-neon-sync offsite --fetch latest        brings the newest dump and its manifest back into BACKUP_DIR
      railway-neon-sync offsite --fetch 20261125_060000

    Every run that succeeds sends its dump by itself, and what could not be sent is tried again every 15 minutes.
    """
)
@click.option("--sync", "wanted_sync", is_flag=True, help="Send what is missing, delete what has expired.")
@click.option("--fetch", metavar="STAMP", help="Bring this dump back: its stamp, its name, or `latest`.")
@click.option("--json", "as_json", is_flag=True, help="What lies there as JSON on standard output.")
@debug_option
def offsite(*, wanted_sync: bool, fetch: str | None, as_json: bool) -> None:
    """Show what lies off-site; with --sync bring it up to date, with --fetch bring a dump back."""
    from tasks.engine import finishing  # noqa: PLC0415 - no other command waits for the engine
    from tasks.engine import offsite as storage  # noqa: PLC0415
    from tasks.engine.watch import Watch  # noqa: PLC0415
    from tasks.means import open_means  # noqa: PLC0415
    from worker.commands.output import print_json  # noqa: PLC0415

    settings = read_settings()
    if wanted_sync:
        means = open_means(settings, lease=None, tell=lambda _: None)
        say(finishing.copy_offsite(settings, means.journal).summary())
    with Watch("reading the off-site storage", settings.offsite_timeout_s) as watch:
        stored = storage.stored_dumps(storage.Offsite(settings, watch).sizes())
        if fetch is not None:
            say(f"fetched: {storage.fetch(settings, watch, storage.choose(stored, fetch))}")
    if as_json:
        print_json([{"file": dump.name, "stamp": dump.stamp, "size_bytes": dump.size_bytes} for dump in stored])
        return
    for dump in stored:
        click.echo(f"{dump.name}  {dump.size_bytes / 2**20:.2f} MB")
    say(f"{len(stored)} dump(s) at {settings.offsite_place}")
