"""docs/reliability.md: what was measured, when, of which commit, by which command; each command writes its part."""

import re
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.faults import hurried_times
from tests.faults.cell import OUTCOME_BOUND_S, READER_BOUND_S, Verdict
from tests.faults.instants import CHANGED_TABLES, UNCHANGED, instants_of

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
_PAGE = """# Reliability, measured

Each part is written by the command that it names. Do not edit: run it again.

<!-- faults -->
<!-- end of faults -->

<!-- proofs -->
<!-- end of proofs -->
"""
_CELLS = """### How it is measured

A cell is one run that is struck: a victim dies (or stops, or is cut off) at an instant. A supervisor starts a worker
that has ended, and a reconcile is sent every three seconds, by beat every minute. Then these are asked of the
servers and the files:

- the backup database holds, by a full comparison that shares no code with the engine's, its old or its new content;
- with `swap`, a reader that reconnects all the time never waited longer than {reader_s:g} s nor saw no tables;
- the run has a final outcome within {outcome_s:g} s (where Redis is away: of its being back), and a true one:
  `succeeded` when and only when the content is new;
- nothing is left: no process, session, database beside the target, half-written file, service file, lock;
- journal, report file, result backend and log say the same;
- a run that ended before its blow, as on a machine so busy that the hurried times below are too short, left the old
  content, and the cell is played again;
- a run that did not succeed is followed at once by one that nobody strikes, and that succeeds with nobody's help;
  one that did is followed by the next cell, the last one by a run that nobody strikes.

An instant is a named line of the code, or pg_dump before its work, with half of its output written, and after its
work, or psql, which copies the rows beside it (`copying`, `half_copied`, `copied`);
`publishing.*` are between the statements of the publishing transaction, in the server; `*.done` is between the end of
a step and the next one's start; `rollback.*` and `settled` are inside the rollback of a copy that somebody wrote to.
Where a run by the one method does the same as by the other, the methods take turns. Runs by `swap` are made in full
(`FULL_RUNS`); in the others the last dump serves as schema and as safety backup. Where nothing had changed at the
source, so that the run loads nothing, the content must be the very same afterwards, and the mark the run's own when and
only when it succeeded; what somebody writes to the copy meanwhile stays, and the run is `held`. So it is where only
what differs is written (`CHANGED_TABLES_ONLY`), but that the content is the old or the new one.

| victim | what happens to it |
|---|---|
| child, main, group | the process that works, the worker's main process, all of the worker: killed |
| paused | the process that works sleeps until somebody else has ended its run, then goes on |
| frozen | the whole worker and its programs sleep, as a host would; a second worker ends the run; then they go on |
| pg_dump, psql | killed |
| backend, backend crash | the run's sessions at the target are ended; a server process is killed, and with it all |
| target, source | the server stops at once, as in a crash, and starts again |
| redis, redis emptied | killed, back with its append-only file; killed, back with nothing |
| redis gone, redis gone for 60 s | away for {redis_gone_s:g} s (as the times below are hurried); for a minute |
| beat | killed while it sends the run, or while the run works; the run of a slot is one run, always |
| network | connections are reset, stall for 4 s, stall for ever, or are slow for the whole run |

A process that is put to sleep in the midst of writing to the journal keeps the others out of it until it wakes; its
run has its outcome then.

So that cells take seconds, a run counts as dead after {alive_s:g} s of silence here, not {real_alive_s:g} s, and a
message may wait {handover_s:g} s between two steps, not {real_handover_s:g} s; the steps' limits are 15 s. In
production a dead run has its outcome within {real_handover_s:g} s, a minute of beat's, and what undoing it takes.
"""
_PART = """**A part only: what is not in the tables below was not played.** {unplayed} cells were left when the command
was stopped.
"""


