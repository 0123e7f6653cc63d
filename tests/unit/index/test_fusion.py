"""Reciprocal rank fusion against a slow reference."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadsheet.index.fusion import Ranking, fuse

lists = st.lists(st.lists(st.integers(0, 30), unique=True, max_size=20), min_size=1, max_size=4)


@given(lists, st.floats(0.1, 4), st.floats(0, 100))
def test_every_score_is_the_sum_of_its_reciprocal_ranks(
    ranked: list[list[int]], weight: float, constant: float
) -> None:
    rankings = [
        Ranking(name=str(position), numbers=numbers, weight=weight if position else 1.0)
        for position, numbers in enumerate(ranked)
    ]
    fused = fuse(rankings, constant=constant)
    assert {item.number for item in fused} == {number for one in ranked for number in one}
    for item in fused:
        expected = sum(
            one.weight / (constant + list(one.numbers).index(item.number) + 1)
            for one in rankings
            if item.number in one.numbers
        )
        assert item.score == pytest.approx(expected)
        assert sum(value for _, _, value in item.parts) == pytest.approx(item.score)
        for position, rank, _ in item.parts:
            assert rankings[position].numbers[rank - 1] == item.number
    order = [(-item.score, item.number) for item in fused]
    assert order == sorted(order)
