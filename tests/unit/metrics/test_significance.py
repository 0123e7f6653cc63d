"""Tests of significance against scipy, enumeration and hand-made definitions."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from broadsheet.core.errors import BadInput
from broadsheet.metrics.distributions import binomial_two_sided
from broadsheet.metrics.significance import (
    holm,
    holm_levels,
    mcnemar,
    mid_ranks,
    paired_permutation,
    tost,
    wilcoxon,
)

P_VALUES = st.lists(st.sampled_from([0.001, 0.01, 0.012, 0.02, 0.04, 0.3, 1.0]), max_size=6)


def test_permutation_is_exact_for_few_items() -> None:
    first, second = (
        np.array([3.1, 2.0, 4.5, 1.2, 2.2, 3.3]),
        np.array([2.0, 2.1, 3.0, 1.0, 2.2, 2.0]),
    )
    theirs = stats.permutation_test(
        (first, second),
        lambda a, b, axis: np.mean(a - b, axis=axis),
        permutation_type="samples",
        vectorized=True,
    )
    p = paired_permutation(first, second, rng=np.random.default_rng(0))
    assert p == pytest.approx(theirs.pvalue, abs=1e-12)


def test_permutation_by_draws_is_near_the_paired_t_test() -> None:
    rng = np.random.default_rng(0)
    second = rng.normal(size=200)
    first = second + rng.normal(0.12, 1.0, 200)
    p = paired_permutation(first, second, rng=rng, draws=20_000)
    assert p == pytest.approx(stats.ttest_rel(first, second).pvalue, abs=0.01)
    assert paired_permutation(second + 9.0, second, rng=rng, draws=999) == 1 / 1000


@pytest.mark.parametrize("n", [3, 7, 25, 50])
def test_wilcoxon_without_ties_is_scipys_exact_test(n: int) -> None:
    d = np.random.default_rng(n).normal(0.3, 1.0, n)
    theirs = stats.wilcoxon(d, method="exact")
    found = wilcoxon(d)
    assert found.exact
    assert found.p == pytest.approx(theirs.pvalue, rel=1e-9)
    assert min(found.positive, n * (n + 1) / 2 - found.positive) == theirs.statistic


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-4, 6), min_size=1, max_size=9))
def test_wilcoxon_with_ties_is_exact_by_enumeration(d: list[int]) -> None:
    kept = [value for value in d if value]
    if not kept:
        assert wilcoxon(d).p == 1.0
        return
    ranks = stats.rankdata(np.abs(kept))
    sums = [float(np.dot(signs, ranks)) for signs in product((0, 1), repeat=len(kept))]
    observed = float(ranks[np.array(kept) > 0].sum())
    lower, upper = np.mean(np.array(sums) <= observed), np.mean(np.array(sums) >= observed)
    assert wilcoxon(d).p == pytest.approx(min(1.0, 2 * min(lower, upper)), abs=1e-12)


def test_wilcoxon_on_many_items_is_scipys_approximation() -> None:
    d = np.round(np.random.default_rng(5).normal(0.05, 1.0, 900), 1)
    theirs = stats.wilcoxon(d, method="asymptotic", correction=False)
    found = wilcoxon(d)
    assert not found.exact
    assert found.p == pytest.approx(theirs.pvalue, rel=1e-9)


def test_wilcoxon_published_table() -> None:
    """Critical values at .05, two-sided (Wilcoxon and Wilcox 1964): 8 for n = 10."""
    for n, critical in ((6, 0), (8, 3), (10, 8), (15, 25), (20, 52)):
        for smaller, significant in ((critical, True), (critical + 1, False)):
            assert (wilcoxon(_differences_with_sum(n, smaller)).p <= 0.05) == significant, n


def _differences_with_sum(n: int, positive: int) -> list[float]:
    """Differences 1..n whose positive ones add up to `positive`."""
    for size in range(n + 1):
        for chosen in combinations(range(1, n + 1), size):
            if sum(chosen) == positive:
                return [float(k if k in chosen else -k) for k in range(1, n + 1)]
    raise AssertionError("no such sum")


def test_five_seeds_can_never_be_significant_by_signs_or_ranks() -> None:
    best = [1.0, 2.0, 3.0, 4.0, 5.0]
    assert wilcoxon(best).p == 0.0625
    assert paired_permutation(best, np.zeros(5), rng=np.random.default_rng(0)) == 0.0625


def test_tost_is_two_one_sided_t_tests() -> None:
    d = np.random.default_rng(2).normal(0.1, 1.0, 40)
    found = tost(d, 0.5)
    below = stats.ttest_1samp(d, 0.5, alternative="less").pvalue
    above = stats.ttest_1samp(d, -0.5, alternative="greater").pvalue
    assert found.p == pytest.approx(max(below, above), rel=1e-9)
    assert found.p < 0.05
    assert tost(d + 0.4, 0.5).p > 0.05


def test_tost_holds_exactly_if_the_90_percent_interval_is_inside() -> None:
    rng = np.random.default_rng(3)
    for margin in np.linspace(0.05, 1.0, 39):
        d = rng.normal(0.1, 0.7, 30)
        low, high = stats.t.interval(0.90, 29, d.mean(), stats.sem(d))
        assert (tost(d, float(margin)).p <= 0.05) == (-margin <= low and high <= margin)


def test_tost_without_spread_and_without_sense() -> None:
    assert tost([0.2, 0.2], 0.5).p == 0.0
    assert tost([0.7, 0.7], 0.5).p == 1.0
    for d, margin in (([1.0], 1.0), ([1.0, 2.0], 0.0)):
        with pytest.raises(BadInput):
            tost(d, margin)


def test_mcnemar_is_the_exact_binomial_test() -> None:
    rng = np.random.default_rng(4)
    first, second = rng.random(120) < 0.8, rng.random(120) < 0.7
    gained, lost = int(np.sum(first & ~second)), int(np.sum(~first & second))
    expected = stats.binomtest(gained, gained + lost).pvalue
    assert mcnemar(first, second) == pytest.approx(expected, rel=1e-12)
    assert mcnemar(first, first) == 1.0


def test_mcnemar_published_example() -> None:
    # Agresti 2002, table 10.1: approval of a prime minister, 150 changed one way and 86 the other;
    # the chi-square without correction is 17.36 (z = -4.17), p about 3e-5.
    assert binomial_two_sided(86, 236) == pytest.approx(3.7e-5, abs=0.2e-5)


def closed_testing(p_values: list[float]) -> list[float]:
    """Holm's adjusted p by its definition: the largest Bonferroni p of any subset that holds it."""
    indices = range(len(p_values))
    subsets = [set(s) for size in indices for s in combinations(indices, size + 1)]
    return [
        max(min(1.0, len(s) * min(p_values[j] for j in s)) for s in subsets if i in s)
        for i in indices
    ]


