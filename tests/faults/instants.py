"""The instants of a run at which the matrix strikes: fault points, and pg_dump before and after its work."""

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
# Inside the publishing transaction, where a lock of ours makes the target's server wait.
_MARK = "COMMENT ON DATABASE {target} IS 'waited for'"
PUBLISHING = {
    "publishing.first_rename": {"swap": _MARK},
    "publishing.second_rename": {"swap": "COMMENT ON DATABASE {incoming} IS 'waited for'"},
    # The mark is set last. In_place has touched that catalogue already, so there only the database can be locked.
    "publishing.commit": {"swap": "LOCK TABLE pg_catalog.pg_shdescription IN SHARE MODE", "in_place": _MARK},
}
_ENDING = ("closed", "told.log", "told.file", "told.lock", "told.page", "told.backend")
_OF_STEP: dict[str, dict[str, tuple[str, ...]]] = {
    "restore_target": {
        "swap": (
            *("swap.created", "loaded", "filled", "publish.before"),
            *("publishing.first_rename", "publishing.second_rename", "publishing.commit", "publish.after"),
        ),
        "in_place": (
            *("in_place.locked", "in_place.cleared", "loaded", "filled", "publish.before"),
            *("publishing.commit", "publish.after"),
        ),
    },
    "verify_target": {"swap": ("verified.before_journal",), "in_place": ("verified.before_journal",)},
    "finish": {"swap": ("finish.dropped",), "in_place": ("finish.dropped",)},
}
DUMPING = ("dump_source.dumping", "dump_source.dumped", "back_up_target.dumping", "back_up_target.dumped")


def instants_of(method: str) -> list[str]:
    """In the order in which a run comes by."""
    found = list(_BEGINNING)
    for step in STEPS:
        held = [name for name in DUMPING if name.startswith(f"{step}.")]
        inner = _OF_STEP.get(step, {}).get(method, ())
        found += [f"{step}.begin", *held, *inner, f"{step}.end", f"{step}.done"]
    return [*found, *_ENDING]


def is_held_by_pg_dump(instant: str) -> bool:
    return instant in DUMPING
