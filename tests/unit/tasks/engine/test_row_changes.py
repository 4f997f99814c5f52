"""Two blocks of rows read side by side."""

import itertools
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.engine.row_changes import RowChanges, row_changes

_LINES = st.lists(st.integers(0, 150), unique=True, max_size=60).map(lambda found: [b"%d" % n * (n > 0) for n in found])


def pieces(lines: list[bytes], size: int) -> Iterator[bytes]:
    data = b"".join(line + b"\n" for line in lines)
    return (data[at : at + size] for at in range(0, len(data), size))


@given(old=_LINES, new=_LINES, shared=_LINES, sizes=st.tuples(*[st.integers(1, 40)] * 2))
def test_what_stands_in_one_alone_is_found(
    old: list[bytes], new: list[bytes], shared: list[bytes], sizes: tuple[int, int]
) -> None:
    before = list(dict.fromkeys([*old, *shared]))
    now = list(dict.fromkeys([*shared[::-1], *new]))
    assert row_changes(pieces(before, sizes[0]), pieces(now, sizes[1])) == RowChanges(
        gone=sorted({*before} - {*now}), come=sorted({*now} - {*before})
    )


def test_equal_blocks_have_no_changes() -> None:
    assert row_changes([b"1\n2", b"\n"], [b"1\n", b"2\n"]) == RowChanges(gone=[], come=[])


@pytest.mark.parametrize("most", [100, 5_000])
def test_no_more_is_held_than_is_allowed(most: int) -> None:
    old, new = ([b"%d\n" % (first + number) for number in range(100)] for first in (0, 1000))
    assert row_changes(old, new, most_bytes=most) is None
    assert row_changes(old, [], most_bytes=most) is None
    assert row_changes([], new, most_bytes=most) is None


@pytest.mark.parametrize("place", [0, 1])
def test_nor_of_one_line(place: int) -> None:
    endless = itertools.repeat(b"x" * 1000)
    sides: list[Iterable[bytes]] = [[b"1\n"], endless] if place else [endless, [b"1\n"]]
    assert row_changes(*sides, most_bytes=5_000) is None


def test_rows_that_stand_elsewhere_are_held_until_they_are_met() -> None:
    lines = [b"%d" % number for number in range(1000)]
    moved = [*lines[1:], lines[0]]
    assert row_changes(pieces(lines, 50), pieces(moved, 50), most_bytes=5_000) == RowChanges(gone=[], come=[])
    assert row_changes(pieces(lines, 50), pieces(lines[::-1], 50), most_bytes=5_000) is None
