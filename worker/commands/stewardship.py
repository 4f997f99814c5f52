"""`railway-neon-sync adopt` and `promote`: two decisions of people about the backup database."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import click
from rich.console import Console

from config.settings import load_target
from config.urls import DatabaseUrl
from tasks.engine.wording import counted
from worker.commands.boundary import debug_option, remember_secrets, say
from worker.commands.interruption import NOTHING, Entrust, stoppable, waiting, when_interrupted

if TYPE_CHECKING:
    from tasks.engine.connections import Server
    from tasks.engine.mark import Mark

Done = TypeVar("Done")

_LIMIT_S = 600
_CONNECT_TIMEOUT_S = 20
_END_THEM = (
    """psql "$RAILWAY_BACKUP_DB_URL" -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity """
    """WHERE datname = current_database() AND pid <> pg_backend_pid()\""""
)
_ONLY_IT_KNOWS = "whether it was done just before, only the database knows: type it again, that is harmless"


@click.command(
    epilog="""
    \b
    Examples:
      railway-neon-sync adopt                          shows what stands there, asks for the database's name
      railway-neon-sync adopt --yes-overwrite railway  the same without asking, for a script

    Needed once, when the Railway database was filled by another tool; after somebody wrote to the copy and that may be
    lost; and to come back after `promote`. What is written to it after this command holds the next run again.
    """
)
@click.option("--yes-overwrite", metavar="NAME", help="The database's name, in place of typing it.")
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON on standard output.")
@debug_option
def adopt(*, yes_overwrite: str | None, as_json: bool) -> None:
    """Let the next runs overwrite what the backup database holds now."""
    from tasks.engine import stewardship  # noqa: PLC0415 - no other command waits for the engine
    from tasks.engine.plain import plain  # noqa: PLC0415
    from worker.commands.output import print_json  # noqa: PLC0415

    url = _target()
    holding = _decide(url, lambda server, _: stewardship.look(server))
    say(f"The {holding.told}.")
    demand_name(holding.database, yes_overwrite)
    adopted = _decide(
        url, lambda server, begin: stewardship.adopt(server, now=datetime.now(UTC), seen=holding, begin=begin)
    )
    if as_json:
        print_json(plain(adopted))
        return
    click.echo(f"adopted: the next run overwrites database {holding.database}; a safety backup is made before it does")


@click.command(
    epilog="""
    \b
    Examples:
      railway-neon-sync promote
      RAILWAY_BACKUP_DB_URL=postgresql://... railway-neon-sync promote

    It needs nothing but RAILWAY_BACKUP_DB_URL: no source, no Redis, no worker, no journal. Scheduled runs are held
    from then on, on every host. To make the database a backup again: railway-neon-sync adopt
    """
)
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON on standard output.")
@debug_option
def promote(*, as_json: bool) -> None:
    """Make the backup database production: the source is lost, and the application goes on there."""
    from tasks.engine import stewardship  # noqa: PLC0415
    from worker.commands.output import print_json  # noqa: PLC0415

    now, url = datetime.now(UTC), _target()
    done = _decide(url, lambda server, begin: stewardship.promote(server, now=now, begin=begin))
    mark, read_only = done.mark, done.read_only_sessions
    place = {"host": url.host, "port": url.port, "database": url.dbname}
    if as_json:
        facts = {"promoted": mark.promoted, "snapshot_at": mark.snapshot_at, "run": mark.run_id}
        print_json({**place, **facts, "read_only_sessions": read_only})
        return
    click.echo(f"promoted: database {place['database']} is production now; no run overwrites it")
    click.echo(told_content(mark, now))
    if read_only:
        click.echo(f"{counted(read_only, 'session')} opened before cannot write until reconnected (COPY_READ_ONLY);")
        click.echo(f"start the application again, or end them: {_END_THEM}")
    click.echo(f"point the application at host {place['host']}, port {place['port']}, database {place['database']},")
    click.echo("with the user and password of RAILWAY_BACKUP_DB_URL, or a role that has grants there")
    click.echo("until you come back, every scheduled run ends as held: that is expected, and not a fault")
    click.echo(
        "alarms about runs and an old copy rest until then, a failed rollback's does not; pause HEARTBEAT_URL's check"
    )
    click.echo("to come back: move the data to the new source, set DATABASE_URL, then: railway-neon-sync adopt")


def _target() -> DatabaseUrl:
    url = load_target()
    remember_secrets(url.secrets)
    return url


def _decide(url: DatabaseUrl, work: "Callable[[Server, Callable[[], None]], Done]") -> "Done":
    """What work returns, which is given the target and a function to call when from then on its effect may be there."""
    from tasks.engine.connections import Server  # noqa: PLC0415
    from tasks.engine.watch import Watch  # noqa: PLC0415

    begun = threading.Event()

    def act(entrust: Entrust) -> "Done":
        with Watch("this command", _LIMIT_S) as watch:
            entrust(watch)
            server = Server(
                role="target",
                url=url,
                application_name="railway-neon-sync/command",
                watch=watch,
                connect_timeout_s=_CONNECT_TIMEOUT_S,
            )
            return work(server, begun.set)

    told = when_interrupted(lambda: _ONLY_IT_KNOWS if begun.is_set() else NOTHING)
    with told, waiting(Console(stderr=True)) as show:
        show(f"asking database {url.dbname} at {url.host or 'the local socket'} ...")
        return stoppable(act)


def demand_name(name: str, given: str | None, *, why: str = "to let it be overwritten") -> None:
    """Go on only when somebody has typed the database's name, now or in the command."""
    typed = given if given is not None else click.prompt(f"Type the database's name {why}", err=True)
    if typed != name:
        raise click.UsageError(f"the database is called {name}, not {typed}; nothing was changed")


def told_content(mark: "Mark", now: datetime) -> str:
    """How old the content is, as far as the mark knows."""
    from tasks.engine.stewardship import UNMARKED  # noqa: PLC0415

    if mark.run_id == UNMARKED:
        return "it bore no mark of ours: how old its content is, this tool cannot know"
    if mark.adopted is not None:
        return f"its content was adopted on {mark.adopted}: how old it was then, this tool cannot know"
    restored = f", restored by hand on {mark.restored}" if mark.restored else ""
    return f"its content is of {mark.snapshot_at}{_age(mark.snapshot_at, now)}, copied by run {mark.run_id}{restored}"


def _age(snapshot_at: str, now: datetime) -> str:
    """Whoever may comment on the database may have written anything there."""
    try:
        hours = (now - datetime.fromisoformat(snapshot_at)).total_seconds() / 3600
    except (TypeError, ValueError):
        return ""
    return f" ({hours:.1f} hours old)"
