"""The command line in this process, with an installation's environment and nothing else of ours."""

import sys
from collections.abc import Mapping

from click.testing import CliRunner, Result

from config.settings import setting_names
from tests.support.installation import Installation
from worker.cli import cli


def command(installation: Installation, *words: str, typed: str | None = None, **extra: str) -> Result:
    """`railway-neon-sync WORDS`; typed: what a person types when it asks."""
    ours = {"RNS_ENV_FILE": "/dev/null", **installation.environment, **extra}
    unset: Mapping[str, str | None] = {name.upper(): None for name in setting_names() if name.upper() not in ours}
    sys.modules.pop("worker.celery_app", None)  # the application of an installation before has that one's broker
    ours.pop("PATH"), ours.pop("HOME"), ours.pop("PYTHONPATH")
    return CliRunner().invoke(cli, words, env={**unset, **ours}, input=typed, prog_name="railway-neon-sync")
