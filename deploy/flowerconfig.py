# ruff: noqa: INP001 - Flower reads a file, not a module of a package
"""Flower's options in a container; Flower reads this file by itself (`--conf`)."""

from pathlib import Path

# From a file: as an argument it would stand in the process list, as a variable in `docker inspect`.
_user_and_password = Path("/run/secrets/flower_basic_auth").read_text(encoding="utf-8").strip()
if not all(_user_and_password.partition(":")):
    raise SystemExit("flower_basic_auth must be user:password; without it, everybody could look in")

basic_auth = [_user_and_password]
# Flower's Terminate ends a step without its rollback.
read_only = True
