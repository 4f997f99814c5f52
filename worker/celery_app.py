"""The Celery application: options from config, tasks by name, signals from lifecycle."""

import sys
from pathlib import Path
from typing import Any

from celery import Celery

from config.celery import celery_options
from config.settings import SettingsFault, load_settings
from worker.commands.boundary import settings_lines
from worker.lifecycle import connect_signals
from worker.transport import use_patient_transport

_MISTAKE = 2  # as the command line's


def _options() -> dict[str, Any]:
    """For who typed `celery`, which would show a traceback, the program ends with a sentence."""
    try:
        return celery_options(load_settings())
    except SettingsFault as fault:
        if "celery" not in Path(sys.argv[0]).parts[-2:]:  # the program itself, and python -m celery
            raise
        sys.stderr.write(f"celery: {settings_lines(fault)}\n")
        sys.exit(_MISTAKE)


use_patient_transport()
app = Celery("railway-neon-sync", set_as_current=True)
app.conf.update(_options())
connect_signals()
