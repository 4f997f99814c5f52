"""Loaded into a worker of the kill matrix (`celery worker -I tests.faults.hurried`): silence is death after seconds.

Nothing but waiting times: with the real ones (20 s and 300 s) the whole matrix would wait for hours.
"""

from tasks import framing
from tasks.engine import beginning
from tests.faults.hurried_times import ALIVE_S, BEAT_S, HANDOVER_S

for module, times in ((framing, {"BEAT_S": BEAT_S, "ALIVE_S": ALIVE_S}), (beginning, {})):
    for name, seconds in {**times, "HANDOVER_ALLOWANCE_S": HANDOVER_S}.items():
        if not hasattr(module, name):
            raise AttributeError(f"{module.__name__} has no {name} any more")
        setattr(module, name, seconds)
