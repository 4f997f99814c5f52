"""`railway-neon-sync offsite`: what lies off-site, bringing it up to date, and bringing a dump back."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from config.settings import Settings, SettingsFault
from worker.commands.boundary import debug_option, read_settings, say
from worker.commands.interruption import NOTHING, Entrust, stoppable, when_interrupted

if TYPE_CHECKING:
    from tasks.engine.offsite import StoredDump

_NOT_FETCHED = "a dump bears its name only once it is whole; type this again to bring it back from the beginning"


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
    from worker.commands.output import print_json  # noqa: PLC0415 - no other command waits for the engine

    settings = read_settings()
    if settings.offsite_place is None:
        raise SettingsFault(("OFFSITE_URL is not set: there is no off-site storage",))
    if wanted_sync:
        with when_interrupted(
            "what was sent whole stays there, and the rest is sent by the next run, or by this again"
        ):
            say(stoppable(lambda _: _sync(settings)))
    with when_interrupted(_NOT_FETCHED if fetch else NOTHING):
        stored, fetched = stoppable(lambda entrust: _read(settings, fetch, entrust))
    if fetched:
        say(f"fetched: {fetched}")
    if as_json:
        print_json([{"file": dump.name, "stamp": dump.stamp, "size_bytes": dump.size_bytes} for dump in stored])
        return
    for dump in stored:
        click.echo(f"{dump.name}  {dump.size_bytes / 2**20:.2f} MB")
    say(f"{len(stored)} dump(s) at {settings.offsite_place}")


def _sync(settings: Settings) -> str:
    from tasks.engine import finishing  # noqa: PLC0415
    from tasks.means import open_means  # noqa: PLC0415

    means = open_means(settings, lease=None, tell=lambda _: None)
    return finishing.copy_offsite(settings, means.journal).summary()


def _read(settings: Settings, fetch: str | None, entrust: Entrust) -> "tuple[list[StoredDump], Path | None]":
    """What lies there, and where the dump is that was fetched."""
    from tasks.engine import offsite as storage  # noqa: PLC0415
    from tasks.engine.watch import Watch  # noqa: PLC0415

    with Watch("reading the off-site storage", settings.offsite_timeout_s) as watch:
        entrust(watch)
        stored = storage.stored_dumps(storage.Offsite(settings, watch).sizes())
        fetched = None if fetch is None else storage.fetch(settings, watch, storage.choose(stored, fetch))
    return stored, fetched
