"""`railway-neon-sync notify-test`: does every channel work?"""

import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from worker.commands.boundary import FAILED, debug_option, read_settings
from worker.commands.interruption import when_interrupted

if TYPE_CHECKING:
    from config.settings import Settings


@click.command(
    name="notify-test",
    epilog="""
    \b
    Examples:
      railway-neon-sync notify-test          a test to each channel of NOTIFY_URLS, a /log to HEARTBEAT_URL
      railway-neon-sync notify-test --json

    \b
    Exit codes:
      0  every channel took it
      1  at least one did not; its line says why
      2  nobody is told of anything: neither NOTIFY_URLS nor HEARTBEAT_URL is set
    """,
)
@click.option("--json", "as_json", is_flag=True, help="The results as JSON on standard output.")
@debug_option
@click.pass_context
def notify_test(ctx: click.Context, *, as_json: bool) -> None:
    """Send a test to every channel, and say of each whether it took it."""
    from worker.commands.output import print_json  # noqa: PLC0415 - no other command waits for the engine

    settings = read_settings()
    if not settings.notify_urls and settings.heartbeat_url is None:
        raise click.UsageError(
            "nobody is told of anything: set NOTIFY_URLS (for instance mailto://user:password@example.com) or "
            "HEARTBEAT_URL"
        )
    results = []
    with when_interrupted("of the channels without a line it is not known whether they took it"):
        for result in _try_all(settings):
            results.append(result)
            if not as_json:
                sign, said = (
                    ("✗", result["error"]) if result["error"] else ("✓", f"took it in {result['seconds']:.1f} s")
                )
                click.echo(f"{sign} {result['channel']}: {said}")
    if as_json:
        print_json(results)
    ctx.exit(FAILED if any(result["error"] for result in results) else 0)


def _try_all(settings: "Settings") -> Iterator[dict[str, Any]]:
    from tasks.engine.errors import BackupError  # noqa: PLC0415
    from tasks.engine.telling.delivery import trial_deliveries, ways_of  # noqa: PLC0415
    from tasks.means import open_means  # noqa: PLC0415

    means = open_means(settings, lease=None, tell=lambda _: None)
    deliveries = trial_deliveries(settings, means.journal, host=socket.gethostname(), now=datetime.now(UTC))
    for channel, way in ways_of(settings).items():
        began, error = time.monotonic(), None
        try:
            way.send(deliveries[channel])
        except BackupError as refused:
            error = str(refused)
        yield {"channel": way.label, "seconds": round(time.monotonic() - began, 3), "error": error}
