"""The command line in this process, with an environment of its own and nothing else of ours."""

import sys
from collections.abc import Mapping

from click.testing import CliRunner, Result

from config.settings import setting_names
from tests.support.installation import Installation
from worker.cli import cli


def command(installation: Installation, *words: str, typed: str | None = None, **extra: str) -> Result:
    """`railway-neon-sync WORDS`; typed: what a person types when it asks; extra: settings, an empty one is not set."""
    return command_in({**installation.environment, **extra}, *words, typed=typed)


def command_in(environment: Mapping[str, str], *words: str, typed: str | None = None) -> Result:
    """The same where there is no server."""
    of_processes = ("PATH", "HOME", "PYTHONPATH")
    ours = {name: text for name, text in environment.items() if name not in of_processes}
    unset: Mapping[str, str | None] = {name.upper(): None for name in setting_names() if name.upper() not in ours}
    sys.modules.pop("worker.celery_app", None)  # the application of an environment before has that one's broker
    env = {"RNS_ENV_FILE": "/dev/null", **unset, **ours}
    return CliRunner().invoke(cli, words, env=env, input=typed, prog_name="railway-neon-sync")