@dataclass(frozen=True, kw_only=True)
class Page:
    """What one command has found. complete: all that the plan holds was played."""

    verdicts: Sequence[Verdict]
    command: str
    commit: str
    took_s: float
    seed: int
    unplayed: int
    complete: bool

    def text(self) -> str:
        fixed = [verdict for verdict in self.verdicts if verdict.cell.after_s is None]
        chance = [verdict for verdict in self.verdicts if verdict.cell.after_s is not None]
        parts = [
            head("Whatever dies", self.command, commit=self.commit, took_s=self.took_s),
            "" if self.complete else _PART.format(unplayed=self.unplayed),
            self._figures(fixed, chance),
            told_failures([str(verdict) for verdict in self.verdicts if verdict.failures]),
            _CELLS.format(
                reader_s=READER_BOUND_S,
                outcome_s=OUTCOME_BOUND_S,
                redis_gone_s=hurried_times.REDIS_GONE_S,
                alive_s=hurried_times.ALIVE_S,
                handover_s=hurried_times.HANDOVER_S,
                real_alive_s=hurried_times.REAL_ALIVE_S,
                real_handover_s=hurried_times.REAL_HANDOVER_S,
            ),
            *(_table(method, fixed) for method in ("swap", "in_place", UNCHANGED, CHANGED_TABLES)),
            _random_table(chance),
        ]
        return "\n".join(part for part in parts if part)

    def _figures(self, fixed: Sequence[Verdict], chance: Sequence[Verdict]) -> str:
        gaps = [verdict.reader_gap_s for verdict in self.verdicts if verdict.reader_gap_s is not None]
        by_length = sorted(self.verdicts, key=lambda verdict: verdict.to_outcome_s)
        longest = f"{by_length[-1].to_outcome_s:.1f} s ({by_length[-1].cell})" if by_length else "none was measured"
        rows = [
            ("cells that held", _of(fixed)),
            (f"random instants that held (seed {self.seed})", _of(chance)),
            ("longest time from the blow to a true outcome", longest),
            ("longest gap of a reader (swap)", f"{max(gaps, default=0):.2f} s, in {len(gaps)} cells"),
        ]
        return table_of_figures(rows)


def head(title: str, command: str, *, commit: str, took_s: float) -> str:
    """The beginning of a part."""
    when = f"on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, in {took_s / 60:.0f} minutes"
    return f"## {title}\n\nMeasured by `{command}` {when}, of commit {commit}.\n"


def table_of_figures(rows: Iterable[tuple[str, str]]) -> str:
    return "| what | figure |\n|---|---|\n" + "".join(f"| {what} | {of} |\n" for what, of in rows)


def told_failures(bad: Sequence[str]) -> str:
    """Nothing when all held."""
    return "### What did not hold\n\n" + "".join(f"- {' '.join(each.split())}\n" for each in bad) if bad else ""


def put_part(page: Path, name: str, text: str) -> None:
    """Write one command's part; the other's stays as it was measured."""
    found = page.read_text() if page.exists() else _PAGE
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    page.write_text(pattern.sub(lambda _: f"{begin}{text.strip()}\n{end}", found if pattern.search(found) else _PAGE))


def commit() -> str:
    """The commit that was measured."""
    command = ["git", "rev-parse", "--short=10", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PAGE.parent)
    return done.stdout.strip()


def _table(method: str, verdicts: Sequence[Verdict]) -> str:
    found: defaultdict[tuple[str, str], list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        if verdict.cell.method == method:
            found[verdict.cell.instant, verdict.cell.victim].append(verdict)
    if not found:
        return ""
    victims = list(dict.fromkeys(victim for _, victim in found))
    ways = {UNCHANGED: "Nothing changed", CHANGED_TABLES: "Only what differs is written"}
    title = ways.get(method, f"Method `{method}`")
    lines = [f"### {title}\n", f"| instant | {' | '.join(victims)} |", "|---" * (len(victims) + 1) + "|"]
    for instant in instants_of(method):
        cells = [_of(found[instant, victim]) if (instant, victim) in found else "" for victim in victims]
        if any(cells):
            lines.append(f"| `{instant}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _random_table(verdicts: Sequence[Verdict]) -> str:
    if not verdicts:
        return ""
    found: defaultdict[tuple[str, str], list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        found[verdict.cell.victim, verdict.cell.method].append(verdict)
    lines = ["### At random instants\n", "| victim | method | held | outcomes |", "|---|---|---|---|"]
    for (victim, method), some in sorted(found.items()):
        outcomes = sorted({verdict.outcome or "never begun" for verdict in some})
        lines.append(f"| {victim} | {method} | {_of(some)} | {', '.join(outcomes)} |")
    return "\n".join(lines) + "\n"


def _of(verdicts: Sequence[Verdict]) -> str:
    return f"{sum(not verdict.failures for verdict in verdicts)}/{len(verdicts)}"
