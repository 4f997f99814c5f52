"""A dump that is examined while it is written: what is found is what is found of the file afterwards."""

import threading
from collections.abc import Iterator
from concurrent.futures import wait
from pathlib import Path

import pytest

from tasks.engine import dumpfile_source
from tasks.engine.dumpfile import inspect_dump
from tasks.engine.errors import DumpRefused
from tasks.engine.growing import GivenUp, examined_meanwhile
from tests.unit.tasks.engine.dumpfile_texts import HEADER, PREAMBLE, TRAILER

ROWS = b"COPY public.t (a, b) FROM stdin;\n" + b"1\tone\n2\ttwo\n" * 20_000 + b"\\.\n"
TEXT = HEADER + PREAMBLE + ROWS + TRAILER


@pytest.fixture
def part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(dumpfile_source, "BLOCK_BYTES", 16384)
    path = tmp_path / "source_db_backup_20250101_060000.sql.part"
    path.touch()
    yield path
    assert not [thread for thread in threading.enumerate() if thread.name == "examining"]


@pytest.mark.parametrize("piece", [1000, 16384, 50_000, len(TEXT)])
def test_it_finds_what_stands_in_the_file_however_it_came_there(part: Path, piece: int) -> None:
    with examined_meanwhile(part) as examination, part.open("wb", buffering=0) as file:
        for begin in range(0, len(TEXT), piece):
            file.write(TEXT[begin : begin + piece])
    assert examination.facts.result() == inspect_dump(part)
    assert examination.done == len(TEXT)


def test_it_reads_on_while_more_is_to_come(part: Path) -> None:
    half = len(TEXT) // 2
    far = threading.Event()
    with examined_meanwhile(part) as examination, part.open("wb", buffering=0) as file:
        examination.tell(lambda done: far.set() if done > half - 16384 else None)
        file.write(TEXT[:half])
        assert far.wait(10)
        assert not examination.facts.done()
        file.write(TEXT[half:])
    assert examination.facts.result().size_bytes == len(TEXT)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "is empty"),
        (TEXT[:-60], "is cut off"),
        (TEXT[: len(TEXT) // 2], "is cut off"),
        (TEXT + b"SELECT 1;\n", "a tail that is not pg_dump's"),
        (TEXT.replace(b"1\tone", b"1", 1), "a row has 1 columns"),
    ],
)
def test_what_must_not_be_loaded_is_refused_as_a_whole_file_is(part: Path, text: bytes, told: str) -> None:
    with examined_meanwhile(part) as examination:
        part.write_bytes(text)
    with pytest.raises(DumpRefused, match=told):
        examination.facts.result()


def test_when_the_writing_fails_nobody_reads_on(part: Path) -> None:
    examinations = []

    def write() -> None:
        with examined_meanwhile(part) as examination:
            examinations.append(examination)
            part.write_bytes(TEXT[:-20])
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        write()
    [examination] = examinations
    assert isinstance(examination.facts.exception(), GivenUp)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with examined_meanwhile(tmp_path / "nothing.sql.part") as examination:
        wait([examination.facts])
    with pytest.raises(FileNotFoundError):
        examination.facts.result()
