"""How tables are gathered into statements."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tasks.engine.content.batches import split

WEIGHTS = st.lists(st.floats(0, 3))


@given(WEIGHTS)
def test_every_item_is_in_exactly_one_group_in_its_order(weights: list[float]) -> None:
    assert [weight for group in split(weights, weight=float) for weight in group] == weights


@given(WEIGHTS)
def test_a_group_weighs_at_most_one_or_is_a_single_item(weights: list[float]) -> None:
    assert all(sum(group) <= 1 or len(group) == 1 for group in split(weights, weight=float))


@given(WEIGHTS)
def test_two_groups_that_follow_each_other_would_not_fit_into_one(weights: list[float]) -> None:
    groups = list(split(weights, weight=float))
    assert all(sum(first) + second[0] > 1 for first, second in pairwise(groups))
