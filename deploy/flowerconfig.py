# ruff: noqa: INP001 - Flower reads a file, not a module of a package
"""Flower's options, in a container and under systemd; Flower reads this file by itself (`--conf`)."""

import os
from pathlib import Path

# Where systemd puts what LoadCredential names, else where Docker Compose puts its secrets.
_secrets = Path(os.environ.get("CREDENTIALS_DIRECTORY", "/run/secrets"))
# From a file: as an argument it would stand in the process list, as a variable in `docker inspect`.
_user_and_password = (_secrets / "flower_basic_auth").read_text(encoding="utf-8").strip()
if not all(_user_and_password.partition(":")):
    raise SystemExit("flower_basic_auth must be user:password; without it, everybody could look in")

basic_auth = [_user_and_password]
# Flower's Terminate ends a step without its rollback.
read_only = True
# With the run (a step's one argument), and with the result: while a task works, it says how far it is.
tasks_columns = "name,uuid,state,args,result,received,runtime"
