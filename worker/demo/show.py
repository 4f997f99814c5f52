"""The demo, from curtain to curtain: three backups, shown and checked."""

import os
import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from worker.demo.content import Content, Difference, differences, read_content
from worker.demo.servers import ServerFailed
from worker.demo.stage import (
    SOURCE_DATABASE,
    TARGET_DATABASE,
    Interruptions,
    Stage,
    enter,
    execute,
    prepare_stage,
    raise_curtain,
)
from worker.display import showing
from worker.report_view import print_report

_HERE = Path(__file__).parent
_PLAIN_WIDTH = 120
_RUN_LIMIT_S = 120.0
_ROWS_SHOWN = 5
_PATIENT_S, _IMPATIENT_S = 5.0, 0.5


@dataclass(kw_only=True)
class Show:
    """A demo that is going on, and what did not go as it should."""

    stage: Stage
    console: Console
    mishaps: list[str] = field(default_factory=list)

    @property
    def source(self) -> str:
        return self.stage.source.dsn(SOURCE_DATABASE)

    @property
    def target(self) -> str:
        return self.stage.target.dsn(TARGET_DATABASE)

    def act(self, number: int, title: str, *lines: str) -> None:
        """A heading."""
        self.console.print()
        self.console.print(Text(f"Act {number} of 3: {title}", style="bold cyan"))
        for line in lines:
            self.say(line)
        self.console.print()

    def say(self, line: str) -> None:
        self.console.print(Text(line))

    def check(self, good: bool, right: str, wrong: str) -> None:
        """Say what was found; what is wrong makes the demo fail."""
        self.console.print(Text(f"✓ {right}", style="green") if good else Text(f"✗ {wrong}", style="bold red"))
        if not good:
            self.mishaps.append(wrong)

    def back_up(self, expected: str) -> Mapping[str, Any]:
        """One run through the worker, followed and reported."""
        from tasks import run_backup  # noqa: PLC0415 - reads the settings, which stand since the curtain rose
        from worker.follow import Follower  # noqa: PLC0415
        from worker.machinery import impatient_app  # noqa: PLC0415

        self.say(">>> from tasks import run_backup; run_backup.delay()")
        give_up = time.monotonic() + _RUN_LIMIT_S

        def mind() -> None:
            self.stage.demand_worker()
            if time.monotonic() > give_up:
                raise ServerFailed(f"the backup did not end in time; the worker's log: {self.stage.worker_log}")

        with showing(str, sys.stdout) as steps, Follower(impatient_app(), steps, mind=mind) as follower:
            report = follower.follow(str(run_backup.delay().id))
        self.console.print()
        print_report(report, self.console)
        outcome = report["outcome"]
        self.check(outcome == expected, f"outcome: {outcome}", f"outcome: {outcome}, and it should be {expected}")
        return report


def give_demo(*, keep: bool) -> bool:
    """The whole demo; whether every act went as it should. Raises ServerFailed, KeyboardInterrupt."""
    console = Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=_PLAIN_WIDTH)
    began = time.monotonic()
    with Interruptions() as interruptions, _staged(interruptions, keep=keep) as stage:
        show = Show(stage=stage, console=console)
        show.say(f"Everything happens in {stage.root} and is {'kept' if keep else 'ended and removed afterwards'}.")
        raise_curtain(stage, interruptions, show.say)
        enter(stage, os.environ)
        execute(show.source, (_HERE / "escrow.sql").read_text(encoding="utf-8"))
        first_backup(show)
        second_backup(show)
        failing_backup(show)
        _conclude(show, time.monotonic() - began)
        if keep:
            _tell_how_to_use(show)
    return not show.mishaps


def first_backup(show: Show) -> None:
    """An empty backup database becomes a copy."""
    rows = _count(read_content(show.source))
    show.act(1, "a first backup", f"The source holds {rows} rows of a small escrow application; the backup is empty.")
    show.back_up("succeeded")
    _check_equal(show)


