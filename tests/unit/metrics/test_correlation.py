"""Correlations against scipy; tests of their difference against published examples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from broadsheet.core.errors import BadInput
from broadsheet.metrics.correlation import (
    kendall,
    pearson,
    spearman,
    steiger,
    steiger_apart,
    williams,
)

PAIRS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=3, max_size=60)


@settings(max_examples=150, deadline=None)
@given(PAIRS)
def test_agree_with_scipy_with_many_ties(pairs: list[tuple[int, int]]) -> None:
    x, y = (list(column) for column in zip(*pairs, strict=True))
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert pearson(x, y) == spearman(x, y) == kendall(x, y) == 0.0
        return
    assert pearson(x, y) == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-12)
    assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
    assert kendall(x, y) == pytest.approx(stats.kendalltau(x, y).statistic, abs=1e-12)


def test_agree_with_scipy_on_many_items() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=20_000)
    y = np.round(x + rng.normal(size=20_000), 1)
    assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
    assert kendall(x, y) == pytest.approx(stats.kendalltau(x, y).statistic, abs=1e-12)


@pytest.mark.parametrize("correlation", [pearson, spearman, kendall])
def test_unusable_arrays_are_refused(correlation: object) -> None:
    for x, y in (([1.0], [1.0]), ([1.0, 2.0], [1.0]), ([1.0, float("nan")], [1.0, 2.0])):
        with pytest.raises(BadInput):
            correlation(x, y)  # type: ignore[operator]


def test_williams_example_of_depcor() -> None:
    # Silver, Hittner and May 2006 (DEPCOR), r = .3, .4, .5, n = 100.
    found = williams(0.3, 0.4, 0.5, 100)
    assert (round(found.statistic, 4), round(found.p, 4)) == (-1.0767, 0.2843)


def test_steiger_example_of_depcor() -> None:
    found = steiger(0.3, 0.4, 0.5, 100)
    assert (round(found.statistic, 4), round(found.p, 4)) == (-1.0718, 0.2838)
    apart = steiger_apart(0.3, 0.4, (0.5, 0.8, 0.6, 0.7), 100)
    assert (round(apart.statistic, 4), round(apart.p, 4)) == (-1.0744, 0.2827)


def test_examples_of_steigers_paper() -> None:
    # Steiger 1980, p. 249. Case A is printed as -.8913, from a covariance rounded to .0042.
    assert steiger(0.4, 0.5, 0.1, 103).statistic == pytest.approx(-0.8887, abs=5e-5)
    # Case B is printed as -1.4045.
    apart = steiger_apart(0.5, 0.6, (0.8, 0.5, 0.5, 0.7), 103)
    assert apart.statistic == pytest.approx(-1.4045, abs=6e-4)


def test_williams_has_its_level_when_both_correlations_are_equal() -> None:
    rng = np.random.default_rng(1)
    gold = rng.normal(size=(2000, 60))
    shared = rng.normal(size=(2000, 60))
    first = gold + shared + rng.normal(size=(2000, 60))
    second = gold + shared + rng.normal(size=(2000, 60))
    rejected = 0
    for g, a, b in zip(gold, first, second, strict=True):
        r = np.corrcoef([g, a, b])
        rejected += williams(r[0, 1], r[0, 2], r[1, 2], 60).p <= 0.05
    assert 0.035 < rejected / 2000 < 0.065


@pytest.mark.parametrize("r", [(1.0, 0.2, 0.3), (0.9, -0.9, 0.9)])
def test_impossible_correlations_are_refused(r: tuple[float, float, float]) -> None:
    with pytest.raises(BadInput):
        williams(*r, 30)