@settings(max_examples=80, deadline=None)
@given(P_VALUES)
def test_holm_is_closed_bonferroni_testing(p_values: list[float]) -> None:
    assert holm(p_values) == pytest.approx(closed_testing(p_values))


@settings(max_examples=80, deadline=None)
@given(P_VALUES)
def test_levels_decide_as_the_adjusted_p_do(p_values: list[float]) -> None:
    for p, adjusted, level in zip(p_values, holm(p_values), holm_levels(p_values), strict=True):
        assert (p <= 1 - level + 1e-12) == (adjusted <= 0.05 + 1e-12)


def test_holm_example() -> None:
    # As R's p.adjust(c(.01, .02, .03, .04, .05), "holm").
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
    with pytest.raises(BadInput):
        holm([0.2, 1.2])


def test_mid_ranks_are_scipys() -> None:
    values = np.random.default_rng(6).integers(0, 9, 100)
    np.testing.assert_array_equal(mid_ranks(values), stats.rankdata(values))


@pytest.mark.parametrize("pair", [([], []), ([1.0], [1.0, 2.0])])
def test_unpaired_arrays_are_refused(pair: tuple[list[float], list[float]]) -> None:
    for test in (wilcoxon, mcnemar):
        with pytest.raises(BadInput):
            test(*pair)
