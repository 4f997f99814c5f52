"""Two blocks of rows read side by side."""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import gettempdir

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.engine import row_changes as module
from tasks.engine.row_changes import row_changes

Found = tuple[list[bytes], list[bytes]]

_LINES = st.lists(st.integers(0, 150), unique=True, max_size=60).map(lambda found: [b"%d" % n * (n > 0) for n in found])


def pieces(lines: list[bytes], size: int) -> Iterator[bytes]:
    data = b"".join(line + b"\n" for line in lines)
    return (data[at : at + size] for at in range(0, len(data), size))


def found(old: Iterable[bytes], new: Iterable[bytes], most_bytes: int = 1 << 20) -> Found | None:
    """What is gone and what has come."""
    with row_changes(old, new, directory=Path(gettempdir()), most_bytes=most_bytes) as changes:
        if changes is None:
            return None
        for lines in (changes.gone, changes.come):
            assert b"".join(lines.pieces()) == b"".join(line + b"\n" for line in lines)
            assert lines.count == len([*lines])
        return [*changes.gone], [*changes.come]


@given(old=_LINES, new=_LINES, shared=_LINES, sizes=st.tuples(*[st.integers(1, 40)] * 2), in_memory=st.booleans())
def test_what_stands_in_one_alone_is_found(
    old: list[bytes], new: list[bytes], shared: list[bytes], sizes: tuple[int, int], in_memory: bool
) -> None:
    before = list(dict.fromkeys([*old, *shared]))
    now = list(dict.fromkeys([*shared[::-1], *new]))
    with pytest.MonkeyPatch.context() as patch:
        if not in_memory:
            patch.setattr(module, "_RUN_BYTES", 300)
            patch.setattr(module, "_PIECE_BYTES", 7)
        assert found(pieces(before, sizes[0]), pieces(now, sizes[1])) == (
            sorted({*before} - {*now}),
            sorted({*now} - {*before}),
        )


def test_equal_blocks_have_no_changes() -> None:
    assert found([b"1\n2", b"\n"], [b"1\n", b"2\n"]) == ([], [])


@pytest.mark.parametrize("most", [100, 4_000])
def test_no_more_is_noted_than_is_allowed(most: int) -> None:
    old, new = ([b"%d\n" % (first + number) for number in range(100)] for first in (0, 1000))
    assert found(old, new, most) is None
    assert found(old, [], most) is None
    assert found([], new, most) is None


@pytest.mark.parametrize("place", [0, 1])
def test_nor_of_one_line(place: int) -> None:
    endless = itertools.repeat(b"x" * 1000)
    old, new = [[b"1\n"], endless] if place else [endless, [b"1\n"]]
    assert found(old, new, 5_000) is None


def test_rows_that_stand_elsewhere_are_noted_until_they_are_met() -> None:
    lines = [b"%d" % number for number in range(1000)]
    moved = [*lines[1:], lines[0]]
    assert found(pieces(lines, 50), pieces(moved, 50), 5_000) == ([], [])
    assert found(pieces(lines, 50), pieces(lines[::-1], 50), 5_000) is None


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("size", [50, 4096])
def test_behind_a_long_stretch_that_is_gone_or_has_come_the_two_go_on_in_step(size: int, turned: bool) -> None:
    """Else all that follows would be noted."""
    before = [b"%d" % number for number in range(20_000)]
    now = [*before[:3000], *before[4000:9000], b"another", *before[9001:]]
    gone, come = sorted([*before[3000:4000], before[9000]]), [b"another"]
    sides = (now, before) if turned else (before, now)
    most = 3 * 1000 * (41 + 5)
    old, new = (pieces(side, size) for side in sides)
    assert found(old, new, most) == ((come, gone) if turned else (gone, come))


def test_where_there_is_no_room_for_them_nothing_is_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), row_changes([], [], directory=tmp_path / "absent"):
        pass
