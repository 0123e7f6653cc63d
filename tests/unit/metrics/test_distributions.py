"""Our tail functions against scipy's."""

from __future__ import annotations

import pytest
from scipy import special, stats

from broadsheet.core.errors import BadInput
from broadsheet.metrics import distributions as ours

TOLERANCE = {"rel": 1e-10, "abs": 1e-14}


@pytest.mark.parametrize("z", [-6.0, -1.0, 0.0, 0.5, 1.96, 5.0, 9.0])
def test_normal(z: float) -> None:
    assert ours.normal_sf(z) == pytest.approx(stats.norm.sf(z), **TOLERANCE)
    if z < 6.0:
        assert ours.normal_quantile(stats.norm.cdf(z)) == pytest.approx(z, abs=1e-8)


@pytest.mark.parametrize("df", [1, 2, 4, 9, 30, 1000, 15546])
@pytest.mark.parametrize("t", [-3.0, -0.2, 0.0, 0.7, 2.776, 12.0])
def test_student(t: float, df: float) -> None:
    assert ours.student_sf(t, df) == pytest.approx(stats.t.sf(t, df), **TOLERANCE)


@pytest.mark.parametrize("df", [1, 4, 9, 120])
@pytest.mark.parametrize("probability", [0.001, 0.3, 0.5, 0.975, 0.9999])
def test_student_quantile(probability: float, df: float) -> None:
    expected = stats.t.ppf(probability, df)
    assert ours.student_quantile(probability, df) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("df", [1, 2, 5, 30, 400])
@pytest.mark.parametrize("value", [0.0, 0.3, 1.0, 9.28, 60.0, 500.0])
def test_chi_square(value: float, df: float) -> None:
    assert ours.chi2_sf(value, df) == pytest.approx(stats.chi2.sf(value, df), **TOLERANCE)


@pytest.mark.parametrize(("df1", "df2"), [(1, 1), (3, 39), (10, 4), (200, 7)])
@pytest.mark.parametrize("value", [0.0, 0.4, 1.0, 3.69, 40.0])
def test_f(value: float, df1: float, df2: float) -> None:
    assert ours.f_sf(value, df1, df2) == pytest.approx(stats.f.sf(value, df1, df2), **TOLERANCE)


@pytest.mark.parametrize(("a", "b"), [(0.5, 0.5), (2, 9), (80, 3), (500, 700)])
@pytest.mark.parametrize("x", [0.0, 1e-6, 0.2, 0.5, 0.97, 1.0])
def test_incomplete_beta(x: float, a: float, b: float) -> None:
    assert ours.beta_cdf(x, a, b) == pytest.approx(special.betainc(a, b, x), **TOLERANCE)


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (0, 6), (3, 6), (9, 40), (86, 236)])
def test_fair_coin(successes: int, trials: int) -> None:
    expected = stats.binomtest(successes, trials).pvalue if trials else 1.0
    assert ours.binomial_two_sided(successes, trials) == pytest.approx(expected, **TOLERANCE)


def test_more_heads_than_flips_is_refused() -> None:
    with pytest.raises(BadInput, match="7 of 6"):
        ours.binomial_two_sided(7, 6)


@pytest.mark.parametrize("k", [2, 3, 10, 30])
@pytest.mark.parametrize("q", [0.0, 0.5, 2.0, 3.6, 6.0])
def test_studentised_range(q: float, k: int) -> None:
    expected = stats.studentized_range.sf(q, k, float("inf"))
    assert ours.range_sf(q, k) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize(
    ("k", "published"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (7, 2.949), (10, 3.164)]
)
def test_range_quantiles_are_those_of_the_nemenyi_table(k: int, published: float) -> None:
    # Demšar 2006, table 5(a), alpha 0.05; the table was made from q of two decimals.
    assert ours.range_quantile(0.95, k) / 2**0.5 == pytest.approx(published, abs=1e-3)
