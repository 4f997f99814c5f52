"""The command line. Each command stands in a module of its own in worker.commands; this lists them."""

import io
import sys

import click

from worker.commands.boundary import ExplainingGroup, debug_option
from worker.commands.completion import completion
from worker.commands.demo import demo
from worker.commands.doctor import doctor
from worker.commands.drill import drill
from worker.commands.expire import expire
from worker.commands.notify_test import notify_test
from worker.commands.offsite import offsite
from worker.commands.past import list_runs, show
from worker.commands.restore import restore
from worker.commands.run import run
from worker.commands.status import status
from worker.commands.stewardship import adopt, promote
from worker.commands.take_over import take_over
from worker.commands.verify import verify

PROGRAM = "railway-neon-sync"


@click.group(
    cls=ExplainingGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""
    \b
    Try it, with nothing set up:    railway-neon-sync demo
    Make a backup now:              railway-neon-sync run
    The same without any worker:    railway-neon-sync run --here
    Twice a day, unattended:        celery -A worker worker     (and)
                                    celery -A worker beat

    Settings are read from the environment and from .env; the README lists them. Two are needed: DATABASE_URL, the
    Neon database that is copied, and RAILWAY_BACKUP_DB_URL, the Railway database that is replaced by the copy.
    """,
)
@debug_option
@click.version_option(package_name=PROGRAM, prog_name=PROGRAM)
def cli() -> None:
    """Copy a Neon PostgreSQL database to a Railway one, prove the copy equal, and never leave it worse off."""


cli.add_command(run)
cli.add_command(status)
cli.add_command(doctor)
cli.add_command(list_runs)
cli.add_command(show)
cli.add_command(verify)
cli.add_command(restore)
cli.add_command(drill)
cli.add_command(demo)
cli.add_command(adopt)
cli.add_command(promote)
cli.add_command(take_over)
cli.add_command(expire)
cli.add_command(notify_test)
cli.add_command(offsite)
cli.add_command(completion)


def main() -> None:
    """The program `railway-neon-sync`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without our signs still gets the words
    cli(prog_name=PROGRAM)
