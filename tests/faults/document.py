"""docs/reliability.md: what was measured, when, of which commit, by which command."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime

from tests.faults import hurried_times
from tests.faults.cell import OUTCOME_BOUND_S, READER_BOUND_S, Verdict
from tests.faults.instants import instants_of

_HEAD = """# Reliability, measured

Written by `{command}` on {date:%Y-%m-%d %H:%M} UTC, of commit {commit}, in {took_min:.0f} minutes.
Do not edit: run it again.

A cell is one run that is struck: a victim dies (or stops, or is cut off) at an instant. A supervisor starts a worker
that has ended, and a reconcile is sent every second, where beat sends one every minute. Then these are asked of the
servers and the files:

- the backup database holds, by a full comparison that shares no code with the engine's, its old or its new content;
- with `swap`, a reader that reconnects all the time never waited longer than {reader_s:g} s nor saw no tables;
- the run has a final outcome within {outcome_s:g} s, and a true one: `succeeded` when and only when the content is new;
- nothing is left: no process, session, database beside the target, half-written file, service file, lock;
- journal, report file, result backend and log say the same;
- the next run succeeds, with nobody's help.

So that cells take seconds, a run counts as dead after {alive_s:g} s of silence here, not {real_alive_s:g} s, and a
message may wait {handover_s:g} s between two steps, not {real_handover_s:g} s; the steps' limits are 15 s. In
production a dead run has its outcome within {real_handover_s:g} s, a minute of beat's, and what undoing it takes.
"""


_PART = """**A part of the matrix: what is not in the tables below was not played.** The command was stopped before
{unplayed} of its cells.
"""


def document(
    verdicts: Sequence[Verdict],
    *,
    command: str,
    commit: str,
    took_s: float,
    seed: int | None,
    complete: bool,
    unplayed: int,
) -> str:
    """The page. complete: all that the plan holds was played; unplayed: cells before which the command was stopped."""
    fixed = [verdict for verdict in verdicts if verdict.cell.after_s is None]
    chance = [verdict for verdict in verdicts if verdict.cell.after_s is not None]
    parts = [
        _HEAD.format(
            command=command,
            date=datetime.now(UTC),
            commit=commit,
            took_min=took_s / 60,
            reader_s=READER_BOUND_S,
            outcome_s=OUTCOME_BOUND_S,
            alive_s=hurried_times.ALIVE_S,
            handover_s=hurried_times.HANDOVER_S,
            real_alive_s=hurried_times.REAL_ALIVE_S,
            real_handover_s=hurried_times.REAL_HANDOVER_S,
        ),
        "" if complete else _PART.format(unplayed=unplayed),
        _figures(fixed, chance, seed),
        *(_table(method, fixed) for method in ("swap", "in_place")),
        _random_table(chance),
        _failures(verdicts),
    ]
    return "\n".join(part for part in parts if part)


def _figures(fixed: Sequence[Verdict], chance: Sequence[Verdict], seed: int | None) -> str:
    every = [*fixed, *chance]
    gaps = [verdict.reader_gap_s for verdict in every if verdict.reader_gap_s is not None]
    rows = [
        ("cells that held", _of(fixed)),
        (f"random instants that held (seed {seed})", _of(chance)),
        ("longest time from the blow to the outcome", f"{max((v.to_outcome_s for v in every), default=0):.1f} s"),
        ("longest gap of a reader (swap)", f"{max(gaps, default=0):.2f} s, in {len(gaps)} cells"),
    ]
    return "## Figures\n\n| what | figure |\n|---|---|\n" + "".join(f"| {what} | {figure} |\n" for what, figure in rows)


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


def _failures(verdicts: Sequence[Verdict]) -> str:
    bad = [verdict for verdict in verdicts if verdict.failures]
    return "## What did not hold\n\n" + "".join(f"- {verdict}\n" for verdict in bad) if bad else ""


def _of(verdicts: Sequence[Verdict]) -> str:
    return f"{sum(not verdict.failures for verdict in verdicts)}/{len(verdicts)}"
