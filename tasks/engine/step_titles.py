"""The steps of a run in their order, as people call them."""

STEP_TITLES = {
    "verify_connections": "verify connections",
    "dump_source": "count and dump the source",
    "back_up_target": "safety backup of the target",
    "check_guards": "check the guards",
    "restore_target": "restore, prove, publish",
    "verify_target": "verify the copy",
    "finish": "clean up",
}
