"""docs/reliability.md: what was measured, when, of which commit, by which command."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.faults import hurried_times
from tests.faults.cell import OUTCOME_BOUND_S, READER_BOUND_S, Verdict
from tests.faults.figures import as_lines, as_tables
from tests.faults.instants import instants_of
from tests.faults.proofs import Proofs

_HEAD = """# Reliability, measured

Written by `{command}` on {date:%Y-%m-%d %H:%M} UTC, of commit {commit}, in {took_min:.0f} minutes.
Do not edit: run it again.
"""
_CELLS = """## How it is measured

A cell is one run that is struck: a victim dies (or stops, or is cut off) at an instant. A supervisor starts a worker
that has ended, and a reconcile is sent every two seconds, by beat every minute. Then these are asked of the
servers and the files:

- the backup database holds, by a full comparison that shares no code with the engine's, its old or its new content;
- with `swap`, a reader that reconnects all the time never waited longer than {reader_s:g} s nor saw no tables;
- the run has a final outcome within {outcome_s:g} s (where Redis is away: of its being back), and a true one:
  `succeeded` when and only when the content is new;
- nothing is left: no process, session, database beside the target, half-written file, service file, lock;
- journal, report file, result backend and log say the same;
- the next run that is not struck succeeds, with nobody's help: after {in_a_row} cell(s) in a row, after
  {random_in_a_row} random instants in a row.

An instant is a named line of the code, or pg_dump before its work, with half of its file written, and after its work;
`publishing.*` are between the statements of the publishing transaction, in the server; `*.done` is between the end of
a step and the next one's start; `rollback.*` and `settled` are inside the rollback of a copy that somebody wrote to.
Where a run by the one method does the same as by the other, the methods take turns.

| victim | what happens to it |
|---|---|
| child, main, group | the process that works, the worker's main process, all of the worker: killed |
| paused | the process that works sleeps until somebody else has ended its run, then goes on |
| frozen | the whole worker and its programs sleep, as a host would; a second worker ends the run; then they go on |
| pg_dump | killed |
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
    """What one command has found. complete: all that the plan holds was played, and all proofs."""

    verdicts: Sequence[Verdict]
    proofs: Proofs
    command: str
    commit: str
    took_s: float
    seed: int
    in_a_row: tuple[int, int]  # so many cells, and random instants, are struck before a run is left alone
    unplayed: int
    complete: bool

    def text(self) -> str:
        fixed = [verdict for verdict in self.verdicts if verdict.cell.after_s is None]
        chance = [verdict for verdict in self.verdicts if verdict.cell.after_s is not None]
        parts = [
            _HEAD.format(command=self.command, date=datetime.now(UTC), commit=self.commit, took_min=self.took_s / 60),
            "" if self.complete else _PART.format(unplayed=self.unplayed),
            self._figures(fixed, chance),
            self._failures(),
            _CELLS.format(
                in_a_row=self.in_a_row[0],
                random_in_a_row=self.in_a_row[1],
                reader_s=READER_BOUND_S,
                outcome_s=OUTCOME_BOUND_S,
                redis_gone_s=hurried_times.REDIS_GONE_S,
                alive_s=hurried_times.ALIVE_S,
                handover_s=hurried_times.HANDOVER_S,
                real_alive_s=hurried_times.REAL_ALIVE_S,
                real_handover_s=hurried_times.REAL_HANDOVER_S,
            ),
            *(_table(method, fixed) for method in ("swap", "in_place")),
            _random_table(chance),
            as_tables(self.proofs.figures),
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
            *as_lines(self.proofs.figures),
        ]
        return "## Figures\n\n| what | figure |\n|---|---|\n" + "".join(f"| {what} | {of} |\n" for what, of in rows)

    def _failures(self) -> str:
        bad = [*(str(verdict) for verdict in self.verdicts if verdict.failures), *self.proofs.failures]
        return "## What did not hold\n\n" + "".join(f"- {' '.join(each.split())}\n" for each in bad) if bad else ""


def _table(method: str, verdicts: Sequence[Verdict]) -> str:
    found: defaultdict[tuple[str, str], list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        if verdict.cell.method == method:
            found[verdict.cell.instant, verdict.cell.victim].append(verdict)
    if not found:
        return ""
    victims = list(dict.fromkeys(victim for _, victim in found))
    lines = [f"## Method `{method}`\n", f"| instant | {' | '.join(victims)} |", "|---" * (len(victims) + 1) + "|"]
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
    lines = ["## At random instants\n", "| victim | method | held | outcomes |", "|---|---|---|---|"]
    for (victim, method), some in sorted(found.items()):
        outcomes = sorted({verdict.outcome or "never begun" for verdict in some})
        lines.append(f"| {victim} | {method} | {_of(some)} | {', '.join(outcomes)} |")
    return "\n".join(lines) + "\n"


def _of(verdicts: Sequence[Verdict]) -> str:
    return f"{sum(not verdict.failures for verdict in verdicts)}/{len(verdicts)}"
