"""Imports run one way: worker → tasks → tasks.engine → config. A wall that is broken is named with file and line."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CELERY = ("celery", "kombu", "billiard", "flower")
# Folder, and what nothing below it may import.
WALLS = [
    ("config", ("tasks", "worker", "tests")),
    ("tasks/engine", (*CELERY, "worker", "tests")),
    ("tasks", ("tests",)),
    ("worker", ("tests",)),
]
ABOVE_ENGINE = ("tasks.pipeline", "tasks.steps", "tasks.framing", "tasks.means", "tasks.results", "tasks.failures")


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def breaches(folder: str, forbidden: tuple[str, ...]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        for line, name in imports_of(path)
        if any(name == wall or name.startswith(f"{wall}.") for wall in forbidden)
    ]


@pytest.mark.parametrize(("folder", "forbidden"), WALLS)
def test_imports_run_downwards(folder: str, forbidden: tuple[str, ...]) -> None:
    assert breaches(folder, forbidden) == []


def test_the_engine_knows_nothing_of_the_tasks_above_it() -> None:
    assert breaches("tasks/engine", ABOVE_ENGINE) == []


def test_only_the_entry_asks_for_the_application() -> None:
    """tasks/__init__.py hands out run_backup with the application's broker; nothing else in tasks knows of worker."""
    assert {line.split(":")[0] for line in breaches("tasks", ("worker",))} == {"tasks/__init__.py"}


@pytest.mark.parametrize("module", ["tasks", "tasks.engine.operations", "config.settings", "worker.cli"])
def test_importing_it_loads_no_celery(module: str) -> None:
    program = f"import sys, {module}; print([name for name in sys.modules if name.split('.')[0] in {CELERY!r}])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
