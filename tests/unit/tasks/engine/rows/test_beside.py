"""Two programs that write one dump, played by shell scripts."""

import errno
import io
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import pytest

from tasks.engine.errors import BackupError, ToolFailed
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
    does: bytes = b"",
    mark: bytes = b"",
    between: Sequence[Callable[[BinaryIO], int]] = (),
) -> None:
    for name, text in (("pg_dump", pg_dump), ("psql", psql)):
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    with tempfile.TemporaryFile() as script, Watch("a dump", 60) as watch:
        script.write(does)
        script.seek(0)
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


@pytest.mark.timeout(20)
def test_psql_is_given_all_that_it_is_to_do_and_need_not_read_it(tmp_path: Path) -> None:
    long = b"a line that says what is to be done\n" * 100_000
    path = tmp_path / "out"
    for psql, rows in (("cat", long), ("echo rows; head -c 10 > /dev/null", b"rows\n")):
        with path.open("wb") as out:
            joined(tmp_path, pg_dump=f"printf %s '{SCHEMA}{REST}'", psql=psql, does=long, into=out)
        assert path.read_bytes() == SCHEMA.encode() + rows + REST.encode()


@pytest.mark.timeout(20)
@pytest.mark.parametrize("psql", ["sleep 30; touch went_on", "read line; touch went_on", "exit 7"])
def test_psql_that_was_begun_and_gets_nothing_to_do_is_ended(tmp_path: Path, psql: str) -> None:
    (tmp_path / "psql").write_text(f"#!/bin/sh\ncd {tmp_path}\n{psql}\n")
    (tmp_path / "psql").chmod(0o755)
    with Watch("a dump", 60) as watch:
        with psql_begun(tmp_path / "psql", env={"PATH": os.environ["PATH"]}, watch=watch) as begun:
            pass
        assert isinstance(begun.ended.exception(0), BackupError)
        watch.check()  # the step goes on
    assert not (tmp_path / "went_on").exists()


@pytest.mark.timeout(20)
def test_a_step_that_ends_ends_psql(tmp_path: Path) -> None:
    (tmp_path / "psql").write_text("#!/bin/sh\nsleep 30\n")
    (tmp_path / "psql").chmod(0o755)
    watch = Watch("a dump", 60)
    with psql_begun(tmp_path / "psql", env={"PATH": os.environ["PATH"]}, watch=watch) as begun:
        watch.fail(BackupError("the run is lost"))
        assert "the run is lost" in str(begun.ended.exception(10))
