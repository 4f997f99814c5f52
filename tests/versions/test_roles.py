"""Roles as people have them: owners that are no superusers, readers that may not read all, few connections."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg2
import pytest

from tests.support import fidelity, oracle
from tests.support.installation import Installation, Roles, installed, tell
from tests.support.majors import FOLDER, binaries_of
from tests.versions.playing import Stage, open_stage
from worker.demo.servers import PostgresServer, ValkeyServer

_TABLE_UNDER_A_POLICY = """
    CREATE TABLE public.secrets (id integer, owner text);
    INSERT INTO public.secrets VALUES (1, 'ann'), (2, 'bob');
    ALTER TABLE public.secrets ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own_ones ON public.secrets USING (owner = current_user);
"""


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with open_stage() as found:
        yield found


@pytest.fixture
def installation(
    source_server: PostgresServer, target_server: PostgresServer, valkey_server: ValkeyServer, tmp_path: Path
) -> Iterator[Installation]:
    """One role may read the source, the other owns the target."""
    with installed(source_server, target_server, valkey_server, tmp_path, own_roles=True) as found:
        yield found


def roles_of(installation: Installation) -> Roles:
    assert installation.roles is not None
    return installation.roles


def let_the_role_own_the_source(installation: Installation) -> None:
    """As at Neon: owner of database and tables, with CREATEDB, CREATEROLE and BYPASSRLS, no superuser."""
    name = roles_of(installation).name
    admin = installation.source_server.dsn()
    tell(admin, f"REVOKE pg_read_all_data FROM {name}; ALTER ROLE {name} CREATEDB CREATEROLE BYPASSRLS")
    tell(admin, f"ALTER DATABASE {installation.source_name} OWNER TO {name}")
    if installation.source_server.binaries.major < 15:  # where public belongs to the superuser
        installation.on_source(f"ALTER SCHEMA public OWNER TO {name}")


@pytest.mark.parametrize("major", [14, pytest.param(18, marks=pytest.mark.long)])
def test_owners_without_superuser_copy_all_that_they_may_make_with_createdb_and_without(
    stage: Stage, tmp_path: Path, major: int
) -> None:
    source, target = stage.server("source", major), stage.server("target", major)
    with installed(
        source,
        target,
        stage.valkey,
        tmp_path,
        own_roles=True,
        application=False,
        PG_BIN_DIR=str(FOLDER),
        FULL_RUNS="true",
    ) as found:
        roles = roles_of(found)
        let_the_role_own_the_source(found)
        owner = source.dsn(found.source_name, roles.name, roles.reader_password)
        fidelity.fill_plain(owner)
        tell(owner, f"{_TABLE_UNDER_A_POLICY}; ALTER TABLE public.secrets FORCE ROW LEVEL SECURITY")
        tell(target.dsn(), f"ALTER ROLE {roles.name} BYPASSRLS")
        binaries = binaries_of(max(major, 15))
        expected = oracle.as_restored(found.source, on=target.dsn(), binaries=binaries)
        for rights, method in (("CREATEDB", "swap"), ("NOCREATEDB", "in_place")):
            tell(target.dsn(), f"ALTER ROLE {roles.name} {rights}")
            if major < 15:  # the copy's public, as that of each new database there, is the superuser's
                found.on_target(f"ALTER SCHEMA public OWNER TO {roles.name}")
            report = found.run_here()
            assert (report["outcome"], report["error"], report["method"]) == ("succeeded", None, method)
            assert oracle.differences(expected, oracle.take(found.target, binaries=binaries)) == []
            assert found.leftovers() == []


def test_before_15_public_is_not_the_database_owners_and_without_createdb_he_is_told_what_he_needs(
    stage: Stage, tmp_path: Path
) -> None:
    source, target = stage.server("source", 14), stage.server("target", 14)
    with installed(source, target, stage.valkey, tmp_path, own_roles=True, PG_BIN_DIR=str(FOLDER)) as found:
        name = roles_of(found).name
        tell(target.dsn(), f"ALTER ROLE {name} NOCREATEDB")
        report = found.run_here()
        assert report["outcome"] == "failed"
        assert [step["name"] for step in report["steps"]] == ["verify_connections"]
        advice = f"ALTER SCHEMA public OWNER TO {name}"
        assert f"{advice}, or ALTER ROLE {name} CREATEDB" in report["error"]
        found.on_target(advice)
        for _ in range(2):
            report = found.run_here()
            assert (report["outcome"], report["error"], report["method"]) == ("succeeded", None, "in_place")
        assert found.differences() == []


def test_a_source_role_that_cannot_read_one_table_is_refused_with_its_name(installation: Installation) -> None:
    name = roles_of(installation).name
    tell(installation.source_server.dsn(), f"REVOKE pg_read_all_data FROM {name}")
    installation.on_source(
        f"GRANT USAGE ON SCHEMA public, audit TO {name}; GRANT SELECT ON ALL TABLES IN SCHEMA public, audit TO {name}; "
        f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA public, audit TO {name}; REVOKE SELECT ON public.wallets FROM {name}"
    )
    before = installation.fingerprint()
    report = installation.run_here()
    assert report["outcome"] == "failed"
    assert f"the role {name} may not read public.wallets; as their owner: GRANT SELECT ON" in report["error"]
    assert installation.fingerprint() == before
    assert installation.leftovers() == []
    typed = report["error"].partition("as their owner: ")[2].partition(" (or ")[0]
    installation.on_source(typed)
    assert installation.run_here()["outcome"] == "succeeded"


def test_a_source_role_under_a_policy_is_refused_with_the_tables_name_until_it_has_bypassrls(
    installation: Installation,
) -> None:
    installation.on_source(_TABLE_UNDER_A_POLICY)
    before = installation.fingerprint()
    report = installation.run_here()
    assert report["outcome"] == "failed"
    assert "would hide rows of public.secrets" in report["error"]
    assert installation.fingerprint() == before
    tell(installation.source_server.dsn(), f"ALTER ROLE {roles_of(installation).name} BYPASSRLS")
    assert installation.run_here()["outcome"] == "succeeded"
    assert installation.differences() == []


def test_an_owner_of_the_target_who_could_not_read_his_copy_is_told_what_he_needs(installation: Installation) -> None:
    """A policy that is forced upon owners hides rows from the proof, too."""
    assert installation.run_here()["outcome"] == "succeeded"
    bypass = f"ALTER ROLE {roles_of(installation).name} BYPASSRLS"
    tell(installation.source_server.dsn(), bypass)
    installation.on_source(f"{_TABLE_UNDER_A_POLICY}; ALTER TABLE public.secrets FORCE ROW LEVEL SECURITY")
    before = installation.fingerprint()
    report = installation.run_here()
    assert report["outcome"] == "rolled_back"
    assert "would hide rows of public.secrets" in report["error"]
    assert bypass in report["error"]
    assert installation.fingerprint() == before
    tell(installation.target_server.dsn(), bypass)
    assert installation.run_here()["outcome"] == "succeeded"
    assert installation.differences() == []


@pytest.fixture(scope="module")
def small_server(stage: Stage) -> Iterator[PostgresServer]:
    """For eight connections, three of which are kept for superusers."""
    server = PostgresServer(stage.root / "small", binaries_of(18), settings={"max_connections": "8"}).create().start()
    yield server
    server.remove()


def occupy(installation: Installation, count: int) -> ExitStack:
    """An application that keeps so many connections to the target, as its owner."""
    roles, ends = roles_of(installation), ExitStack()
    dsn = installation.target_server.dsn(installation.target_name, roles.name, roles.owner_password)
    for _ in range(count):
        ends.enter_context(closing(psycopg2.connect(dsn)))
    return ends


@pytest.mark.parametrize("method", ["swap", "in_place"])
def test_a_target_with_eight_connections_is_enough_beside_an_application(
    source_server: PostgresServer,
    small_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path: Path,
    method: str,
) -> None:
    with installed(
        *(source_server, small_server, valkey_server, tmp_path),
        own_roles=True, PG_BIN_DIR=str(FOLDER), RESTORE_METHOD=method, FULL_RUNS="true",
    ) as found:  # fmt: skip
        assert found.run_here()["outcome"] == "succeeded"
        with occupy(found, 2):
            report = found.run_here()
        assert (report["outcome"], report["error"]) == ("succeeded", None)
        assert found.differences() == []
        assert found.leftovers() == []


def test_a_target_without_a_free_connection_is_told_as_such(
    source_server: PostgresServer, small_server: PostgresServer, valkey_server: ValkeyServer, tmp_path: Path
) -> None:
    with installed(
        source_server, small_server, valkey_server, tmp_path, own_roles=True, PG_BIN_DIR=str(FOLDER)
    ) as found:
        with occupy(found, 5):
            report = found.run_here()
        assert report["outcome"] == "failed"
        assert "the target (127.0.0.1, database" in report["error"]
        assert "remaining connection slots are reserved" in report["error"]
        assert found.run_here()["outcome"] == "succeeded"


def test_an_extension_that_the_target_lacks_is_named_before_anything_is_dumped(stage: Stage, tmp_path: Path) -> None:
    """PostgreSQL 17 removed adminpack."""
    source, target = stage.server("source", 14), stage.server("target", 18)
    with installed(source, target, stage.valkey, tmp_path, PG_BIN_DIR=str(FOLDER)) as found:
        found.on_source("CREATE EXTENSION adminpack; CREATE EXTENSION citext")
        report = found.run_here()
        assert report["outcome"] == "failed"
        assert "the source uses the extension adminpack, which the target" in report["error"]
        assert [step["name"] for step in report["steps"]] == ["verify_connections"]
        assert found.leftovers() == []
        found.on_source("DROP EXTENSION adminpack")
        assert found.run_here()["outcome"] == "succeeded"
