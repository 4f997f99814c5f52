"""The journal is deleted while a worker works with it: both ways of starting a run say so, and how to go on."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.engine.journal import JournalGone
from tasks.means import begin_worker, worker_means
from tests.integration.test_cli import call
from tests.support.command import command
from tests.support.installation import Installation, installed
from tests.support.workers import Client, client_of, wait_until, working
from worker.demo.servers import PostgresServer, ValkeyServer

_OTHER = "another installation works on these two databases with another journal, or the journal of before was lost"


@pytest.fixture
def installation(
    source_server: PostgresServer, target_server: PostgresServer, valkey_server: ValkeyServer, tmp_path: Path
) -> Iterator[Installation]:
    with installed(source_server, target_server, valkey_server, tmp_path) as one:
        yield one


def said(installation: Installation, *words: str, code: int = 1) -> str:
    """Everything that a command printed, in one line."""
    ended, out, err = call(installation, *words)
    assert ended == code, out + err
    return " ".join((out + err).split())


def refused(client: Client) -> str:
    """What a run through the worker is told."""
    return str(client.send().get(timeout=60, propagate=False))


def test_a_lost_journal_is_told_by_both_ways_of_a_run_until_somebody_decides(installation: Installation) -> None:
    journal = installation.backup_dir / "journal.sqlite3"
    with working(installation) as worker, client_of(installation) as client:
        assert call(installation, "run")[0] == 0
        journal.unlink()
        assert "is not there any more, since it was deleted" in said(installation, "run")
        wait_until(lambda: "this worker cannot work: the journal" in worker.text, "the worker's word")
        for words in (["status", "--quick"], ["list"], ["expire"], ["doctor"], ["take-over", "--yes", "x"]):
            assert "unexpected" not in command(installation, *words).output
            assert not journal.exists(), words
        told = said(installation, "run", "--here")
        assert _OTHER in told
        assert "type: railway-neon-sync take-over" in told
        assert stat.S_IMODE(journal.stat().st_mode) == 0o600
        assert "is another one now, since it was deleted" in refused(client)
        assert "Traceback" not in worker.text
    with working(installation, name="again"), client_of(installation) as client:
        assert "nothing was changed" in said(installation, "take-over", "--yes", "another name", code=2)
        assert _OTHER in refused(client)
        assert "Redis remembers the journal" in said(
            installation, "take-over", "--yes", installation.target_name, code=0
        )
        assert "equals the source" in said(installation, "run", code=0)
    assert "nothing to take over" in said(installation, "take-over", code=0)


def test_a_process_that_a_worker_starts_later_begins_no_other_journal(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in installation.environment.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setattr("tasks.means._worker_journal", [])
    worker_means.cache_clear()
    begin_worker()
    journal = installation.backup_dir / "journal.sqlite3"
    journal.unlink()
    with pytest.raises(JournalGone, match="is not there any more"):
        worker_means()
    assert not journal.exists()
    installation.means(lock=False)
    with pytest.raises(JournalGone, match="is another one now"):
        worker_means()


def test_a_folder_that_another_installation_has_left_can_be_taken_over(
    installation: Installation, tmp_path: Path
) -> None:
    assert installation.run_here()["outcome"] == "succeeded"
    other = {"JOURNAL_URL": f"sqlite:///{tmp_path / 'another.sqlite3'}"}
    refused = command(installation, "run", "--here", **other)
    assert "type: railway-neon-sync take-over" in refused.output
    done = command(installation, "take-over", **other, typed=f"{installation.target_name}\n")
    assert done.exit_code == 0, done.output
    assert "is kept by an installation whose journal is journal.sqlite3" in done.output
    assert command(installation, "run", "--here", **other).exit_code == 0
