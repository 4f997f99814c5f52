"""Fixtures for every level: two real PostgreSQL servers and one Valkey per session, fresh databases per test."""

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from tests.faults import figures
from tests.folders import server_folder
from worker.demo.servers import PostgresServer, ValkeyServer, find_postgres

pytest.register_assert_rewrite("tests.support")  # what they demand, they explain when it is not so

TESTS = Path(__file__).parent
LEVELS = ("faults", "integration", "docs", "versions", "containers", "bench", "unit")
_numbers = itertools.count(1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes minutes is left out, unless `-m` says what is wanted; the slowest files come first."""
    if not config.option.markexpr:
        long = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]
    items.sort(key=lambda item: LEVELS.index(item.path.relative_to(TESTS).parts[0]))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """What hostile tests log may be no UTF-8, and pytest-xdist sends what was logged from process to process."""
    report: pytest.TestReport = yield  # type: ignore[assignment]
    report.sections = [(name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections]
    return report  # type: ignore[return-value]


@pytest.fixture(autouse=True)
def _no_fault_stays() -> Iterator[None]:
    """Also where monkeypatch has put back what `held_at` had set: it is undone before this is."""
    yield
    os.environ.pop("RNS_FAULT", None)


@pytest.fixture(scope="session")
def server_root() -> Iterator[Path]:
    """A folder for servers."""
    root = server_folder("rns-test-")
    yield root
    shutil.rmtree(root, ignore_errors=True)


def _postgres(server_root: Path, name: str) -> Iterator[PostgresServer]:
    server = PostgresServer(server_root / name, find_postgres()).create().start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def source_server(server_root: Path) -> Iterator[PostgresServer]:
    """Neon's stand-in."""
    yield from _postgres(server_root, "source")


@pytest.fixture(scope="session")
def target_server(server_root: Path) -> Iterator[PostgresServer]:
    """Railway's stand-in."""
    yield from _postgres(server_root, "target")


@pytest.fixture(scope="session")
def valkey_server(server_root: Path) -> Iterator[ValkeyServer]:
    server = ValkeyServer(server_root / "valkey").start()
    yield server
    server.stop()


def execute(dsn: str, statements: str) -> None:
    """Run statements outside a transaction block (autocommit), as one string."""
    with closing(psycopg2.connect(dsn)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statements)


@pytest.fixture
def new_database() -> Iterator[Callable[[PostgresServer, str], str]]:
    """Make an empty database, made from template0, on a server; returns its name. Dropped when the test ends."""
    made: list[tuple[PostgresServer, str]] = []

    def make(server: PostgresServer, prefix: str = "db") -> str:
        name = f"{prefix}_{os.getpid()}_{next(_numbers)}"
        execute(server.dsn(), f'CREATE DATABASE "{name}" TEMPLATE template0')
        made.append((server, name))
        return name

    yield make
    for server, name in made:
        execute(server.dsn(), f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture
def record_figure() -> figures.RecordFigure:
    """For a proof that docs/reliability.md tells of: see tests/faults/figures.py."""
    return figures.record_figure
