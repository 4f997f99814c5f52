"""A hash that is made by another thread is the same one."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from tasks.engine import hashing
from tasks.engine.hashing import Sha256


@given(sizes=st.lists(st.sampled_from([0, 1, hashing._WORTH_BYTES - 1, hashing._WORTH_BYTES, 200_000]), max_size=20))
def test_it_is_the_same_in_pieces_of_any_size(sizes: list[int]) -> None:
    pieces = [bytes([number]) * size for number, size in enumerate(sizes)]
    with ThreadPoolExecutor(1) as by:
        ours, alone = Sha256(by), Sha256()
        for piece in pieces:
            ours.update(piece)
            alone.update(piece)
        assert ours.hexdigest() == alone.hexdigest() == hashlib.sha256(b"".join(pieces)).hexdigest()
