"""The pg_dump that fits a server."""

from pathlib import Path

import pytest

from tasks.engine.clients import choose_client, find_clients
from tasks.engine.errors import NoClient


def install(folder: Path, version: str) -> Path:
    """A pg_dump that only knows its version."""
    folder.mkdir(parents=True)
    program = folder / "pg_dump"
    program.write_text(f"#!/bin/sh\necho 'pg_dump (PostgreSQL) {version}'\n")
    program.chmod(0o755)
    return folder


def test_a_client_older_than_the_server_is_refused_with_what_to_install(tmp_path: Path) -> None:
    bin_dir = install(tmp_path / "bin", "15.18 (Debian 15.18-0+deb12u1)")
    with pytest.raises(NoClient, match=r"PostgreSQL 17.*found: 15\.18.*postgresql-client-17"):
        choose_client(17, bin_dir=bin_dir, what="source")


@pytest.mark.parametrize("server", [14, 15])
def test_a_client_as_new_or_newer_is_taken(tmp_path: Path, server: int) -> None:
    bin_dir = install(tmp_path / "bin", "15.18")
    assert choose_client(server, bin_dir=bin_dir, what="source").major == 15


def test_the_folder_that_the_operator_names_is_the_only_one(tmp_path: Path) -> None:
    bin_dir = install(tmp_path / "bin", "18.1")
    assert [client.path.parent for client in find_clients(bin_dir)] == [bin_dir]


def test_the_folder_may_hold_one_for_each_major_and_the_nearest_is_taken(tmp_path: Path) -> None:
    for major in (15, 16, 18):
        install(tmp_path / str(major) / "bin", f"{major}.1")
    assert [choose_client(major, bin_dir=tmp_path, what="source").major for major in (14, 16, 17)] == [15, 16, 18]


def test_for_the_schema_alone_one_is_preferred_that_asks_few_questions(tmp_path: Path) -> None:
    for major in (14, 15, 16, 17):
        install(tmp_path / str(major) / "bin", f"{major}.1")
    chosen = [choose_client(major, bin_dir=tmp_path, what="source", schema_only=True).major for major in (14, 16, 17)]
    assert chosen == [15, 16, 17]
    for major in (18, 19):
        install(tmp_path / str(major) / "bin", f"{major}.1")
    assert choose_client(14, bin_dir=tmp_path, what="source", schema_only=True).major == 18
    assert choose_client(14, bin_dir=tmp_path, what="source").major == 15
    psql = tmp_path / "17" / "bin" / "psql"
    psql.write_text("#!/bin/sh\n")
    psql.chmod(0o755)
    assert choose_client(14, bin_dir=tmp_path, what="source", schema_only=True).major == 17  # who would write the rows?


def test_pg_dump_14_leaves_things_out_and_is_taken_only_where_there_is_no_newer_one(tmp_path: Path) -> None:
    install(tmp_path / "14" / "bin", "14.23")
    assert choose_client(14, bin_dir=tmp_path, what="source").major == 14
    install(tmp_path / "18" / "bin", "18.6")
    assert choose_client(14, bin_dir=tmp_path, what="source").major == 18


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(NoClient, match=r"PG_BIN_DIR .*found: none"):
        choose_client(15, bin_dir=tmp_path, what="target")


def test_a_program_that_does_not_start_is_no_client(tmp_path: Path) -> None:
    (tmp_path / "pg_dump").write_text("not a program")
    assert find_clients(tmp_path) == []
