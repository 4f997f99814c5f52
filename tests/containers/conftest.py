"""The container engine: what needs one says why it was skipped where none is."""

import os
import shutil
import subprocess

import pytest

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


@pytest.fixture(scope="session")
def engine() -> None:
    """An engine that answers; it may be any that `docker` finds, by DOCKER_HOST or its context."""
    if reason := _why_not():
        assert "COMPOSE_TEST" not in os.environ, reason
        pytest.skip(reason)


@pytest.fixture(scope="session")
def image(engine: None) -> str:  # noqa: ARG001 - it must answer
    """The image of this checkout. COMPOSE_TEST=1 (`make compose-test`) builds it; otherwise it is taken as it is."""
    if "COMPOSE_TEST" in os.environ:
        network = os.environ.get("COMPOSE_TEST_BUILD_NETWORK", "default")
        docker("build", f"--network={network}", f"--tag={IMAGE}", ".", timeout_s=1800)
    elif not docker("images", "--quiet", IMAGE).strip():
        pytest.skip(f"there is no image {IMAGE} here: `docker compose build` or `make compose-test` makes it")
    return IMAGE
