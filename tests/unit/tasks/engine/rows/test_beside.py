"""Two programs that write one dump, played by shell scripts."""

import errno
import io
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import pytest

from tasks.engine.errors import ToolFailed
from tasks.engine.rows.beside import Programs, psql_begun, write_joined
from tasks.engine.rows.listing import LeftToPgDump, Listing
from tasks.engine.watch import Watch

SCHEMA = "--\n-- PostgreSQL database dump\n--\n\n"
REST = "--\n-- PostgreSQL database dump complete\n--\n\n"
NOTHING = Listing(tables=(), sequences=(), views=(), created=frozenset())


def joined(
    folder: Path,
    *,
    pg_dump: str,
    psql: str,
    into: io.BufferedWriter,
    mark: bytes = b"",
    between: Sequence[Callable[[BinaryIO], int]] = (),
) -> None:
    for name, does in (("pg_dump", pg_dump), ("psql", psql)):
        (folder / name).write_text(f"#!/bin/sh\n{does}\n")
        (folder / name).chmod(0o755)
    with tempfile.TemporaryFile() as script, Watch("a dump", 60) as watch:
        programs = Programs(
            pg_dump=[str(folder / "pg_dump")],
            script=script,
            env={"PATH": os.environ["PATH"]},
        )
        with psql_begun(folder / "psql", env=programs.env, watch=watch) as begun:
            write_joined(
                programs,
                begun,
                NOTHING,
                into,
                server_major=17,
                progress=lambda _: None,
                mark=mark,
                between=between,
            )


def test_the_rows_stand_where_they_belong_whoever_is_faster(tmp_path: Path) -> None:
    for number, (first, second) in enumerate([("sleep 0.2;", ""), ("", "sleep 0.2;")]):
        path = tmp_path / f"{number}.sql"
        with path.open("wb") as out:
            joined(tmp_path, pg_dump=f"{first} printf %s '{SCHEMA}{REST}'", psql=f"{second} echo rows", into=out)
        assert path.read_text() == f"{SCHEMA}rows\n{REST}"


def test_a_full_disk_ends_both(tmp_path: Path) -> None:
    mark = tmp_path / "went on"
    with pytest.raises(OSError) as caught, open("/dev/full", "wb", buffering=0) as out:  # noqa: PTH123, PT011
        joined(
            tmp_path,
            pg_dump=f"printf %s '{SCHEMA}{REST}'",
            psql=f"echo rows; sleep 30; touch '{mark}'",
            into=io.BufferedWriter(out),
        )
    assert caught.value.errno == errno.ENOSPC
    assert not mark.exists()


def test_the_failure_of_one_ends_the_other(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        with pytest.raises(ToolFailed, match="pg_dump ended with exit status 7"):
            joined(tmp_path, pg_dump="sleep 0.2; exit 7", psql="sleep 30", into=out)
        with pytest.raises(ToolFailed, match="psql ended with exit status 7"):
            joined(tmp_path, pg_dump="sleep 30", psql="echo rows; exit 7", into=out)
        with pytest.raises(LeftToPgDump, match="psql ended with exit status 7"):
            joined(tmp_path, pg_dump="sleep 30", psql="exit 7", into=out)


@pytest.mark.parametrize("ends", [True, False])
def test_what_stands_between_the_rows_takes_the_place_of_the_marks(tmp_path: Path, *, ends: bool) -> None:
    """However the output is cut into pieces."""
    mark = "m" * 64
    psql = f"printf one; sleep 0.1; printf '\\n{mark[:40]}'; sleep 0.1; printf '{mark[40:]}\\n{mark}\\ntwo\\n'"
    behind = f"{mark}\nthree\n" if ends else ""
    path = tmp_path / "out"
    with path.open("wb") as out:
        joined(
            tmp_path,
            pg_dump=f"printf %s '{SCHEMA}{REST}'",
            psql=f"{psql}; printf %s '{behind}'",
            into=out,
            mark=mark.encode(),
            between=[lambda to: to.write(b"1\n"), lambda to: to.write(b"2\n"), lambda to: to.write(b"3\n")][: 2 + ends],
        )
    third = "3\nthree\n" if ends else ""
    assert path.read_text() == f"{SCHEMA}one\n1\n2\ntwo\n{third}{REST}"


def test_a_program_that_fails_before_a_mark_is_the_error(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out, pytest.raises(ToolFailed, match="psql ended with exit status 7"):
        joined(
            tmp_path,
            pg_dump=f"printf %s '{SCHEMA}{REST}'",
            psql="echo rows; exit 7",
            into=out,
            mark=b"mark",
            between=[lambda to: to.write(b"never")],
        )
    assert b"never" not in (tmp_path / "out").read_bytes()
