"""`railway-neon-sync status`: one screen about the copy, the runs and the machinery."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from config.settings import URLS
from worker.commands.boundary import debug_option, fail_with, read_settings

if TYPE_CHECKING:
    from tasks.engine.overview import Overview
    from worker.machinery import Machinery

EXIT_CODES = {"fresh": 0, "stale": 1, "unknown": 2}
_LAST_RUNS = 6
_HEADLINES = {
    "fresh": ("✅", "bold green", "the verified copy is fresh"),
    "stale": ("❌", "bold red", "the verified copy is too old"),
    "unknown": ("❔", "bold yellow", "it is not known whether there is a good copy"),
}


@click.command(
    epilog="""
    \b
    Examples:
      railway-neon-sync status             one screen
      railway-neon-sync status --quick     asks neither Redis nor workers: files and journal only
      railway-neon-sync status --html      writes status.html anew, for a browser
      railway-neon-sync status --json | jq .copy.age_s
      railway-neon-sync status --quick > /dev/null || echo "look at the backup"

    \b
    Exit codes:
      0  fresh: the newest verified copy is younger than STALE_AFTER_S
      1  stale: it is older, or no run has made one for so long
      2  unknown: nothing has run here yet, or it cannot be read; also a mistake in the settings

    Neither of the two databases is asked: the source sleeps on.
    """
)
@click.option("--quick", is_flag=True, help="Do not ask Redis, worker and beat: as a health check.")
@click.option("--html", is_flag=True, help="Write status.html beside the dumps, and print where.")
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON on standard output.")
@debug_option
@click.pass_context
def status(ctx: click.Context, *, quick: bool, html: bool, as_json: bool) -> None:
    """How old is the verified copy, how did the last runs end, when is the next, does everything answer?"""
    from tasks.engine.history import journal_if_there  # noqa: PLC0415 - no other command waits for the engine
    from tasks.engine.lease import open_lease  # noqa: PLC0415
    from tasks.engine.overview import read_overview  # noqa: PLC0415
    from tasks.engine.plain import plain  # noqa: PLC0415
    from tasks.engine.telling.delivery import untold  # noqa: PLC0415
    from worker.commands.output import print_json  # noqa: PLC0415
    from worker.machinery import ask_machinery  # noqa: PLC0415

    fail_with(EXIT_CODES["unknown"])
    settings = read_settings(without=URLS)
    journal, problem = journal_if_there(settings)
    asking = not (quick or settings.unset)  # without both URLs neither lock nor application has a name
    found = read_overview(
        settings,
        journal,
        now=datetime.now(UTC),
        lease=open_lease(settings.lock_url.get_secret_value(), pair=settings.pair) if asking and not html else None,
        problems=[*([problem] if problem else []), *untold(settings, journal)],
    )
    if html:
        from tasks.engine.page.writing import write_page  # noqa: PLC0415

        click.echo(write_page(settings, journal))
        ctx.exit(EXIT_CODES[found.freshness])
    machinery = ask_machinery() if asking else None
    if as_json:
        print_json({**plain(found), "machinery": plain(machinery)})
    else:
        _print(found, machinery, settings.unset)
    ctx.exit(EXIT_CODES[found.freshness])


def _print(found: "Overview", machinery: "Machinery | None", unset: Collection[str]) -> None:
    from worker.commands.output import console, grid  # noqa: PLC0415 - only for people

    sign, style, headline = _HEADLINES[found.freshness]
    screen = console()
    screen.print(Text(f"{sign} {headline}", style=style))
    screen.print(grid([*_advice(found), *_copy(found, unset), *_now(found), *_machinery(found, machinery)]))
    if found.runs:
        screen.print(runs_table(found.runs[:_LAST_RUNS]))


def _advice(found: "Overview") -> list[tuple[str, Any]]:
    """What to type when the copy is not fresh; who was held, promoted or never ran is told by a line of its own."""
    if found.freshness == "fresh" or found.held or found.promoted_at or not found.runs:
        return []
    return [("what now", "see what is wrong: railway-neon-sync doctor; mend it, then: railway-neon-sync run")]


def _how_to_make_one(unset: Collection[str]) -> str:
    run = "make one: railway-neon-sync run"
    return f"set {' and '.join(unset)}, see what else is wrong: railway-neon-sync doctor; then {run}" if unset else run


def _copy(found: "Overview", unset: Collection[str]) -> list[tuple[str, Any]]:
    from worker.commands.output import instant, long_ago, megabytes  # noqa: PLC0415

    if found.copy is None:
        since = f" since {instant(found.known_since)} UTC" if found.known_since else ""
        return [("copy", f"none is known{since}; {_how_to_make_one(unset)}")]
    copy = found.copy
    held = ", ".join(f"{rows} {name}" for name, rows in copy.stats.items() if rows is not None)
    return [
        ("copy", f"{long_ago(copy.age_s)} old, of {instant(copy.snapshot_at)} UTC, by run {copy.run_id}"),
        ("it held", f"{held or 'no statistics table'} ({copy.rows} rows in {copy.tables} tables)"),
        ("dump", f"{megabytes(copy.dump_bytes)}, method {copy.method}, the run took {copy.duration_s or 0:.1f} s"),
    ]


def _now(found: "Overview") -> list[tuple[str, Any]]:
    from worker.commands.output import instant, long_ago, megabytes  # noqa: PLC0415
    from worker.display import title  # noqa: PLC0415

    lines: list[tuple[str, Any]] = []
    if found.current:
        current = found.current
        doing = title(current.step) if current.step else "between two steps"
        taking = long_ago((found.now - current.since).total_seconds())
        dead = "" if current.alive else "; its heartbeat has stopped, the next reconcile ends it"
        lines.append(("going on", f"run {current.run_id}: {doing} for {taking}{dead}"))
    if found.promoted_at:
        lines.append(("promoted", f"on {found.promoted_at}: the backup database is production, no run overwrites it"))
    if found.held:
        lines.append(("held", Text(found.held, style="bold yellow")))
    slot = found.next_slots[0]
    lines.append(("next run", f"{instant(slot.at)} UTC, in {long_ago(slot.in_s)} ({slot.job_id})"))
    verified, rejected = (sum(dump.state == state for dump in found.dumps) for state in ("verified", "rejected"))
    room = f", {megabytes(found.free_bytes)} free" if found.free_bytes is not None else ""
    lines.append(("dumps", f"{len(found.dumps)} files, {verified} of them verified{room}"))
    if rejected:
        told = f"{rejected} with what somebody wrote into a copy that was rolled back: railway-neon-sync list --dumps"
        lines.append(("rejected", Text(told, style="yellow")))
    if found.last_drill and found.last_drill.rto_s is not None:
        drill = found.last_drill
        lines.append(("last drill", f"{drill.at}: {drill.dump} restored and proved in {drill.rto_s:.1f} s"))
    elif found.last_drill:
        lines.append(("last drill", Text(f"{found.last_drill.at}: failed, {found.last_drill.error}", style="yellow")))
    return [*lines, *(("problem", Text(problem, style="yellow")) for problem in found.problems)]


def _machinery(found: "Overview", machinery: "Machinery | None") -> list[tuple[str, Any]]:
    lines: list[tuple[str, Any]] = []
    if found.lock is not None:
        lines.append(
            ("lock", found.lock.problem or (f"held by run {found.lock.holder}" if found.lock.holder else "free"))
        )
    if machinery is not None:
        lines.append(("worker", machinery.problem or ", ".join(machinery.workers) or "none answers"))
        if machinery.problem is None:
            lines.append(("beat", ", ".join(machinery.beats) or "does not answer"))
    return lines


def runs_table(runs: Any) -> Any:
    """Runs below each other, the newest first."""
    from worker.commands.output import instant, megabytes, seconds, table_of  # noqa: PLC0415

    rows = [
        (
            run.run_id,
            ", ".join([run.outcome or "going on", *([str(run.way).replace("_", " ")] if run.way_words else [])]),
            instant(run.started_at),
            seconds(run.duration_s),
            megabytes(run.dump_bytes),
            "-" if run.rows is None else str(run.rows),
            run.job_id.removeprefix("unified_db_railway_backup_"),
        )
        for run in runs
    ]
    return table_of(
        ("run", "outcome", "started (UTC)", "took", "dump", "rows", "job"), rows, numbers=("took", "dump", "rows")
    )
