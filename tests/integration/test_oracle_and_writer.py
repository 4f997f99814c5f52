"""The oracle under a writer, for an owner without superuser, and for "nothing was touched"."""

from collections.abc import Callable
from pathlib import Path

import psycopg2
import pytest

from tests.conftest import execute
from tests.support import fidelity, oracle
from tests.support.writer import Writer
from worker.demo.servers import PostgresServer

NewDatabase = Callable[[PostgresServer, str], str]
ESCROW = Path(__file__).parents[2] / "worker" / "demo" / "escrow.sql"
TABLES = ("users", "escrows", "wallets", "transactions")
CHANGES = ESCROW.with_name("escrow_changes.sql")


@pytest.fixture
def source(source_server: PostgresServer, new_database: NewDatabase) -> str:
    """The demo's application."""
    dsn = source_server.dsn(new_database(source_server, "written"))
    execute(dsn, ESCROW.read_text())
    return dsn


def test_a_copy_is_judged_by_its_dump_while_the_source_is_written_to(
    source: str, target_server: PostgresServer, new_database: NewDatabase, tmp_path: Path
) -> None:
    copy = target_server.dsn(new_database(target_server, "copy"))
    path = tmp_path / "dump.sql"
    with Writer(source) as writer:
        path.write_text(oracle.dump(source, target_server.binaries, "--no-owner", "--no-privileges"))
        oracle.restore(path, copy, target_server.binaries)
        writer.wait_for(20)  # on a busy machine too few may have come after the dump to reach every table
    of_dump = oracle.of_dump(path, on=target_server.dsn())
    assert oracle.differences(of_dump, oracle.take(copy)) == []
    told = "\n".join(oracle.differences(oracle.take(source), oracle.take(copy)))
    for moved in ("users", "escrows", "wallets", "transactions"):
        assert f"rows of public.{moved}" in told
    assert "sequence public.escrow_numbers" in told
    assert writer.transactions > 5


def test_two_writers_after_each_other_do_not_hinder_each_other(source: str) -> None:
    for _ in range(2):
        with Writer(source):
            pass


def test_a_writer_that_failed_says_so_in_the_end(source: str) -> None:
    execute(source, "ALTER TABLE public.escrows RENAME TO deals")
    with pytest.raises(AssertionError, match="the writer failed after 1 transactions") as caught, Writer(source):
        pass
    assert isinstance(caught.value.__cause__, psycopg2.Error)


def test_what_an_owner_without_superuser_creates_can_be_copied(
    source_server: PostgresServer, target_server: PostgresServer, new_database: NewDatabase, tmp_path: Path
) -> None:
    name = new_database(source_server, "plain")
    execute(source_server.dsn(), f"CREATE ROLE {name}_owner LOGIN PASSWORD 'plain'")
    execute(source_server.dsn(), f"ALTER DATABASE {name} OWNER TO {name}_owner")
    fidelity.fill_plain(source_server.dsn(name, f"{name}_owner", "plain"))
    source, path = source_server.dsn(name), tmp_path / "dump.sql"
    path.write_text(oracle.dump(source, target_server.binaries, "--no-owner", "--no-privileges"))
    expected = oracle.as_restored(source, on=target_server.dsn())
    assert oracle.differences(expected, oracle.of_dump(path, on=target_server.dsn())) == []
    execute(source_server.dsn(), f"DROP DATABASE {name} WITH (FORCE)")
    execute(source_server.dsn(), f"DROP ROLE {name}_owner")


def test_the_demos_changes_are_those_that_its_comment_promises(source: str) -> None:
    rows = [oracle.take(source).content[f"rows of public.{name}"].split()[0] for name in TABLES]
    assert rows == ["57", "12", "45", "234"]
    execute(source, CHANGES.read_text())
    rows = [oracle.take(source).content[f"rows of public.{name}"].split()[0] for name in TABLES]
    assert rows == ["60", "13", "48", "240"]


@pytest.mark.parametrize(
    "touch",
    [
        "UPDATE public.users SET country = country",  # its trigger sets updated_at
        "GRANT SELECT ON public.users TO PUBLIC",
        "ALTER TABLE public.users OWNER TO pg_read_all_data",
        "REFRESH MATERIALIZED VIEW public.totals",
        "SELECT nextval('public.escrow_numbers')",
        "GRANT SELECT ON LARGE OBJECT 7 TO PUBLIC",
    ],
)
def test_a_fingerprint_is_the_same_only_while_nothing_was_touched(source: str, touch: str) -> None:
    execute(source, "CREATE MATERIALIZED VIEW public.totals AS SELECT count(*) FROM public.users")
    execute(source, "DELETE FROM audit.sign_ins; DELETE FROM public.users WHERE id = 57; SELECT lo_create(7)")
    before = oracle.fingerprint(source)
    assert oracle.fingerprint(source) == before
    execute(source, touch)
    assert oracle.fingerprint(source) != before


def test_unlogged_rows_can_be_left_out_since_a_crash_empties_them(source: str) -> None:
    execute(source, "CREATE UNLOGGED TABLE public.seen (id integer); INSERT INTO public.seen VALUES (1)")
    before = oracle.fingerprint(source, unlogged=False), oracle.fingerprint(source)
    execute(source, "TRUNCATE public.seen")
    assert oracle.fingerprint(source, unlogged=False) == before[0]
    assert oracle.fingerprint(source) != before[1]
