"""Statistics of heads against slow ones, and controls that are what they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from broadsheet.core.errors import BadInput
from broadsheet.systems.reading.retrieval_heads.heads import (
    ScoreTable,
    agreement,
    matched_controls,
    ranked_heads,
    sparsity_curve,
)


def table(trials: int = 40, seed: int = 0) -> ScoreTable:
    rng = np.random.default_rng(seed)
    strength = rng.random((5, 4)) ** 4
    scores = np.clip(strength + 0.1 * rng.standard_normal((trials, 5, 4)), 0, 1)
    return ScoreTable(scores * (strength > 0.05), trials + 3)


def test_shares_and_activation_are_plain_counts() -> None:
    one = table()
    means = one.scores_TNH.mean(axis=0)
    np.testing.assert_allclose(one.mean, means)
    assert one.share(0.2) == np.mean([value >= 0.2 for value in means.ravel()])
    active = [[np.mean([t[n, h] > 0 for t in one.scores_TNH]) for h in range(4)] for n in range(5)]
    np.testing.assert_allclose(one.activation, active)
    assert one.counted == 40
    curve = sparsity_curve(one.mean, [0.0, 0.1, 0.9])
    assert curve[0] == (0.0, 1.0)
    assert [share for _, share in curve] == sorted((s for _, s in curve), reverse=True)


def test_the_interval_of_the_share_is_the_slow_bootstrap() -> None:
    one = table(12)
    found = one.share_interval(np.random.default_rng(3), draws=2000)
    rng = np.random.default_rng(9)
    slow = sorted(
        np.mean(one.scores_TNH[rng.integers(0, 12, 12)].mean(axis=0) >= 0.1) for _ in range(2000)
    )
    assert found.observed == one.share()
    assert abs(found.low - slow[49]) <= 0.051
    assert abs(found.high - slow[1949]) <= 0.051
    with pytest.raises(BadInput, match="no trial counted"):
        ScoreTable(np.zeros((0, 2, 2)), 4).share_interval(np.random.default_rng(0))


def test_a_table_without_trials_has_zeros() -> None:
    empty = ScoreTable(np.zeros((0, 2, 3)), 4)
    assert empty.mean.tolist() == [[0.0] * 3] * 2
    assert (empty.share(), empty.counted) == (0.0, 0)
    with pytest.raises(BadInput, match="trials, layers and heads"):
        ScoreTable(np.zeros((5, 2, 3)), 4)


def test_ranking_is_by_score_then_by_place() -> None:
    mean = np.array([[0.1, 0.5, 0.1], [0.5, 0.0, 0.9]])
    assert ranked_heads(mean) == ((1, 2), (0, 1), (1, 0), (0, 0), (0, 2), (1, 1))


@given(seed=st.integers(0, 10_000), k=st.integers(1, 6))
def test_controls_match_layers_and_are_never_copying_heads(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    mean = np.where(rng.random((6, 8)) < 0.15, rng.random((6, 8)), 0.02)
    top = ranked_heads(mean)[:k]
    drawn = matched_controls(mean, top, rng)
    assert len(set(drawn)) == k
    assert not set(drawn) & set(top)
    assert all(mean[head] < 0.1 for head in drawn)
    quiet = (mean < 0.1).sum(axis=1) - np.array(
        [sum(layer == n and mean[layer, h] < 0.1 for layer, h in top) for n in range(6)]
    )
    wanted = np.bincount([layer for layer, _ in top], minlength=6)
    if np.all(wanted <= quiet):
        assert sorted(layer for layer, _ in drawn) == sorted(layer for layer, _ in top)


def test_a_full_layer_gives_way_to_the_nearest_one() -> None:
    mean = np.array([[0.0, 0.0], [0.0, 0.0], [0.9, 0.8], [0.0, 0.0]])
    drawn = matched_controls(mean, [(2, 0), (2, 1)], np.random.default_rng(0))
    assert {layer for layer, _ in drawn} == {1}
    three = matched_controls(mean, [(2, 0), (2, 1), (1, 0)], np.random.default_rng(0))
    assert sorted(layer for layer, _ in three) in ([0, 1, 1], [0, 0, 1], [1, 3, 3])
    with pytest.raises(BadInput, match="too few heads"):
        matched_controls(mean, ranked_heads(mean)[:5], np.random.default_rng(0))


def test_every_quiet_head_of_a_layer_is_drawn_about_as_often() -> None:
    mean = np.zeros((1, 5))
    mean[0, 0] = 0.9
    counts = np.zeros(5)
    for number in range(2000):
        [(_, head)] = matched_controls(mean, [(0, 0)], np.random.default_rng(number))
        counts[head] += 1
    assert counts[0] == 0
    assert stats.chisquare(counts[1:]).pvalue > 1e-4


def test_agreement_is_what_scipy_says() -> None:
    first, second = table(seed=1).mean, table(seed=2).mean
    found = agreement(first, second, k=4)
    assert found.pearson == pytest.approx(stats.pearsonr(first.ravel(), second.ravel())[0])
    assert found.spearman == pytest.approx(stats.spearmanr(first.ravel(), second.ravel())[0])
    tops = [set(np.argsort(-scores.ravel(), kind="stable")[:4]) for scores in (first, second)]
    assert found.overlap == len(tops[0] & tops[1]) / 4
    both, either = (first >= 0.1) & (second >= 0.1), (first >= 0.1) | (second >= 0.1)
    assert found.jaccard == pytest.approx(both.sum() / either.sum())
    with pytest.raises(BadInput, match="one shape"):
        agreement(first, second[:2], k=1)
