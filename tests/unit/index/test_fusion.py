"""Fusion by rank and by sums, against slow references."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadsheet.index.fusion import (
    Points,
    Ranking,
    add,
    fuse,
    nearness,
    presence_beside,
    words_points,
)

numbers = st.lists(st.integers(0, 30), unique=True, max_size=20)
lists = st.lists(numbers, min_size=1, max_size=4)
cosine = st.floats(-1, 1, width=32)


@given(lists, st.floats(0.1, 4), st.floats(0, 100))
def test_every_score_is_the_sum_of_its_reciprocal_ranks(
    ranked: list[list[int]], weight: float, constant: float
) -> None:
    rankings = [
        Ranking(numbers=one, weight=weight if position else 1.0)
        for position, one in enumerate(ranked)
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
    order = [(-score, number) for number, score in fused]
    assert order == sorted(order)


@given(st.lists(st.dictionaries(st.integers(0, 30), st.floats(0, 2), max_size=20), max_size=4))
def test_a_sum_adds_what_each_list_gives(given_by: list[dict[int, float]]) -> None:
    added = add([Points(numbers=list(one), values=list(one.values())) for one in given_by])
    assert dict(added) == {
        number: pytest.approx(sum(one.get(number, 0.0) for one in given_by))
        for number in {number for one in given_by for number in one}
    }
    order = [(-score, number) for number, score in added]
    assert order == sorted(order)


def test_a_list_whose_values_are_missing_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        add([Points(numbers=[1, 2], values=[0.5])])


@given(st.lists(cosine, min_size=1, max_size=30))
def test_nearness_keeps_the_order_and_the_ends(cosines: list[float]) -> None:
    near = nearness(cosines)
    assert min(near) == 0.0
    assert max(near) <= 1.0 + 1e-6
    for (one, value), (other, compared) in zip(
        zip(cosines, near, strict=True), zip(cosines[1:], near[1:], strict=True), strict=False
    ):
        assert (one <= other) == (value <= compared) or abs(one - other) < 1e-6
    assert nearness([*cosines, 1.0])[-1] == pytest.approx(1.0 if min(cosines) < 1 - 1e-6 else 0.0)


def test_nearness_of_nothing_and_of_one() -> None:
    assert nearness([]) == []
    assert nearness([0.7]) == nearness([1.0]) == [0.0]


def test_nearness_does_not_depend_on_where_an_encoder_puts_unrelated_texts() -> None:
    """Mixing all vectors with one direction moves cosines c to a + (1 - a) c."""
    cosines = [0.9, 0.5, 0.2, 0.1]
    moved = [0.6 + 0.4 * one for one in cosines]
    assert nearness(moved) == pytest.approx(nearness(cosines))


@given(st.floats(0, 1), st.floats(0.1, 50))
def test_a_document_with_every_word_once_gets_what_words_can_give(
    meaning: float, asked: float
) -> None:
    """BM25 gives it the question's idf, presence that many idfs more; the sum is 1 in all."""
    score = asked + presence_beside(meaning) * asked
    assert words_points([score], asked=asked, meaning=meaning) == [pytest.approx(1.0)]


def test_words_of_no_weight_give_nothing() -> None:
    assert words_points([0.0, 0.0], asked=0.0, meaning=0.5) == [0.0, 0.0]


def test_a_document_with_both_terms_stays_before_those_with_one_that_are_nearer() -> None:
    """Where fusion by rank loses it: one holds both terms, twenty hold one and are nearer."""
    both, others = 99, list(range(20))
    words = Points(
        numbers=[both, *others],
        values=words_points([4.0, *[2.0] * 20], asked=2.0, meaning=1.0),
    )
    cosines = [0.7 - 0.005 * place for place in others] + [0.55]
    near = Points(numbers=[*others, both], values=nearness(cosines))
    assert add([words, near])[0][0] == both
    by_rank = fuse([Ranking(numbers=[both, *others]), Ranking(numbers=[*others, both])])
    assert by_rank[0][0] != both
