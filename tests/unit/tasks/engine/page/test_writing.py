"""The page after a run has ended: written whatever the outcome, for its owner only, and never in the run's way."""

import logging
import re
import stat
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings, load_settings
from tasks.engine.beginning import open_storage
from tasks.engine.closing import close_run
from tasks.engine.journal import Journal
from tasks.engine.overview import read_overview
from tasks.engine.page import writing
from tasks.engine.recovery import Ending
from tasks.engine.storage import ensure_private_dir
from worker.commands.boundary import EXIT_CODES

OUTCOMES = tuple(EXIT_CODES)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    urls = {"DATABASE_URL": "postgresql://u:p@neon/a", "RAILWAY_BACKUP_DB_URL": "postgresql://u:p@railway/b"}
    return load_settings({**urls, "BACKUP_DIR": str(tmp_path / "backups")}, None)


@pytest.fixture
def journal(settings: Settings) -> Journal:
    ensure_private_dir(settings.backup_dir)
    return Journal(settings.journal_url.get_secret_value(), pair=settings.pair)


def end_a_run(settings: Settings, journal: Journal, outcome: str, run_id: str = "one") -> tuple[Any, list[Any]]:
    """A run that ends so; returns its report, and what the result backend was told."""
    now = datetime.now(UTC)
    stamp, _ = open_storage(settings, now)
    options: dict[str, Any] = {"job_id": "manual", "slot": None, "allowance_s": 60, "options": {}, "host": "here"}
    assert journal.begin_run(run_id, stamp=stamp, started_at=now - timedelta(seconds=9), **options)
    dump = {"file": f"{run_id}.sql", "size_bytes": 9000, "tables": 4, "rows": 57, "taken_at": now.isoformat()}
    if outcome == "succeeded":
        journal.keep(run_id, source_dump=dump, source_stats={"users": 57}, backup_stats={"users": 57})
        journal.mark_verified(run_id)
    told: list[Mapping[str, Any]] = []
    error = None if outcome == "succeeded" else f"{run_id} ended as {outcome}"
    ending = Ending(outcome=outcome, error=error)
    report = close_run(run_id, ending, settings=settings, journal=journal, lease=None, tell=told.append)
    return report, told


def page(settings: Settings) -> str:
    return (settings.backup_dir / "status.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_run_that_ends_writes_it_whatever_its_outcome(settings: Settings, journal: Journal, outcome: str) -> None:
    end_a_run(settings, journal, outcome)
    found = page(settings)
    assert "<dt>Run</dt><dd>one</dd>" in found
    assert f"&#34;outcome&#34;: &#34;{outcome}&#34;" in found
    assert outcome == "succeeded" or f"one ended as {outcome}" in found
    assert stat.S_IMODE((settings.backup_dir / "status.html").stat().st_mode) == 0o600
    assert list(settings.backup_dir.rglob("*.part")) == []


def test_each_run_is_added_to_those_before(settings: Settings, journal: Journal) -> None:
    for number, outcome in enumerate(("succeeded", "failed", "succeeded")):
        end_a_run(settings, journal, outcome, f"run-{number}")
    assert re.search(r"<h1>(.*?)</h1>", page(settings)) is not None
    assert "2 of 3" in page(settings)


@pytest.mark.parametrize("obstacle", ["folder", "fault"])
def test_one_that_cannot_be_written_is_told_and_harms_nothing(
    settings: Settings,
    journal: Journal,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    obstacle: str,
) -> None:
    if obstacle == "folder":  # nothing can take its name
        (settings.backup_dir / "status.html").mkdir()
    else:

        def broken(*_: object) -> str:
            raise ZeroDivisionError("a fault in the page")

        monkeypatch.setattr(writing, "page_of", broken)
    with caplog.at_level(logging.WARNING):
        report, told = end_a_run(settings, journal, "succeeded")
    assert report is not None
    assert report["outcome"] == "succeeded"
    assert told == [report]
    record = journal.run("one")
    assert record is not None
    assert record.facts["told"] is True, "nobody tries again for ever"
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == 1
    assert warnings[0].startswith("the status page could not be written: ")


def test_of_two_runs_that_end_together_the_page_shows_both(
    settings: Settings, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that writes last may have read first: it looks again, and finds what it does not show."""
    end_a_run(settings, journal, "succeeded", "early")
    plain = writing.page_of
    met: list[Any] = []

    def slow(overview: Any, untold: Any) -> str:
        if not met:
            met.append(overview)
            end_a_run(settings, journal, "failed", "meanwhile")
        return plain(overview, untold)

    monkeypatch.setattr(writing, "page_of", slow)
    end_a_run(settings, journal, "failed", "late")
    assert "meanwhile ended as failed" in page(settings)
    assert "late ended as failed" in page(settings)


def test_it_is_written_from_the_reports_when_the_journal_is_lost(settings: Settings, journal: Journal) -> None:
    end_a_run(settings, journal, "succeeded")
    (settings.backup_dir / "status.html").unlink()
    writing.write_page(settings, None)
    assert "<dt>Run</dt><dd>one</dd>" in page(settings)
    assert "57</b> users" in page(settings)


def test_an_overview_of_few_runs_is_a_page_too(settings: Settings, journal: Journal) -> None:
    now = datetime.now(UTC)
    assert "There is no copy yet" in writing.page_of(read_overview(settings, journal, now=now))
