"""The container engine: what needs one says why it was skipped where none is."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
IMAGE = "railway-neon-sync:local"


def docker(*arguments: str, timeout_s: float = 60.0) -> str:
    """What `docker ARGUMENTS` prints."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=timeout_s, check=False)
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
    return done.stdout


def _why_not() -> str | None:
    if shutil.which("docker") is None:
        return "there is no docker on this machine"
    done = subprocess.run(["docker", "version"], capture_output=True, text=True, timeout=60, check=False)
    return None if done.returncode == 0 else f"no container engine answers: {done.stderr.strip()}"


def image_of(service: str) -> str:
    """The image that docker-compose.yml pins for a service."""
    return str(yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][service]["image"])


@pytest.fixture(scope="session", autouse=True)
def engine() -> None:
    """An engine that answers, before any other fixture asks it; it may be any that `docker` finds."""
    if reason := _why_not():
        assert "COMPOSE_TEST" not in os.environ, reason
        pytest.skip(reason)


@pytest.fixture(scope="session")
def image() -> str:
    """The image of this checkout. COMPOSE_TEST=1 (`make compose-test`) builds it; otherwise it is taken as it is."""
    if "COMPOSE_TEST" in os.environ:
        network = os.environ.get("COMPOSE_TEST_BUILD_NETWORK", "default")
        docker("build", f"--network={network}", f"--tag={IMAGE}", str(ROOT), timeout_s=1800)
    elif not docker("images", "--quiet", IMAGE).strip():
        pytest.skip(f"there is no image {IMAGE} here: `docker compose build` or `make compose-test` makes it")
    return IMAGE
