"""Clustering metrics against sklearn."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from broadsheet.core.errors import BadInput
from broadsheet.metrics import clustering as ours

PAIRS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60)


@settings(max_examples=30, deadline=None)
@given(PAIRS)
@example([(0, 0)])
@example([(0, 0), (0, 0)])
@example([(0, 0), (1, 1)])
@example([(0, 0), (1, 0)])
@example([(0, 0), (0, 1)])
def test_agree_with_sklearn(pairs: list[tuple[int, int]]) -> None:
    gold, found = (list(column) for column in zip(*pairs, strict=True))
    near = {"abs": 1e-9}
    assert ours.adjusted_rand(gold, found) == pytest.approx(
        sk.adjusted_rand_score(gold, found), **near
    )
    both = ours.v_measure(gold, found)
    expected = sk.homogeneity_completeness_v_measure(gold, found)
    assert (both.homogeneity, both.completeness, both.value) == pytest.approx(expected, **near)
    if len(set(gold)) > 1 or len(set(found)) > 1:
        assert ours.normalised_mutual_information(gold, found) == pytest.approx(
            sk.normalized_mutual_info_score(gold, found), **near
        )


def test_purity_by_hand() -> None:
    # The worked example of Manning, Raghavan and Schütze 2008, figure 16.4: purity 12/17.
    gold = list("xxxxxo" + "xoooo*" + "xx***")
    found = [0] * 6 + [1] * 6 + [2] * 5
    assert ours.purity(gold, found) == pytest.approx(12 / 17)
    assert ours.normalised_mutual_information(gold, found) == pytest.approx(0.36, abs=0.01)
    assert ours.adjusted_rand(gold, found) == pytest.approx(0.24, abs=0.01)


def test_unusable_input_is_refused() -> None:
    with pytest.raises(BadInput):
        ours.purity([1, 2], [1])
