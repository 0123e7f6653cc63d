"""Tail probabilities of the distributions that our tests need, without scipy.

The light core has numpy only; these are the textbook series and continued fractions, and the tests
compare each with scipy to 1e-10 (the studentised range to 1e-8).
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from broadsheet.core.errors import BadInput

_NORMAL = NormalDist()
_STEPS = 500
_TINY = 1e-300


def normal_sf(z: float) -> float:
    """Return P(Z > z) of a standard normal variable."""
    return 0.5 * math.erfc(z / math.sqrt(2.0))


def normal_quantile(probability: float) -> float:
    """Return the z with P(Z <= z) = `probability`, which lies strictly between 0 and 1."""
    return _NORMAL.inv_cdf(probability)


def beta_cdf(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b).

    **Source**: the continued fraction of Press et al., Numerical Recipes, section 6.4, evaluated
    by Lentz' method.
    """
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(log_front + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _beta_fraction(x, a, b) / a
    return 1.0 - front * _beta_fraction(1.0 - x, b, a) / b


def student_sf(t: float, df: float) -> float:
    """Return P(T > t) of Student's t with `df` degrees of freedom."""
    if math.isinf(t):
        return 0.0 if t > 0 else 1.0
    tail = 0.5 * beta_cdf(df / (df + t * t), df / 2.0, 0.5)
    return tail if t >= 0 else 1.0 - tail


def student_quantile(probability: float, df: float) -> float:
    """Return the t with P(T <= t) = `probability`, by bisection to the last bit."""
    if probability < 0.5:
        return -student_quantile(1.0 - probability, df)
    low, high = 0.0, 1.0
    while student_sf(high, df) > 1.0 - probability:
        low, high = high, high * 2.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        if student_sf(middle, df) > 1.0 - probability:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def f_sf(value: float, df1: float, df2: float) -> float:
    """Return P(F > value) of Fisher's F with `df1` and `df2` degrees of freedom."""
    if value <= 0.0:
        return 1.0
    return beta_cdf(df2 / (df2 + df1 * value), df2 / 2.0, df1 / 2.0)


def chi2_sf(value: float, df: float) -> float:
    """Return P(X > value) of the chi-square distribution with `df` degrees of freedom."""
    a, x = df / 2.0, value / 2.0
    if x <= 0.0:
        return 1.0
    front = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1.0:
        return 1.0 - front * _gamma_series(a, x)
    return front * _gamma_fraction(a, x)


def binomial_two_sided(successes: int, trials: int) -> float:
    """Return the exact two-sided p of `successes` in `trials` fair coin flips.

    Raises:
        BadInput: More successes than trials, or a negative number.
    """
    if not 0 <= successes <= trials:
        raise BadInput("no such count of successes", received=f"{successes} of {trials}")
    extreme = min(successes, trials - successes)
    tail = sum(math.comb(trials, k) for k in range(extreme + 1))
    return min(1.0, float(2 * tail / 2**trials))


def range_sf(q: float, k: int) -> float:
    """Return P(range of `k` standard normal variables > q): the studentised range, infinite df."""
    if q <= 0.0:
        return 1.0
    z = np.linspace(-9.0, 9.0 + q, 4001)
    below = np.array([normal_sf(-value) for value in z])
    further = np.array([normal_sf(q - value) for value in z])
    heights = np.exp(-0.5 * z * z) * (below - further) ** (k - 1)
    weights = np.ones(len(z))
    weights[1:-1:2], weights[2:-1:2] = 4.0, 2.0
    area = float(weights @ heights) * float(z[1] - z[0]) / 3.0
    return max(0.0, 1.0 - k * area / math.sqrt(2.0 * math.pi))


def range_quantile(probability: float, k: int) -> float:
    """Return the q with P(range of `k` standard normal variables <= q) = `probability`."""
    low, high = 0.0, 20.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        if range_sf(middle, k) > 1.0 - probability:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def _beta_fraction(x: float, a: float, b: float) -> float:
    c, d = 1.0, 1.0 / _away_from_zero(1.0 - (a + b) * x / (a + 1.0))
    value = d
    for m in range(1, _STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        for term in (even, odd):
            d = 1.0 / _away_from_zero(1.0 + term * d)
            c = _away_from_zero(1.0 + term / c)
            value *= c * d
        if abs(c * d - 1.0) < 1e-16:
            break
    return value


def _gamma_series(a: float, x: float) -> float:
    term = total = 1.0 / a
    for n in range(1, 10 * _STEPS):
        term *= x / (a + n)
        total += term
        if term < total * 1e-17:
            break
    return total


def _gamma_fraction(a: float, x: float) -> float:
    b = x + 1.0 - a
    c, d = 1.0 / _TINY, 1.0 / _away_from_zero(b)
    value = d
    for n in range(1, 10 * _STEPS):
        term = -n * (n - a)
        b += 2.0
        d = 1.0 / _away_from_zero(term * d + b)
        c = _away_from_zero(b + term / c)
        value *= c * d
        if abs(c * d - 1.0) < 1e-16:
            break
    return value


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
