"""Reciprocal rank fusion against a slow reference."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadsheet.index.fusion import Ranking, fuse, parts_of

lists = st.lists(st.lists(st.integers(0, 30), unique=True, max_size=20), min_size=1, max_size=4)


@given(lists, st.floats(0.1, 4), st.floats(0, 100))
def test_every_score_is_the_sum_of_its_reciprocal_ranks(
    ranked: list[list[int]], weight: float, constant: float
) -> None:
    rankings = [
        Ranking(numbers=numbers, weight=weight if position else 1.0)
        for position, numbers in enumerate(ranked)
    ]
    fused = fuse(rankings, constant=constant)
    assert {number for number, _ in fused} == {number for one in ranked for number in one}
    for number, score in fused:
        expected = sum(
            one.weight / (constant + list(one.numbers).index(number) + 1)
            for one in rankings
            if number in one.numbers
        )
        assert score == pytest.approx(expected)
        parts = parts_of(number, rankings, constant=constant)
        assert sum(value for _, _, value in parts) == pytest.approx(score)
        for position, rank, _ in parts:
            assert rankings[position].numbers[rank - 1] == number
    order = [(-score, number) for number, score in fused]
    assert order == sorted(order)
