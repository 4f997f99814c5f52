"""Blocks of an earlier dump, and what they leave to psql."""

import hashlib
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tasks.engine.errors import DeadlineExceeded
from tasks.engine.rows.kept import BlockDamaged, KeptBlock, segments
from tasks.engine.rows.listing import LeftToPgDump, Listed, Listing

COPY = b"COPY public.t (id) FROM stdin;"


@pytest.fixture
def block(tmp_path: Path) -> KeptBlock:
    path = tmp_path / "last.sql"
    path.write_bytes(b"before 1\n2\n behind")
    return KeptBlock(file=path, begin=7, end=11, sha256=hashlib.sha256(COPY + b"\n1\n2\n").hexdigest())


def test_its_data_is_written_as_far_as_it_is_there(block: KeptBlock) -> None:
    out = io.BytesIO()
    assert block.write(out) == 4
    assert replace(block, end=99).write(out) == 11
    assert replace(block, begin=99, end=103).write(out) == 0
    assert out.getvalue() == b"1\n2\n1\n2\n behind"


def test_its_data_is_read(block: KeptBlock) -> None:
    assert b"".join(block.data(COPY)) == b"1\n2\n"


@pytest.mark.parametrize("other", [{"end": 10}, {"begin": 99, "end": 103}, {"sha256": ""}], ids=str)
def test_another_text_or_place_is_damage(block: KeptBlock, other: dict[str, Any]) -> None:
    with pytest.raises(BlockDamaged, match=r"last\.sql was changed or damaged"):
        list(replace(block, **other).data(COPY))


def test_a_file_that_cannot_be_read_is_left_to_pg_dump(block: KeptBlock) -> None:
    block.file.unlink()
    with pytest.raises(LeftToPgDump, match=r"last\.sql cannot be read \(No such file or directory\)"):
        block.write(io.BytesIO())
    with pytest.raises(BlockDamaged, match=r"last\.sql cannot be read \(No such file or directory\)"):
        list(block.data(COPY))


def test_a_full_disk_and_a_limit_are_not(block: KeptBlock, tmp_path: Path) -> None:
    def over() -> None:
        raise DeadlineExceeded("too late")

    with pytest.raises(DeadlineExceeded), (tmp_path / "new.sql").open("wb") as out:
        block.write(out, check=over)
    with pytest.raises(OSError, match="No space left"), open("/dev/full", "wb", buffering=0) as full:  # noqa: PTH123
        block.write(full)


@pytest.mark.parametrize(
    ("kept", "found"),
    [
        ("", [("abc", "")]),
        ("a", [("", "a"), ("bc", "")]),
        ("b", [("a", "b"), ("c", "")]),
        ("bc", [("a", "bc"), ("", "")]),
        ("abc", [("", "abc"), ("", "")]),
        ("ac", [("", "a"), ("b", "c"), ("", "")]),
    ],
)
def test_the_tables_keep_their_order(block: KeptBlock, kept: str, found: list[tuple[str, str]]) -> None:
    tables = tuple(Listed(schema=b"s", name=name.encode(), owner=b"o", quoted=b"s." + name.encode()) for name in "abc")
    listing = Listing(tables=tables, sequences=(), views=(), created=frozenset())
    parts = segments(listing, {(b"s", name.encode()): block for name in kept})
    names = [tuple("".join(t.name.decode() for t in some) for some in (part.tables, part.kept)) for part in parts]
    assert names == found
