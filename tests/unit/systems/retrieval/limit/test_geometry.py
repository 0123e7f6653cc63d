"""LIMIT: curves on d they were not fitted on, and what geometry allows apart from training."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.systems.retrieval.limit.curve import Optimisation, attempt
from broadsheet.systems.retrieval.limit.fits import (
    bootstrap_band,
    fit_curve,
    held_out_errors,
    page_trend_p,
)
from broadsheet.systems.retrieval.limit.rank import (
    check_construction,
    margin_dimension,
    moment_curve,
    moment_query,
    rank_bounds,
    separable,
    separable_share,
)
from broadsheet.systems.retrieval.limit.worlds import SubsetWorld

# -- fits --------------------------------------------------------------------------------------


def test_a_true_cubic_is_found_and_a_wrong_shape_is_not() -> None:
    d = [2, 4, 6, 8, 10, 12, 14, 16]
    cubes = [0.02 * x**3 + x + 3 for x in d]
    found = held_out_errors(d, cubes)
    assert found.ahead["cubic"] < 1e-6 < 5 < found.ahead["line"]
    assert found.between["cubic"] < 1e-6 < found.between["quadratic"]
    lines = [3.0 * x for x in d]
    assert held_out_errors(d, lines).ahead["power"] < 1e-6
    with pytest.raises(BadInput):
        fit_curve("cubic", [1, 2, 3], [1, 2, 3])
    with pytest.raises(BadInput):
        fit_curve("spline", d, cubes)


def test_noise_makes_a_cubic_lose_to_a_line() -> None:
    rng = np.random.default_rng(1)
    d = [2, 4, 6, 8, 10, 12, 14, 16]
    errors = [held_out_errors(d, [5.0 * x + rng.normal(0, 3) for x in d]).ahead for _ in range(40)]
    assert np.mean([e["cubic"] - e["line"] for e in errors]) > 0, "the check can fail"


def test_the_band_holds_the_curve_and_has_no_width_without_chance() -> None:
    d, rng = [2, 4, 6, 8, 10], np.random.default_rng(2)
    rows = [[x**2 + rng.normal(0, 1) for x in d] for _ in range(5)]
    band = bootstrap_band("quadratic", d, rows, [6, 20], np.random.default_rng(3), draws=200)
    assert all(a < b < c for a, b, c in zip(band.low, band.middle, band.high, strict=True))
    still = bootstrap_band("quadratic", d, [rows[0]] * 3, [20], np.random.default_rng(3), draws=50)
    assert still.high[0] == pytest.approx(still.low[0])


def test_page_s_test_agrees_with_scipy() -> None:
    from scipy.stats import page_trend_test

    rng = np.random.default_rng(5)
    table = rng.normal(size=(6, 7)) + 0.2 * np.arange(7)
    expected = page_trend_test(table, method="asymptotic").pvalue
    assert page_trend_p(table.tolist()) == pytest.approx(expected, rel=1e-6)


# -- geometry ----------------------------------------------------------------------------------


@given(n=st.integers(5, 40), data=st.data())
@settings(max_examples=40)
def test_two_k_numbers_rank_every_set_first(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, 3))
    members = data.draw(st.lists(st.integers(0, n - 1), min_size=k, max_size=k, unique=True))
    scores_N = moment_curve(n, k) @ moment_query(members, n, k)
    inside = np.isin(np.arange(n), members)
    assert scores_N[inside].min() > scores_N[~inside].max()


def test_all_pairs_of_forty_fit_four_numbers_where_training_fails() -> None:
    """The construction beats the optimiser: a critical n is no limit of geometry."""
    pairs = list(itertools.combinations(range(40), 2))
    assert check_construction(40, 2, pairs).exact == 1.0
    assert not attempt(20, 4, 2, Optimisation(max_steps=400), SeedTree(1)).solved


def test_precision_ends_the_construction() -> None:
    neighbours = [[i, i + 2] for i in range(0, 2000, 50)]
    assert check_construction(3000, 2, neighbours).exact == 1.0
    assert check_construction(3000, 2, neighbours, np.float32).exact < 1.0
    margins = [check_construction(n, 2, [[0, 1], [0, 2]]).margin for n in (10, 20, 40)]
    assert margins[0] > 8 * margins[1] > 64 * margins[2] > 0, "the margin falls like n^-4"


def test_feasibility_agrees_with_the_construction_and_with_a_circle() -> None:
    curve_ND = moment_curve(12, 2)
    pairs = list(itertools.combinations(range(12), 2))
    assert separable_share(curve_ND, pairs) == 1.0
    query_D = separable(curve_ND, [2, 9])
    assert query_D is not None
    assert set(np.argsort(-(curve_ND @ query_D))[:2].tolist()) == {2, 9}
    circle_ND = moment_curve(12, 1)
    assert separable_share(circle_ND, pairs) == pytest.approx(12 / 66), "neighbours only"
    with pytest.raises(BadInput):
        separable(circle_ND, [])


def test_bounds_hold_what_is_known() -> None:
    hadamard = np.array([[1, 1], [1, -1]])
    for _ in range(3):
        hadamard = np.kron(hadamard, np.array([[1, 1], [1, -1]]))
    bounds = rank_bounds(hadamard > 0)
    assert bounds.low == 3, "Forster: the sign rank of a Hadamard matrix of order 16 is at least 4"
    pairs = SubsetWorld.all_subsets(20, 2).relevance().numpy()
    assert rank_bounds(pairs).low <= 4 == rank_bounds(pairs).high
    for k, expected in ((2, 10), (10, 42), (100, 329), (1000, 2334)):
        assert math.ceil(margin_dimension(100_000, k, 0.1)) == pytest.approx(expected, abs=1)
