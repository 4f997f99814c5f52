"""The image as Celery sees it, by pytest-celery: worker, broker and result backend in containers of their own.

Runs where a container engine answers and the image is there; says why where not.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_celery import (
    CELERY_REDIS_BACKEND,
    CELERY_REDIS_BROKER,
    CeleryBackendCluster,
    CeleryBrokerCluster,
    CeleryTestSetup,
    CeleryWorkerContainer,
    RedisContainer,
)
from pytest_docker_tools import container, fxtr

from config.celery import QUEUE
from tests.containers.conftest import ROOT, image_of

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]
PASSWORD = "of-a-throw-away-server"
_READY_WITHIN_S = 120
_ESCROW = {str(ROOT / "worker" / "demo" / "escrow.sql"): {"bind": "/docker-entrypoint-initdb.d/1.sql", "mode": "ro"}}


class Redis(RedisContainer):  # type: ignore[misc] # pytest-celery has no types
    """The Redis of docker-compose.yml."""

    @property
    def host_url(self) -> str:
        """Where the tests reach it; pytest-celery says localhost also where they run in a container themselves."""
        host, port = self.get_addr("6379/tcp")
        return f"{self.prefix()}{host}:{port}/{self.vhost}"


class Worker(CeleryWorkerContainer):  # type: ignore[misc]
    """Our image with its own command, instead of pytest-celery's worker with tasks of the test."""

    @classmethod
    def command(cls, *_: str, **__: Any) -> list[str]:
        return ["celery", "-A", "worker", "worker", "--hostname=backup@worker"]

    @classmethod
    def worker_queue(cls) -> str:
        return QUEUE

    @classmethod
    def initial_env(cls, celery_worker_cluster_config: dict[str, Any], initial: Any = None) -> dict[str, str]:
        given: dict[str, str] = super().initial_env(celery_worker_cluster_config, initial)
        ours = {name: given[name] for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND")}
        hosts = {"DATABASE_URL": "source", "RAILWAY_BACKUP_DB_URL": "target"}
        return ours | {name: f"postgresql://postgres:{PASSWORD}@{host}:5432/app" for name, host in hosts.items()}


def _postgres(host: str, volumes: dict[str, Any]) -> Any:
    return container(
        image=image_of("demo-source"),
        network="{default_pytest_celery_network.name}",
        hostname=host,
        environment={"POSTGRES_PASSWORD": PASSWORD, "POSTGRES_DB": "app"},
        volumes=volumes,
        wrapper_class=None,
        timeout=_READY_WITHIN_S,
    )


def _redis(role: str) -> Any:
    return container(
        image=image_of("redis"),
        ports=fxtr(f"default_redis_{role}_ports"),
        network="{default_pytest_celery_network.name}",
        wrapper_class=Redis,
        timeout=_READY_WITHIN_S,
        command=fxtr(f"default_redis_{role}_command"),
    )


source = _postgres("source", _ESCROW)
target = _postgres("target", {})
default_redis_broker = _redis("broker")
default_redis_backend = _redis("backend")
default_worker_container = container(
    image="{image}",
    environment=fxtr("default_worker_env"),
    network="{default_pytest_celery_network.name}",
    wrapper_class=Worker,
    timeout=_READY_WITHIN_S,
    command=fxtr("default_worker_command"),
)


@pytest.fixture
def default_worker_container_cls() -> type[Worker]:
    return Worker


@pytest.fixture
def celery_broker_cluster(request: pytest.FixtureRequest) -> Iterator[CeleryBrokerCluster]:
    cluster = CeleryBrokerCluster(request.getfixturevalue(CELERY_REDIS_BROKER))
    yield cluster
    cluster.teardown()


@pytest.fixture
def celery_backend_cluster(request: pytest.FixtureRequest) -> Iterator[CeleryBackendCluster]:
    cluster = CeleryBackendCluster(request.getfixturevalue(CELERY_REDIS_BACKEND))
    yield cluster
    cluster.teardown()


def run(setup: CeleryTestSetup) -> dict[str, Any]:
    """Somebody's `run_backup.delay()`, and the report."""
    report: dict[str, Any] = setup.app.send_task("tasks.run_backup", queue=QUEUE).get(timeout=180)
    return report


@pytest.mark.usefixtures("source", "target")
def test_a_worker_of_the_image_makes_backups_also_after_it_was_killed(celery_setup: CeleryTestSetup) -> None:
    report = run(celery_setup)
    assert (report["outcome"], report["error"]) == ("succeeded", None)
    assert report["backup_stats"]["users"] == 57
    celery_setup.worker.kill()
    assert celery_setup.worker.container.status != "running"
    celery_setup.worker.restart()
    report = run(celery_setup)
    assert (report["outcome"], report["error"]) == ("succeeded", None)
