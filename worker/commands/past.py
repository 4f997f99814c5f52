"""`railway-neon-sync list` and `show RUN`: the runs that are remembered, and what one of them did and changed."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem
from rich.text import Text

from config.logs import harmless
from config.settings import URLS, Settings, load_settings
from worker.commands.boundary import EXIT_CODES, debug_option, read_settings, say

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from tasks.engine.changes import Changes
    from tasks.engine.history import PastRun

_CHANGES_SHOWN = 40


def complete_runs(_ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """For the shell: the ids of runs that begin so."""
    try:
        return [
            CompletionItem(run.run_id, help=f"{run.outcome or 'going on'}, {run.started_at:%Y-%m-%d %H:%M}")
            for run in _remembered(load_settings(without=URLS))
            if run.run_id.startswith(begun)
        ] + [CompletionItem("last") for _ in range(1) if "last".startswith(begun)]
    except Exception:  # noqa: BLE001 - a shell that completes has no place for a message
        return []


@click.command(
    "list",
    epilog="""
    \b
    Examples:
      railway-neon-sync list                      the newest twenty runs
      railway-neon-sync list --last 200 --outcome failed --outcome held
      railway-neon-sync list --dumps              the dump files, and what retention says of each
      railway-neon-sync list --json | jq '.runs[0].outcome'
    """,
)
@click.option("--last", "count", type=click.IntRange(min=1), default=20, show_default=True, help="So many runs.")
@click.option(
    "--outcome",
    "outcomes",
    multiple=True,
    type=click.Choice(list(EXIT_CODES)),
    help="Only runs that ended so; may be given again.",
)
@click.option("--dumps", is_flag=True, help="The dump files in place of the runs.")
@click.option("--json", "as_json", is_flag=True, help="Runs and dumps as JSON on standard output.")
@debug_option
@click.pass_context
def list_runs(ctx: click.Context, *, count: int, outcomes: Sequence[str], dumps: bool, as_json: bool) -> None:
    """The runs that are remembered, the newest first, or the dump files."""
    if dumps and (outcomes or ctx.get_parameter_source("count") is ParameterSource.COMMANDLINE):
        raise click.UsageError("--dumps shows every dump file: --last and --outcome choose among runs")
    from tasks.engine.history import journal_if_there  # noqa: PLC0415 - no other command waits for the engine
    from tasks.engine.overview import read_overview  # noqa: PLC0415
    from tasks.engine.plain import plain  # noqa: PLC0415
    from worker.commands import output  # noqa: PLC0415
    from worker.commands.status import runs_table  # noqa: PLC0415

    settings = read_settings(without=URLS)
    journal, problem = journal_if_there(settings)
    if problem:
        say(f"note: {problem}")
    found = read_overview(settings, journal, now=datetime.now(UTC), last_runs=None)
    runs = [run for run in found.runs if not outcomes or run.outcome in outcomes][:count]
    if as_json:
        output.print_json({"runs": plain(runs), "dumps": plain(found.dumps)})
    elif dumps and not found.dumps:
        say(f"no dump file is kept in {settings.backup_dir}")
    elif dumps:
        rows = [
            (dump.file, output.megabytes(dump.size_bytes), dump.state, "stays" if dump.keep else "expires", dump.reason)
            for dump in reversed(found.dumps)
        ]
        output.console().print(output.table_of(("file", "size", "state", "", "because"), rows, numbers=("size",)))
    elif runs:
        output.console().print(runs_table(runs))
    else:
        say("no such run is remembered here" if outcomes else "no run is remembered here")


@click.command(
    epilog="""
    \b
    Examples:
      railway-neon-sync show last           the newest run that worked
      railway-neon-sync show 1b0c           a run by the beginning of its id
      railway-neon-sync show 20251022_180000
      railway-neon-sync show last --json | jq .changes
    """
)
@click.argument("run", shell_complete=complete_runs)
@click.option("--json", "as_json", is_flag=True, help="The report as JSON, with `changes` beside it.")
@debug_option
def show(*, run: str, as_json: bool) -> None:
    """What one run did, and what changed in the data since the run before.

    RUN is an id, the beginning of one, a stamp, or `last`.
    """
    from tasks.engine.changes import since_run_before  # noqa: PLC0415
    from tasks.engine.history import find_run  # noqa: PLC0415
    from tasks.engine.plain import plain  # noqa: PLC0415
    from worker.commands import output  # noqa: PLC0415
    from worker.report_view import print_report  # noqa: PLC0415

    settings = read_settings(without=URLS)
    runs = _remembered(settings)
    wanted = find_run(runs, run)
    found = since_run_before(wanted, runs, settings.backup_dir)
    if as_json:
        output.print_json({**wanted.report, "changes": plain(found)})
        return
    screen = output.console()
    if wanted.outcome is None:
        screen.print(Text("the run goes on", style="bold"))
        screen.print(output.grid([("run", wanted.run_id), ("started", output.instant(wanted.started_at))]))
    else:
        print_report(wanted.report, screen)
    if wanted.steps:
        screen.print(_steps_table(wanted))
    _print_changes(found, screen)


def _remembered(settings: Settings) -> "list[PastRun]":
    from tasks.engine.history import journal_if_there, past_runs  # noqa: PLC0415

    return past_runs(settings, journal_if_there(settings)[0])


def _steps_table(run: "PastRun") -> "Table":
    from worker.commands import output  # noqa: PLC0415
    from worker.display import title  # noqa: PLC0415

    rows: list[tuple[str, str, str, str]] = []
    for step in run.steps:
        rows.append((title(step.name), step.state, output.seconds(step.seconds), step.summary or ""))
        rows += [(f"  {phase.name}", "", output.seconds(phase.seconds), phase.done()) for phase in step.phases]
    return output.table_of(("step", "", "took", "summary"), rows, numbers=("took",))


def _print_changes(found: "Changes | None", screen: "Console") -> None:
    from worker.commands import output  # noqa: PLC0415

    if found is None:
        screen.print(Text("no run before it is known that counted the source: nothing to compare with", style="dim"))
        return
    screen.print(Text(f"since run {found.since_run}", style="bold"))
    if found.schema is None:
        told = "a manifest of the two has expired or is damaged: only the statistics are compared; what is there: "
        screen.print(Text(f"{told}railway-neon-sync list --dumps", style="dim"))
    if found.rows:
        rows = [
            (row.table, *("-" if n is None else str(n) for n in (row.before, row.after)), difference(row.difference))
            for row in found.rows[:_CHANGES_SHOWN]
        ]
        screen.print(output.table_of(("rows", "before", "now", ""), rows, numbers=("before", "now", "")))
    for change in (found.schema or ())[:_CHANGES_SHOWN]:
        screen.print(Text(harmless(f"  {change.what} {change.kind} {change.identity}")))
    more = max(0, len(found.rows) - _CHANGES_SHOWN) + max(0, len(found.schema or ()) - _CHANGES_SHOWN)
    if more:
        screen.print(Text(f"  and {more} more; --json has all", style="dim"))
    if not found.rows and not found.schema:
        screen.print("  no rows and no part of the schema changed" if found.schema is not None else "  no row counts")


def difference(rows: int | None) -> str:
    """`+3`, `-1`, or the word for a table whose rows are as many and not the same."""
    if rows is None:
        return "new or gone"
    return f"{rows:+d}" if rows else "rewritten"
