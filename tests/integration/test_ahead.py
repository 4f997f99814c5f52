"""The safety backup is made beside the dump of the source; where it cannot be, its own step makes it."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasks.engine import ahead, stewardship
from tests.integration.test_run_breakage import pg_dump_that
from tests.support.failing import Failed
from tests.support.held import held_at
from tests.support.installation import Installation, ask, installed
from tests.support.workers import wait_until
from worker.demo.servers import PostgresServer, ValkeyServer

BESIDE = "backed up beside the dump of the source"
_UNTIL = "for n in $(seq 300); do {is_there} && break; sleep 0.1; done; {is_there} || exit 1;"


@pytest.fixture
def installation(
    source_server: PostgresServer, target_server: PostgresServer, valkey_server: ValkeyServer, tmp_path: Path
) -> Iterator[Installation]:
    with installed(source_server, target_server, valkey_server, tmp_path / "home", own_roles=True) as made:
        made.copied()
        yield made


def safety_files(installation: Installation, stamp: str) -> list[Path]:
    return list(installation.backup_dir.glob(f"backup_safety_{stamp}*"))


def test_the_target_is_backed_up_while_the_source_is_dumped(installation: Installation, tmp_path: Path) -> None:
    waits = _UNTIL.format(is_there='ls "$(dirname "$file")"/backup_safety_*.manifest.json >/dev/null 2>&1')
    first = safety_files(installation, "")
    for path in first:
        path.unlink()
    folder = pg_dump_that(f'{waits} real "$@"', kind="source_db_backup", folder=tmp_path)
    report = installation.copied(PG_BIN_DIR=folder, FULL_RUNS="true")
    step = report["steps"][2]
    assert step["summary"].endswith(BESIDE)
    assert "reading and dumping" in {phase["name"] for phase in step["phases"]}
    assert sum(phase["round_trips"] for phase in step["phases"]) > 0
    assert set(report["dump_ways"]) == {report["source_dump"]["file"], report["safety_dump"]["file"]}
    assert installation.differences() == []


def test_what_could_not_be_made_beside_is_made_by_its_own_step(
    installation: Installation, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    once = f'if mkdir {tmp_path}/once 2>/dev/null; then echo "pg_dump: error: it broke" >&2; exit 1; fi; real "$@"'
    folder = pg_dump_that(once, kind="backup_safety", folder=tmp_path)
    with caplog.at_level("INFO"):
        report = installation.copied(PG_BIN_DIR=folder, FULL_RUNS="true")
    assert "the safety backup is left to its own step: pg_dump ended with exit status 1" in caplog.text
    assert BESIDE not in report["steps"][2]["summary"]
    assert len(safety_files(installation, report["stamp"])) == 2


@pytest.mark.parametrize("first", ["the source", "the target"])
def test_nothing_of_it_stays_where_the_source_is_not_dumped(
    installation: Installation, tmp_path: Path, caplog: pytest.LogCaptureFixture, first: str
) -> None:
    """Whichever of the two is done first."""
    made = _UNTIL.format(is_there='ls "$(dirname "$file")"/backup_safety_*.manifest.json >/dev/null 2>&1')
    for path in safety_files(installation, ""):
        path.unlink()
    breaks = 'echo "pg_dump: error: it broke" >&2; exit 1'
    if first == "the source":
        folder = pg_dump_that(f"{breaks};; *backup_safety*) sleep 100", kind="source_db_backup", folder=tmp_path)
    else:
        folder = pg_dump_that(f"{made} {breaks}", kind="source_db_backup", folder=tmp_path)
    began = time.monotonic()
    failed = Failed(installation, caplog, PG_BIN_DIR=folder, FULL_RUNS="true")
    assert time.monotonic() - began < 60  # it does not wait for the other
    failed.demand("failed", step="dump_source", said="pg_dump: error: it broke")
    assert safety_files(installation, failed.report["stamp"]) == []
    failed.demand_that_the_next_run_works()


def test_a_file_that_bears_its_name_already_is_left_alone(installation: Installation) -> None:
    """As somebody put it there, when the clock was another."""
    with held_at(installation, "dump_source.begin") as held:
        [stamp] = [record.stamp for record in installation.means(lock=False).journal.open_runs()]
        theirs = installation.backup_dir / f"backup_safety_{stamp}.sql"
        theirs.write_text("-- somebody's")
        held.go_on()
        assert held.report["outcome"] == "failed"
    assert "is not overwritten" in held.report["error"]
    assert theirs.read_text() == "-- somebody's"


def test_a_file_that_is_gone_when_its_step_comes_is_made_anew(installation: Installation) -> None:
    with held_at(installation, "back_up_target.begin") as held:
        [stamp] = [record.stamp for record in installation.means(lock=False).journal.open_runs()]
        (installation.backup_dir / f"backup_safety_{stamp}.sql").unlink()
        held.go_on()
        assert held.report["outcome"] == "succeeded"
    assert BESIDE not in held.report["steps"][2]["summary"]
    assert (installation.backup_dir / f"backup_safety_{stamp}.sql").exists()


def test_a_large_target_is_backed_up_afterwards(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "SOON_BYTES", 0)
    assert BESIDE not in installation.copied()["steps"][2]["summary"]


def test_whoever_decides_about_the_target_after_it_is_not_overruled(installation: Installation) -> None:
    """The mark that counts is the one that was read when it was begun."""
    installation.on_source("UPDATE users SET display_name = 'x' WHERE id = 3")
    before = installation.fingerprint()
    with held_at(installation, "dump_source.end") as held:
        stewardship.adopt(installation.target_as_a_person(), now=datetime.now(UTC))
        held.go_on()
        assert held.report["outcome"] == "failed"
    assert "adopted" in held.report["error"]
    assert installation.fingerprint() == before
    assert installation.leftovers() == []


def test_who_waits_behind_it_at_the_same_server_is_not_taken_for_somebody_at_the_source(
    source_server: PostgresServer, valkey_server: ValkeyServer, tmp_path: Path
) -> None:
    holds = pg_dump_that(
        'sleep 5; real "$@";; *backup_safety*) sleep 4; real "$@"', kind="source_db_backup", folder=tmp_path
    )
    with installed(source_server, source_server, valkey_server, tmp_path / "home") as made:
        made.copied()
        with held_at(made, "dump_source.begin", PG_BIN_DIR=holds, FULL_RUNS="true", SOURCE_BLOCKED_S="1") as held:
            held.go_on()
            lock = "SELECT FROM pg_locks WHERE relation = 'public.users'::regclass AND granted"
            wait_until(lambda: ask(made.target, lock), "the safety backup's lock")
            made.on_target("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE; ROLLBACK")
            assert (held.report["outcome"], held.report["error"]) == ("succeeded", None)


def test_what_is_written_after_it_is_not_lost(installation: Installation) -> None:
    installation.on_source("UPDATE users SET display_name = 'x' WHERE id = 3")
    with held_at(installation, "dump_source.end") as held:
        installation.on_target("UPDATE users SET display_name = 'written by somebody' WHERE id = 4")
        held.go_on()
        assert held.report["outcome"] == "held"
    written = ask(installation.target, "SELECT count(*) FROM users WHERE display_name = 'written by somebody'")
    assert written == [(1,)]
