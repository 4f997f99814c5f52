"""Loaded into a test's worker (`celery worker -I tests.support.switched_faults`): faults that can be changed meanwhile.

Before each task the worker's process takes RNS_FAULT from the file that RNS_FAULT_FILE names.
"""

import os
from pathlib import Path
from typing import Any

from celery import signals


def _take_over(**_: Any) -> None:
    named = os.environ.get("RNS_FAULT_FILE")
    if named is None:
        return
    path = Path(named)
    fault = path.read_text() if path.exists() else ""
    if fault:
        os.environ["RNS_FAULT"] = fault
    else:
        os.environ.pop("RNS_FAULT", None)


signals.task_prerun.connect(_take_over, weak=False)
