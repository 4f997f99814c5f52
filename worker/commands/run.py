"""`railway-neon-sync run`: one backup now, through a worker or in this process."""

import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from config.logs import configure_logging, harmless, mask
from config.settings import Settings
from worker.commands.boundary import EXIT_CODES, FAILED, INTERRUPTED, debug_option, debugging, read_settings, say
from worker.commands.interruption import when_interrupted

if TYPE_CHECKING:
    from tasks.means import Observer


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What there is to tell of a run: its report, whose `outcome` is null when it was only sent."""

    report: Mapping[str, Any] | None
    interrupted: bool = False

    @property
    def code(self) -> int:
        """The exit code."""
        if self.interrupted or self.report is None:
            return INTERRUPTED
        outcome = self.report["outcome"]
        return 0 if outcome is None else EXIT_CODES.get(outcome, FAILED)


@click.command(
    epilog="""
    \b
    Examples:
      railway-neon-sync run                  through a worker; shows each step, then the report
      railway-neon-sync run --json | jq .outcome
      railway-neon-sync run --no-wait        sends it, prints the run's id, and goes
      railway-neon-sync run --here           no Redis, no worker: two database URLs are enough
      railway-neon-sync run --accept-shrink 1b0c5d9e-...
                                             the loss of rows that this held run showed is right

    \b
    Exit codes:
      0  succeeded: the backup database equals the source
      1  failed, rolled back or missed: the backup database holds what it held before
      2  usage or settings
      3  held: a guard forbids to overwrite; the message names what lifts it
      4  skipped: another run holds the lock
      5  the rollback failed: people are needed, now
      130  interrupted
    """
)
@click.option("--here", is_flag=True, help="Work in this process, without broker and worker.")
@click.option("--no-wait", is_flag=True, help="Only send it; do not wait for its end.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON, and nothing else, on standard output.")
@click.option("--accept-shrink", metavar="RUN", help="The id of a held run whose loss of rows is right.")
@debug_option
@click.pass_context
def run(ctx: click.Context, *, here: bool, no_wait: bool, as_json: bool, accept_shrink: str | None) -> None:
    """Make one backup now.

    Through a worker (start one with `celery -A worker worker`), or with --here in this process. Either way the run is
    followed to its real end, a rollback included, and the exit code says how it ended.
    """
    if here and no_wait:
        raise click.UsageError("--no-wait has no meaning with --here: the run works in this process")
    ways, settings = ctx.find_object(Ways) or Ways(), read_settings()
    ended = ways.here(settings, accept_shrink) if here else ways.there(settings, accept_shrink, not no_wait)
    if ended.report is not None:
        print_outcome(ended.report, as_json=as_json)
    ctx.exit(ended.code)


def print_outcome(report: Mapping[str, Any], *, as_json: bool) -> None:
    """The report on standard output."""
    if as_json:
        click.echo(json.dumps(report, indent=2, ensure_ascii=False))
        return
    if report["outcome"] is None:
        click.echo(report["run_id"])
        return
    from worker.report_view import print_report  # noqa: PLC0415 - only for people

    print_report(report, Console())


def run_through_a_worker(settings: Settings, accept_shrink: str | None, wait: bool) -> Ended:
    """Send it, and follow it. Raises NobodyWorks or ResultLost."""
    from worker import follow, machinery  # noqa: PLC0415 - Celery
    from worker.display import showing  # noqa: PLC0415

    app = machinery.impatient_app()
    machinery.demand_worker(app)
    options = {"pair": settings.pair, **({"accept_shrink": accept_shrink} if accept_shrink else {})}

    def send() -> str:
        with when_interrupted("whether the run was sent, railway-neon-sync status shows"):
            return follow.send(options)

    if not wait:
        return Ended(report={"run_id": send(), "outcome": None})
    with showing(_cleaner(settings)) as steps, follow.Follower(app, steps) as follower:
        run_id = send()
        try:
            report = follower.follow(run_id)
        except KeyboardInterrupt:
            say(follow.how_to_look(run_id))
            return Ended(report=None, interrupted=True)
    return Ended(report=report)


def run_in_this_process(settings: Settings, accept_shrink: str | None) -> Ended:
    """The same run, without broker and worker."""
    # Celery's canvas, which orders the steps, comes with these: no other command should wait for it.
    from tasks.engine.lease import open_lease  # noqa: PLC0415
    from tasks.means import open_means  # noqa: PLC0415
    from worker import here  # noqa: PLC0415

    lease = here.answering(open_lease(settings.lock_url.get_secret_value(), pair=settings.pair))
    if lease is None:
        say("Redis does not answer: going on without its lock; journal and fence keep runs apart")
    with _shown(settings) as observe:
        means = open_means(settings, lease=lease, tell=lambda _: None, observe=observe)
        try:
            report = here.run_stoppable(means, accept_shrink=accept_shrink, say=say)
        except here.Interrupted as interrupted:
            say(str(interrupted) if interrupted.report else f"{interrupted}; the next run ends what is left of it")
            return Ended(report=interrupted.report, interrupted=True)
    return Ended(report=report)


@contextmanager
def _shown(settings: Settings) -> "Iterator[Observer]":
    """Steps on a terminal, log lines elsewhere: a timer's or a container's log is what people search afterwards."""
    from worker import here  # noqa: PLC0415
    from worker.display import showing  # noqa: PLC0415

    if debugging() or not sys.stderr.isatty():
        level = "DEBUG" if debugging() else settings.log_level
        configure_logging(level, settings.log_format, settings.secrets)
        yield here.logging_observer()
        return
    with showing(_cleaner(settings)) as steps:
        root, lines = logging.getLogger(), here.StepLines(steps)
        root.addHandler(lines)
        root.setLevel(logging.INFO)
        try:
            yield here.observer(steps)
        finally:
            root.removeHandler(lines)


def _cleaner(settings: Settings) -> Callable[[str], str]:
    return lambda text: harmless(mask(text, settings.secrets))


@dataclass(frozen=True, kw_only=True)
class Ways:
    """The two ways of making a backup; click's context object may hold others."""

    here: Callable[[Settings, str | None], Ended] = run_in_this_process
    there: Callable[[Settings, str | None, bool], Ended] = run_through_a_worker
