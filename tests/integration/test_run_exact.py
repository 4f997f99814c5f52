"""Exactness: under a writer, and for a database with everything that pg_dump can carry, judged by the oracle."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import fidelity, oracle
from tests.support.installation import Installation, installed
from tests.support.writer import Writer
from worker.demo.servers import PostgresServer, ValkeyServer


@pytest.fixture
def installation(
    source_server: PostgresServer, target_server: PostgresServer, valkey_server: ValkeyServer, tmp_path: Path
) -> Iterator[Installation]:
    with installed(source_server, target_server, valkey_server, tmp_path) as found:
        yield found


def demand_what_was_dumped(installation: Installation, stamp: str) -> None:
    """The copy is what psql makes of the run's own dump: the source may have moved on since."""
    dump = installation.backup_dir / f"source_db_backup_{stamp}.sql"
    expected = oracle.of_dump(dump, on=installation.target_server.dsn())
    assert oracle.differences(expected, oracle.take(installation.target)) == []


@pytest.mark.parametrize("runs", [2, pytest.param(10, marks=pytest.mark.long)])
def test_while_somebody_writes_to_the_source_runs_in_a_row_are_equal(installation: Installation, runs: int) -> None:
    dumped: list[int] = []
    with Writer(installation.source) as writer:
        for number in range(runs):
            before = writer.transactions
            report = installation.run_here(RESTORE_METHOD=("swap", "in_place")[number % 2])
            assert (report["outcome"], report["error"]) == ("succeeded", None)
            assert report["backup_stats"] == report["source_stats"]
            assert writer.transactions > before, "nobody wrote during this run"
            dumped.append(report["source_stats"]["users"])
            if number in {0, runs - 1}:
                demand_what_was_dumped(installation, report["stamp"])
    assert dumped == sorted(set(dumped)), "each copy is newer than the one before"
    assert oracle.differences(oracle.take(installation.source), oracle.take(installation.target)) != []


@pytest.mark.parametrize("in_a_row", [1, pytest.param(3, marks=pytest.mark.long)])
def test_everything_that_pg_dump_carries_is_copied_again_and_again_into_the_same_target(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path: Path,
    in_a_row: int,
) -> None:
    """With each method, and each after the other: what one leaves does not disturb the next."""
    with installed(source_server, target_server, valkey_server, tmp_path, application=False) as installation:
        fidelity.fill(installation.source)
        before = oracle.fingerprint(installation.source)
        expected = oracle.as_restored(installation.source, on=target_server.dsn())
        for method in ["swap"] * in_a_row + ["in_place"] * in_a_row:
            report = installation.run_here(RESTORE_METHOD=method)
            assert (report["outcome"], report["error"]) == ("succeeded", None)
            assert oracle.differences(expected, oracle.take(installation.target)) == []
            assert installation.leftovers() == []
        assert oracle.fingerprint(installation.source) == before, "the source was written to"


def test_a_small_database_below_the_floor_passes_with_a_warning(installation: Installation) -> None:
    """Complete, and every row of the manifest is in it."""
    installation.on_source("DROP SCHEMA public CASCADE; DROP SCHEMA audit CASCADE; CREATE SCHEMA public")
    installation.on_source("CREATE TABLE public.users (id integer); INSERT INTO public.users VALUES (1), (2)")
    report = installation.run_here()
    assert (report["outcome"], report["success"]) == ("succeeded", True)
    assert report["source_stats"] == {"users": 2, "escrows": None, "wallets": None, "transactions": None}
    assert any("MIN_DUMP_BYTES is 10240" in warning for warning in report["warnings"])
    assert any("the table escrows does not exist" in warning for warning in report["warnings"])
    assert installation.differences() == []


def test_an_empty_source_into_an_empty_target_is_a_copy_too(installation: Installation) -> None:
    installation.on_source("DROP SCHEMA public CASCADE; DROP SCHEMA audit CASCADE")
    report = installation.run_here()
    assert (report["outcome"], report["error"]) == ("succeeded", None)
    assert installation.differences() == []
