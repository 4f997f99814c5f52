"""Credentials for a program: a libpq service file of mode 0600 in a folder of mode 0700, gone when it ended.

A URL among the arguments would stand in the process list.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PREFIX = ".service-"


@contextmanager
def service_environment(params: Mapping[str, str], folder: Path, *, run_id: str) -> Iterator[dict[str, str]]:
    """The environment that lets a libpq program connect with these parameters.

    The folder's name carries the run's, so that whoever ends a dead run can remove it.
    """
    private = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{run_id}-", dir=folder))  # mkdtemp gives 0700
    try:
        # libpq strips blanks at the end of a line; such a value goes by the environment, which `ps` does not show.
        stripped = {key: value for key, value in params.items() if value != value.rstrip()}
        path = private / "service.conf"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write("[database]\n")
            file.writelines(f"{key}={value}\n" for key, value in params.items() if key not in stripped)
        environment = {"PGSERVICEFILE": str(path), "PGSERVICE": "database"}
        if "password" in stripped:
            environment["PGPASSWORD"] = stripped["password"]
        yield environment
    finally:
        shutil.rmtree(private, ignore_errors=True)


def remove_service_files(folder: Path, *, run_id: str) -> None:
    """What a killed process of this run left behind."""
    for path in folder.glob(f"{PREFIX}{run_id}-*"):
        shutil.rmtree(path, ignore_errors=True)
