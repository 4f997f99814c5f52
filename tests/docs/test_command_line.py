"""docs/command-line.md names every key of every JSON document, and no other."""

from dataclasses import fields
from typing import Any

import pytest

from tasks.engine.changes import Changes, RowsChange, SchemaChange
from tasks.engine.doctor.forecast import Forecast, StepForecast
from tasks.engine.drills import Drill
from tasks.engine.findings import Finding
from tasks.engine.freshness import Copy
from tasks.engine.history import PastRun
from tasks.engine.kept import DumpOnDisk
from tasks.engine.overview import CurrentRun, Lock, Overview, Slot
from tests.docs.documents import ROOT, rows, section, words
from worker.machinery import Machinery

PAPER = (ROOT / "docs" / "command-line.md").read_text()


def names(value: Any) -> set[str]:
    return {field.name for field in fields(value)} - {"report"}


def keys(command: str) -> dict[str, set[str]]:
    """Each key of a command's table, and the words that its value mentions."""
    return {key: set(words(row[1])) for row in rows(section(PAPER, command)) for key in words(row[0])}


def test_the_keys_of_status_are_those_of_an_overview() -> None:
    found = keys("status")
    assert set(found) == names(Overview) | {"machinery"}
    for key, value in {"copy": Copy, "current": CurrentRun, "next_slots": Slot, "lock": Lock}.items():
        assert names(value) <= found[key], key
    assert names(Machinery) <= found["machinery"]


@pytest.mark.parametrize(
    ("command", "key", "value"),
    [
        ("list", "runs", PastRun),
        ("list", "dumps", DumpOnDisk),
        ("doctor", "findings", Finding),
        ("doctor", "forecast", Forecast),
        ("doctor", "forecast", StepForecast),
        ("show", "changes", Changes),
        ("show", "changes", RowsChange),
        ("show", "changes", SchemaChange),
    ],
)
def test_the_keys_within_a_key_stand_there(command: str, key: str, value: Any) -> None:
    assert names(value) <= keys(command)[key]


def test_the_keys_of_a_drill_stand_there_and_no_other() -> None:
    assert set(keys("drill")) == names(Drill)
