"""The pattern of psql's kind that means every name but some."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from tasks.engine.rows.exclusion import besides

_NAMES = st.text(alphabet="abAB_1$.*?[]^-\\()|\"' é😀", min_size=1, max_size=5)


def means(pattern: str, name: str) -> bool:
    """As psql and pg_dump read it: outside quotes, capitals are folded, and three characters mean something else."""
    assert '"' not in pattern
    translated = {"*": ".*", "?": ".", "$": "\\$"}
    assert "." not in pattern
    regex = "".join(translated.get(each, each.lower() if each.isascii() else each) for each in pattern)
    return re.fullmatch(regex, name, re.DOTALL) is not None


@given(st.lists(_NAMES, max_size=4), _NAMES)
@example(["a", "ab", "b"], "ab")
@example(["ab"], "a")
@example(["a"], "aa")
def test_it_matches_every_name_but_those(names: list[str], name: str) -> None:
    assert means(besides(names), name) == (name not in names)
    for each in names:
        assert not means(besides(names), each)
