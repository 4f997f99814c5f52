"""`railway-neon-sync take-over`: the decision of a person that an installation, or a journal, is gone for good."""

import click

from worker.commands.boundary import debug_option, read_settings, say
from worker.commands.interruption import when_interrupted
from worker.commands.stewardship import demand_name


@click.command(
    name="take-over",
    epilog="""
    \b
    Examples:
      railway-neon-sync take-over               says what is remembered, asks for the backup database's name
      railway-neon-sync take-over --yes railway the same without asking, for a script

    Needed after the journal was lost, or the host on which it was; and for a backup directory that another installation
    has left. Never while that installation still runs: two memories would let each other's dumps expire.
    """,
)
@click.option("--yes", "yes", metavar="NAME", help="The backup database's name, in place of typing it.")
@debug_option
def take_over(*, yes: str | None) -> None:
    """Forget the other installation of these two databases: it, or its journal, is gone for good.

    Redis then takes the journal of the next run that begins, and so does the backup directory. No database is asked.
    """
    from tasks.engine import ownership  # noqa: PLC0415 - no other command waits for the engine
    from tasks.engine.errors import BackupError  # noqa: PLC0415
    from tasks.engine.history import journal_if_there  # noqa: PLC0415
    from tasks.engine.lease import open_lease  # noqa: PLC0415

    settings = read_settings()
    journal, lease = journal_if_there(settings)[0], open_lease(settings.lock_url.get_secret_value(), pair=settings.pair)
    ours, theirs = journal.id if journal else None, lease.remembered_journal()
    keeper = ownership.other_keeper(settings.backup_dir, settings.journal_url.get_secret_value())
    if theirs in {None, ours} and keeper is None:
        click.echo("nothing to take over: neither Redis nor the backup directory remembers another installation")
        return
    if theirs not in {None, ours}:
        say(f"Redis remembers the journal {theirs} for these two databases; the one here is {ours or 'not made yet'}.")
    if keeper:
        say(f"The backup directory {settings.backup_dir} is kept by an installation whose journal is {keeper}.")
    if holder := lease.holder():
        raise BackupError(
            f"run {holder} holds the lock, so an installation works just now; nothing was changed; see which it is, "
            "and type this again when that run has ended, or five minutes after its worker has"
        )
    demand_name(settings.target.dbname, yes, why="to forget that installation")
    with when_interrupted("type this again to see what is still remembered"):
        lease.forget_journal()
        if keeper:
            ownership.forget_keeper(settings.backup_dir)
    click.echo("taken over: what runs here next is remembered; make a run: railway-neon-sync run")
