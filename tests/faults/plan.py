"""Which victim is struck at which instants."""

import random
from collections.abc import Iterator

from tests.faults.cell import Cell
from tests.faults.instants import (
    BEFORE_BEAT,
    CHANGED_TABLES,
    COPYING,
    DUMPING,
    LINKED,
    PUBLISHING,
    UNCHANGED,
    depends_on_method,
    instants_of,
    is_behind_publishing,
)

METHODS = ("swap", "in_place")
# What they do to a run has nothing to do with how its rows come to the target.
_PLAYED_ENOUGH = ("redis", "beat", "source", "network redis", "network source")
_KEEPING = (UNCHANGED, CHANGED_TABLES)  # the database that stood there
SCENES = (*METHODS, *_KEEPING)
_LONGEST_STRIKE_S = 3.5  # a run of the demo's database takes two to four seconds
_ROLLING_BACK = ("rollback.begin", "put_back.after", "rollback.restored")
# The kernel ends the pool with its main process, so this victim differs little from the group.
_MAIN = (
    *("begin.locked", "dump_source.dumping", "back_up_target.dumped", "back_up_target.done", "loaded"),
    *("publish.before", "publish.after", "restore_target.done", "verified.before_journal", "finish.dropped", "closed"),
)
_PAUSED = (
    *("verify_connections.begin", "dump_source.end", "dump_source.dumping", "back_up_target.dumping"),
    *(LINKED, "back_up_target.end", "restore_target.begin", "swap.created", "in_place.locked", "tables.locked"),
    *("loaded", "filled"),
    *("publish.before", *PUBLISHING, "publish.after", "verify_target.begin", "verified.before_journal"),
    *("finish.begin", "finish.dropped", "finish.end", "entry.sent", "rollback.begin", "rollback.restored"),
)
_FROZEN = ("dump_source.half", "loaded", "publish.before", "publishing.commit", "publish.after", "finish.begin")
_TARGET = (
    *("verify_connections.begin", "verify_connections.middle", "back_up_target.begin", "back_up_target.dumping"),
    *("back_up_target.half", "back_up_target.dumped", LINKED, "check_guards.begin"),
    *("restore_target.begin", "swap.created"),
    *("in_place.locked", "in_place.cleared", "tables.locked", "loaded", "filled", "publish.before", *PUBLISHING),
    *("publish.after", "restore_target.done", "verify_target.begin", "verify_target.middle", "verified.before_journal"),
    *("finish.begin", "finish.dropped", *_ROLLING_BACK),
)
_BACKEND = (
    *("back_up_target.dumping", "in_place.cleared", "tables.locked", "loaded", "filled", "publish.before"),
    *PUBLISHING,
)
_SOURCE = (
    *("verify_connections.begin", "verify_connections.middle", "dump_source.begin", "dump_source.dumping"),
    *("dump_source.half", "dump_source.dumped", "loaded"),
)
_REDIS = (
    *("begin.locked", "entry.sent", "verify_connections.begin", "dump_source.dumping", "back_up_target.end"),
    *("restore_target.begin", "loaded", "publish.before", "publish.after", "verify_target.end", "closed", "told.lock"),
)
_REDIS_EMPTY = ("entry.sent", "dump_source.dumping", "back_up_target.done", "loaded", "publish.after", "closed")
_REDIS_LONG_GONE = ("loaded", "restore_target.end")
_BEAT = (BEFORE_BEAT, "begin.reserved", "begin.locked", "dump_source.dumping", "loaded", "publish.after", "closed")
_DELAY = {"source": ("entry.sent",), "target": ("entry.sent",), "redis": ("begin.locked",)}  # from there to the end
_NETWORK = {
    "source": ("verify_connections.begin", "dump_source.begin", "dump_source.dumping", "dump_source.half", "loaded"),
    "target": (
        *("back_up_target.dumping", "loaded", "publish.before", "publishing.commit", "publish.after"),
        "verify_target.begin",
    ),
    "redis": ("entry.sent", "dump_source.begin", "loaded", "restore_target.end", "closed"),
}
_RANDOM_VICTIMS = ("child", "child", "group", "group", "main", "paused", "backend", "target", "source", "redis")


def victims_of_plan() -> dict[str, tuple[str, ...] | None]:
    """Each victim's instants; None: every one of a run, whoever began it."""
    network = {
        f"network {name} {how}": instants
        for name, instants in _NETWORK.items()
        for how in ("reset", "stall", "stall for ever")
    }
    return {
        "redis gone for 60 s": _REDIS_LONG_GONE,  # first, since they take longest
        "frozen": _FROZEN,
        "child": None,
        "group": None,
        "main": _MAIN,
        "paused": _PAUSED,
        "pg_dump": (*DUMPING, "dump_source.half_copied"),
        "psql": (*COPYING, "dump_source.half", "back_up_target.dumped"),
        "backend": _BACKEND,
        "backend crash": _BACKEND,
        "target": _TARGET,
        "source": _SOURCE,
        "redis": _REDIS,
        "redis emptied": _REDIS_EMPTY,
        "redis gone": _REDIS,
        "beat": _BEAT,
        **network,
        **{f"network {name} delay": instants for name, instants in _DELAY.items()},
    }


def cells(victims: list[str], methods: list[str], instants: list[str]) -> Iterator[Cell]:
    """The matrix; empty lists mean all.

    Where a run of the one method does what a run of the other does, the methods take turns; where nothing changed, or
    only what differs is written, only what is different then is played, and those two take turns behind the publishing.
    """
    for number, victim in enumerate(victims_of_plan()):
        for method in SCENES:
            for instant in _instants(victim, method, number):
                if (
                    (not victims or victim in victims)
                    and (not methods or method in methods)
                    and (not instants or instant in instants)
                ):
                    yield Cell(victim=victim, instant=instant, method=method)


def _instants(victim: str, method: str, number: int) -> Iterator[str]:
    if method == CHANGED_TABLES and victim.startswith(_PLAYED_ENOUGH):
        return
    wanted = victims_of_plan()[victim]
    every = list(dict.fromkeys(instant for each in SCENES for instant in instants_of(each)))
    for instant in instants_of(method):
        if instant not in wanted if wanted is not None else instant == BEFORE_BEAT:
            continue
        turn = every.index(instant) + number
        if method in _KEEPING and is_behind_publishing(instant):
            wanted_here = method == _KEEPING[turn % len(_KEEPING)]
        else:
            wanted_here = depends_on_method(instant) or method == _takes_turn(turn, instant)
        if wanted_here:
            yield instant


def _takes_turn(number: int, instant: str) -> str:
    turns = [each for each in METHODS if instant in instants_of(each)]
    return turns[number % len(turns)]


def random_cells(number: int, seed: int, methods: list[str]) -> Iterator[Cell]:
    """The same cells for the same seed; what happens in them also depends on the machine."""
    chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be unguessable
    for _ in range(number):
        method = chance.choice(SCENES)
        victim, after_s = chance.choice(_RANDOM_VICTIMS), round(chance.uniform(0, _LONGEST_STRIKE_S), 3)
        if not methods or method in methods:
            yield Cell(victim=victim, instant="at random", method=method, after_s=after_s)
