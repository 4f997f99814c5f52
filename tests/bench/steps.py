"""Where the time of one run goes: each step's seconds, round trips and bytes, and the statements that cost most."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.bench.counting import Turn
from tests.bench.measured import Measured, Phase
from tests.bench.tables import mb, table

_MOST = 15
_BETWEEN = "before, between and after"


@dataclass(frozen=True, kw_only=True)
class _Costly:
    side: str
    said: str
    times: int
    seconds: float


def profile(measured: Measured, *, most: int = _MOST) -> str:
    """Tables of a run that went over wires; seconds of statements add up over connections that work side by side."""
    source = measured.source_wire.turns if measured.source_wire else []
    target = measured.target_wire.turns if measured.target_wire else []
    return "\n".join([_steps(measured, source, target), _statements(source, target, most)])


def _steps(measured: Measured, source: Sequence[Turn], target: Sequence[Turn]) -> str:
    rows = []
    within = sum(phase.seconds for phase in measured.phases)
    spans: list[tuple[str, float, list[Phase]]] = [(phase.name, phase.seconds, [phase]) for phase in measured.phases]
    spans.append((_BETWEEN, measured.seconds - within, []))
    for name, seconds, phases in spans:
        of_source = [turn for turn in source if _belongs(turn, phases, measured.phases)]
        of_target = [turn for turn in target if _belongs(turn, phases, measured.phases)]
        row = [name, f"{seconds:.2f} s"]
        for turns in (of_source, of_target):
            row += [str(len(turns)), str(len({turn.connection for turn in turns})), mb(_bytes(turns))]
        rows.append(row)
    columns = ["step", "took"]
    for side in ("source", "target"):
        columns += [f"{side}: round trips", "connections", "bytes"]
    return table(columns, rows)


def _belongs(turn: Turn, phases: Sequence[Phase], every: Sequence[Phase]) -> bool:
    """Whether it began in the phase; without a phase: in none of all."""
    if phases:
        return any(phase.began <= turn.at <= phase.ended for phase in phases)
    return not any(phase.began <= turn.at <= phase.ended for phase in every)


def _bytes(turns: Iterable[Turn]) -> int:
    return sum(turn.up_bytes + turn.down_bytes for turn in turns)


def _statements(source: Sequence[Turn], target: Sequence[Turn], most: int) -> str:
    found: defaultdict[tuple[str, str], list[Turn]] = defaultdict(list)
    for side, turns in (("source", source), ("target", target)):
        for turn in turns:
            found[side, essence(turn.said)].append(turn)
    costly = [
        _Costly(side=side, said=said, times=len(turns), seconds=sum(turn.until - turn.at for turn in turns))
        for (side, said), turns in found.items()
    ]
    costly.sort(key=lambda each: -each.seconds)
    rows = [[each.side, str(each.times), f"{each.seconds:.2f} s", f"`{each.said}`"] for each in costly[:most]]
    return table(["at", "times", "together", "what was said"], rows)


def essence(said: str) -> str:
    """The beginning of a message, with what differs from one to the next left out."""
    text = re.sub(r"(?<![a-z])[0-9a-f]{6,}|\d+", "N", " ".join(said.split()))
    text = re.sub(r"'[^']*'", "'…'", text)
    return "".join(sign for sign in text if sign.isprintable()).replace("`", "'").replace("|", "/")[:110]
