"""The instants of a run at which the matrix strikes: fault points, and pg_dump and psql before, in and after work."""

STEPS = (
    "verify_connections",
    "dump_source",
    "back_up_target",
    "check_guards",
    "restore_target",
    "verify_target",
    "finish",
)
_BEGINNING = ("begin.reserved", "begin.written", "begin.locked", "entry.sent")
# Beside the two methods: nothing changed at the source, so the run loads nothing; or it writes only what differs.
UNCHANGED = "unchanged"
CHANGED_TABLES = "changed_tables"
# FULL_RUNS: pg_dump is always asked for the schema, and a safety backup always dumped. Else the last dump mostly serves
# as both.
IN_FULL = ("swap",)
LINKED = "safety.linked"
BEFORE_BEAT = "beat.before"
# Inside the publishing transaction, where a lock of ours makes the target's server wait.
_MARK = "COMMENT ON DATABASE {target} IS 'waited for'"
PUBLISHING = {
    "publishing.first_rename": {"swap": _MARK},
    "publishing.second_rename": {"swap": "COMMENT ON DATABASE {incoming} IS 'waited for'"},
    # The mark is set last. In_place has touched that catalogue already, so there only the database can be locked.
    "publishing.commit": {
        "swap": "LOCK TABLE pg_catalog.pg_shdescription IN SHARE MODE",
        "in_place": _MARK,
        UNCHANGED: _MARK,
        CHANGED_TABLES: _MARK,
    },
}
_RESTORING = {
    "swap": (
        *("restore_target.begin", "swap.created", "loaded", "filled", "publish.before"),
        *("publishing.first_rename", "publishing.second_rename", "publishing.commit", "publish.after"),
        *("restore_target.end", "restore_target.done"),
    ),
    "in_place": (
        *("restore_target.begin", "in_place.locked", "in_place.cleared", "loaded", "filled", "publish.before"),
        *("publishing.commit", "publish.after", "restore_target.end", "restore_target.done"),
    ),
    CHANGED_TABLES: (
        *("restore_target.begin", "tables.locked", "loaded", "filled", "publish.before", "publishing.commit"),
        *("publish.after", "restore_target.end", "restore_target.done"),
    ),
    UNCHANGED: (
        *("restore_target.begin", "publish.before", "publishing.commit", "publish.after"),
        *("restore_target.end", "restore_target.done"),
    ),
}
_VERIFYING = (
    *("verify_target.begin", "verify_target.middle", "verified.before_journal", "verify_target.end"),
    "verify_target.done",
)
_FINISHING = ("finish.begin", "finish.dropped", "finish.end", "finish.done")
# Reached when the run has ended already.
ENDING = ("closed", "told.log", "told.file", "told.lock", "told.page", "told.backend")
# Reached only when somebody has written to the copy just after it was published, so that it must be taken back.
_ROLLING_BACK = {
    "swap": ("rollback.begin", "put_back.after", "rollback.restored", "settled"),
    "in_place": ("rollback.begin", "rollback.restored", "settled"),
    UNCHANGED: ("rollback.begin", "rollback.restored", "settled"),
    CHANGED_TABLES: ("rollback.begin", "rollback.restored", "settled"),
}
# The programs that can be held: before they begin, when half of their output is written, after they have ended.
HELD_PROGRAMS = {"pg_dump": ("dumping", "half", "dumped"), "psql": ("copying", "half_copied", "copied")}
DUMPING, COPYING = (
    tuple(f"{step}.{when}" for step in ("dump_source", "back_up_target") for when in HELD_PROGRAMS[program])
    for program in ("pg_dump", "psql")
)


def instants_of(method: str) -> list[str]:
    """In the order in which a run comes by."""
    found = [BEFORE_BEAT, *_BEGINNING]
    for step in STEPS[: STEPS.index("restore_target")]:
        programs = (*DUMPING, *COPYING) if method in IN_FULL else COPYING
        inside = [name for name in programs if name.startswith(f"{step}.")] or [f"{step}.middle"]
        if step == "back_up_target" and method not in IN_FULL:
            inside = [LINKED]
        found += [f"{step}.begin", *inside, f"{step}.end", f"{step}.done"]
    return [*found, *_RESTORING[method], *_VERIFYING, *_FINISHING, *ENDING, *_ROLLING_BACK[method]]


def depends_on_method(instant: str) -> bool:
    """Does a run of the one method do something else there than a run of the other, or have something else to lose?"""
    return instant in {
        *(name for some in (*_RESTORING.values(), *_ROLLING_BACK.values()) for name in some),
        *_VERIFYING,
        "finish.begin",
        "finish.dropped",
    }


def is_behind_publishing(instant: str) -> bool:
    """Where the database that stood there stays, a run does the same from here on, whether it wrote to it or not."""
    return instant in {*_VERIFYING, "finish.begin", "finish.dropped", *_ROLLING_BACK[UNCHANGED]}


def is_held_by_program(instant: str) -> bool:
    return instant in DUMPING or instant in COPYING


def rolls_back(instant: str) -> bool:
    return any(instant in some for some in _ROLLING_BACK.values())
