"""Which victim is struck at which instants."""

import random
from collections.abc import Iterator

from tests.faults.cell import Cell
from tests.faults.instants import DUMPING, PUBLISHING, instants_of

METHODS = ("swap", "in_place")
_LONGEST_STRIKE_S = 3.5  # a run of the demo's database takes two to four seconds
_EVERYWHERE = ("child", "group")
# The kernel ends the pool with its main process, so this victim differs little from the group.
_MAIN = (
    *("begin.locked", "dump_source.dumping", "back_up_target.dumped", "back_up_target.done", "loaded"),
    *("publish.before", "publish.after", "restore_target.done", "verified.before_journal", "finish.dropped", "closed"),
)
_PAUSED = (
    *("verify_connections.begin", "dump_source.end", "dump_source.dumping", "back_up_target.dumping"),
    *("back_up_target.end", "restore_target.begin", "swap.created", "in_place.locked", "loaded", "filled"),
    *("publish.before", *PUBLISHING, "publish.after", "verify_target.begin", "verified.before_journal"),
    *("finish.begin", "finish.dropped", "finish.end", "entry.sent"),
)
_TARGET = (
    *("verify_connections.begin", "back_up_target.begin", "back_up_target.dumping", "back_up_target.dumped"),
    *("check_guards.begin", "restore_target.begin", "swap.created", "in_place.locked", "in_place.cleared", "loaded"),
    *("filled", "publish.before", *PUBLISHING, "publish.after", "verify_target.begin", "verified.before_journal"),
    *("finish.begin", "finish.dropped"),
)
_BACKEND = ("back_up_target.dumping", "in_place.cleared", "loaded", "filled", "publish.before", *PUBLISHING)
_SOURCE = ("verify_connections.begin", "dump_source.begin", "dump_source.dumping", "dump_source.dumped", "loaded")
_REDIS = (
    *("begin.locked", "entry.sent", "verify_connections.begin", "dump_source.dumping", "back_up_target.end"),
    *("restore_target.begin", "loaded", "publish.before", "publish.after", "verify_target.end", "closed", "told.lock"),
)
_NETWORK = {
    "source": ("dump_source.begin", "dump_source.dumping", "loaded"),
    "target": ("back_up_target.dumping", "loaded", "publish.before", "publish.after", "verify_target.begin"),
    "redis": ("dump_source.begin", "loaded", "restore_target.end", "closed"),
}
_RANDOM_VICTIMS = ("child", "child", "group", "group", "main", "paused", "backend", "target", "source", "redis")


def victims_of_plan() -> dict[str, tuple[str, ...] | None]:
    """Each victim's instants; None: every one."""
    network = {
        f"network {name} {how}": instants
        for name, instants in _NETWORK.items()
        for how in ("reset", "stall", "stall for ever", "delay")
    }
    return {
        **dict.fromkeys(_EVERYWHERE),
        "main": _MAIN,
        "paused": _PAUSED,
        "pg_dump": DUMPING,
        "backend": _BACKEND,
        "backend crash": _BACKEND,
        "target": _TARGET,
        "source": _SOURCE,
        "redis": _REDIS,
        "redis gone": _REDIS,
        **network,
    }


def cells(victims: list[str], methods: list[str], instants: list[str]) -> Iterator[Cell]:
    """The matrix; empty lists mean all."""
    for victim, wanted in victims_of_plan().items():
        for method in METHODS:
            for instant in instants_of(method):
                if (
                    (not victims or victim in victims)
                    and (not methods or method in methods)
                    and (not instants or instant in instants)
                    and (wanted is None or instant in wanted)
                ):
                    yield Cell(victim=victim, instant=instant, method=method)


def random_cells(number: int, seed: int, methods: list[str]) -> Iterator[Cell]:
    """The same cells for the same seed; what happens in them also depends on the machine."""
    chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be unguessable
    for _ in range(number):
        method = chance.choice(METHODS)
        victim, after_s = chance.choice(_RANDOM_VICTIMS), round(chance.uniform(0, _LONGEST_STRIKE_S), 3)
        if not methods or method in methods:
            yield Cell(victim=victim, instant="at random", method=method, after_s=after_s)
