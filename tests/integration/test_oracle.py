"""The oracle: equal for every correct copy of the fidelity database, unequal as soon as one thing differs."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import execute
from tests.support import fidelity, oracle
from tests.support.mutations import MUTATIONS, Mutation
from worker.demo.servers import PostgresServer

NewDatabase = Callable[[PostgresServer, str], str]


@pytest.fixture(scope="module")
def source(source_server: PostgresServer) -> Iterator[str]:
    """The fidelity database."""
    execute(source_server.dsn(), "CREATE DATABASE oracle_source TEMPLATE template0")
    fidelity.fill(source_server.dsn("oracle_source"))
    yield source_server.dsn("oracle_source")
    execute(source_server.dsn(), "DROP DATABASE oracle_source WITH (FORCE)")


@pytest.fixture(scope="module")
def expected(source: str, target_server: PostgresServer) -> oracle.Snapshot:
    return oracle.as_restored(source, on=target_server.dsn())


@pytest.fixture(scope="module")
def correct_copy(source: str, target_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    execute(target_server.dsn(), "CREATE DATABASE oracle_copy TEMPLATE template0")
    _copy(source, target_server.dsn("oracle_copy"), target_server, tmp_path_factory.mktemp("oracle"))
    yield target_server.dsn("oracle_copy")
    execute(target_server.dsn(), "DROP DATABASE oracle_copy WITH (FORCE)")


def _copy(source: str, copy: str, server: PostgresServer, folder: Path) -> None:
    path = folder / "dump.sql"
    path.write_text(oracle.dump(source, server.binaries, "--no-owner", "--no-privileges"))
    oracle.restore(path, copy, server.binaries)


def test_a_copy_of_a_copy_of_a_copy_is_equal_to_the_fidelity_database(
    expected: oracle.Snapshot,
    correct_copy: str,
    target_server: PostgresServer,
    new_database: NewDatabase,
    tmp_path: Path,
) -> None:
    assert oracle.differences(expected, oracle.take(correct_copy)) == []
    before = correct_copy
    for generation in ("second", "third"):
        copy = target_server.dsn(new_database(target_server, generation))
        _copy(before, copy, target_server, tmp_path)
        assert oracle.differences(expected, oracle.take(copy)) == []
        before = copy


def test_the_fidelity_database_holds_what_a_correct_restore_spells_otherwise(
    source: str, expected: oracle.Snapshot
) -> None:
    """If these were equal, the fidelity database could not find a false alarm of the engine's."""
    told = _about(oracle.differences(expected, oracle.take(source)))
    assert {
        "schema: adopted; Type: TABLE; Schema: logic; Owner: -",
        "schema: checked; Type: TABLE; Schema: logic; Owner: -",
        "schema: partial; Type: INDEX; Schema: logic; Owner: -",
        "schema: secured known_status; Type: POLICY; Schema: logic; Owner: -",
        "schema: simple_view; Type: VIEW; Schema: logic; Owner: -",
    } <= told


def _about(differences: list[str]) -> set[str]:
    """What the lines are about, without what is the matter with it."""
    return {line.partition(" should ")[0].removesuffix(" is missing") for line in differences}


@pytest.fixture(scope="module")
def told(expected: oracle.Snapshot, correct_copy: str, target_server: PostgresServer) -> Iterator[set[str]]:
    """What the oracle says of a copy to which all mutations were done."""
    assert "oracle_copy" in correct_copy
    execute(target_server.dsn(), "CREATE DATABASE oracle_mutant TEMPLATE oracle_copy")
    mutant = target_server.dsn("oracle_mutant")
    for mutation in MUTATIONS:
        execute(mutant, mutation.statement)
    yield _about(oracle.differences(expected, oracle.take(mutant)))
    execute(target_server.dsn(), "DROP DATABASE oracle_mutant WITH (FORCE)")


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.what)
def test_one_changed_thing_is_noticed(mutation: Mutation, told: set[str]) -> None:
    assert told.issuperset(mutation.noticed)


def test_nothing_is_told_of_what_did_not_change(told: set[str]) -> None:
    assert told == {line for mutation in MUTATIONS for line in mutation.noticed}