def second_backup(show: Show) -> None:
    """Rows change in the source, and the copy follows."""
    before = read_content(show.target)
    execute(show.source, (_HERE / "escrow_changes.sql").read_text(encoding="utf-8"))
    show.act(2, "a morning's work, and a second backup", "Three people sign up, money moves, an escrow is released.")
    show.back_up("succeeded")
    after = read_content(show.target)
    _show_changes(show.console, before, after, differences(before, after))
    show.check(before != after, "the backup database has followed", "the backup database has not changed")
    _check_equal(show)


def failing_backup(show: Show) -> None:
    """A backup fails in the midst of its restore, and the old content is still there."""
    before = read_content(show.target)
    execute(show.source, (_HERE / "unrestorable.sql").read_text(encoding="utf-8"))
    show.act(
        3,
        "a backup that fails",
        "A developer adds a check to the source. It works there, but a dump of it cannot be restored: the check calls",
        "a function without naming its schema.",
    )
    show.back_up("rolled_back")
    after = read_content(show.target)
    _show_changes(show.console, before, after, [])
    show.check(
        before == after,
        f"the backup database still holds the same {_count(after)} rows in {len(after)} tables, compared one by one",
        "the backup database does not hold what it held before",
    )
    execute(show.source, "ALTER TABLE public.escrows DROP CONSTRAINT escrows_polite_title")


@contextmanager
def _staged(interruptions: Interruptions, *, keep: bool) -> Iterator[Stage]:
    stage = prepare_stage()
    kept, patience_s = False, _IMPATIENT_S
    try:
        yield stage
        kept, patience_s = keep, _PATIENT_S
    finally:
        if not kept:
            with suppress(KeyboardInterrupt), interruptions.held():  # one that came while all was being ended anyway
                stage.end(patience_s=patience_s)


def _check_equal(show: Show) -> None:
    source, backup = read_content(show.source), read_content(show.target)
    different = "; ".join(f"{row.table} {row.sign} {row.text}" for row in differences(source, backup))
    show.check(
        source == backup,
        f"compared row by row: {_count(backup)} rows in {len(backup)} tables are equal in both databases",
        f"the databases differ: {different}",
    )


def _show_changes(console: Console, before: Content, after: Content, rows: Sequence[Difference]) -> None:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("the backup database")
    table.add_column("before", justify="right")
    table.add_column("now", justify="right")
    table.add_column("rows that changed")
    for name in after:
        changed = [row for row in rows if row.table == name]
        lines = [f"{row.sign} {row.key}: {row.text}" for row in changed[:_ROWS_SHOWN]]
        lines += [f"and {len(changed) - _ROWS_SHOWN} more"] if len(changed) > _ROWS_SHOWN else []
        was, now = len(before.get(name, {})), len(after[name])
        table.add_row(name, str(was), str(now), Text("\n".join(lines)))
    console.print(table)


def _count(content: Content) -> int:
    return sum(map(len, content.values()))


def _conclude(show: Show, took_s: float) -> None:
    show.console.print()
    if show.mishaps:
        show.say(f"Not everything went as it should: {'; '.join(show.mishaps)}")
    else:
        show.say(f"All three acts went as they should, in {took_s:.0f} s.")


def _tell_how_to_use(show: Show) -> None:
    stage, programs = show.stage, Path(sys.executable).parent
    # Printed as they are: a shell must be able to read them back, whatever the width of the terminal is.
    lines = [
        "",
        "Everything keeps running. To use it, in a shell:",
        "",
        *(f"export {name}={shlex.quote(value)}" for name, value in stage.settings.items()),
        "",
        f"{programs / 'railway-neon-sync'} run      # another backup",
        f"{programs / 'celery'} -A worker flower  # watch it",
        f"tail -f {stage.worker_log}",
        f'{stage.binaries.tool("psql")} "$RAILWAY_BACKUP_DB_URL"',
        "",
        f"To end and remove it all: sh {stage.keep()}",
    ]
    for line in lines:
        show.console.file.write(f"{line}\n")
    show.console.file.flush()
