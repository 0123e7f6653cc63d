"""Correlations, and tests of whether two correlations on the same items differ."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from broadsheet.core.errors import BadInput
from broadsheet.metrics.distributions import normal_sf, student_sf
from broadsheet.metrics.significance import mid_ranks


def pearson(x: ArrayLike, y: ArrayLike) -> float:
    """Return Pearson's r; 0 where one array is constant.

    Raises:
        BadInput: The arrays hold fewer than two values or are not of one length.
    """
    x_N, y_N = _pair(x, y)
    x_N, y_N = x_N - x_N.mean(), y_N - y_N.mean()
    norm = math.sqrt(float(x_N @ x_N)) * math.sqrt(float(y_N @ y_N))
    return max(-1.0, min(1.0, float(x_N @ y_N) / norm)) if norm > 0.0 else 0.0


def spearman(x: ArrayLike, y: ArrayLike) -> float:
    """Return Spearman's rho: Pearson's r of the ranks, ties sharing their mean rank.

    Example:
        >>> round(spearman([1, 2, 3, 4], [10, 20, 40, 30]), 12)
        0.8
    """
    x_N, y_N = _pair(x, y)
    return pearson(mid_ranks(x_N), mid_ranks(y_N))


def kendall(x: ArrayLike, y: ArrayLike) -> float:
    """Return Kendall's tau-b (ties counted on both sides), in O(n log n); 0 if one is constant."""
    x_N, y_N = _pair(x, y)
    _, x_rank, x_sizes = np.unique(x_N, return_inverse=True, return_counts=True)
    _, y_rank, y_sizes = np.unique(y_N, return_inverse=True, return_counts=True)
    joint_sizes = np.unique(x_rank * (y_rank.max() + 1) + y_rank, return_counts=True)[1]
    pairs, x_ties, y_ties, joint = (
        int(np.sum(sizes.astype(np.int64) * (sizes - 1) // 2))
        for sizes in (np.array([len(x_N)]), x_sizes, y_sizes, joint_sizes)
    )
    discordant = _inversions(y_rank[np.lexsort((y_rank, x_rank))])
    score = pairs - x_ties - y_ties + joint - 2 * discordant
    norm = math.sqrt(pairs - x_ties) * math.sqrt(pairs - y_ties)
    return score / norm if norm else 0.0


@dataclass(frozen=True, slots=True)
class CorrelationTest:
    """Result of a test that two correlations are equal.

    Args:
        statistic: Student's t (Williams) or a standard normal z (Steiger).
        p: Two-sided p.
    """

    statistic: float
    p: float


def williams(first: float, second: float, between: float, n: int) -> CorrelationTest:
    """Test whether two predictions correlate equally with the gold scores of the same n items.

    Args:
        first: Correlation of the first prediction with gold.
        second: Correlation of the second prediction with gold.
        between: Correlation of the two predictions.
        n: Items.

    **Source**: Williams 1959, in the form that Steiger 1980 recommends (equation 7).

    Raises:
        BadInput: A correlation outside (-1, 1), or fewer than four items.

    Example:
        >>> round(williams(0.3, 0.4, 0.5, 100).statistic, 4)
        -1.0767
    """
    _check((first, second, between), n)
    determinant = 1 - first**2 - second**2 - between**2 + 2 * first * second * between
    mean = (first + second) / 2
    spread = 2 * (n - 1) / (n - 3) * determinant + mean**2 * (1 - between) ** 3
    if spread <= 0.0:
        raise BadInput("no three variables correlate so", received=(first, second, between))
    t = (first - second) * math.sqrt((n - 1) * (1 + between) / spread)
    return CorrelationTest(t, 2 * student_sf(abs(t), n - 3))


def steiger(first: float, second: float, between: float, n: int) -> CorrelationTest:
    """Test the same as `williams` on Fisher's z with the averaged correlation.

    **Source**: Steiger 1980, equations 3 and 14.

    Raises:
        BadInput: A correlation outside (-1, 1), or fewer than four items.
    """
    _check((first, second, between), n)
    mean2 = ((first + second) / 2) ** 2
    psi = between * (1 - 2 * mean2) - mean2 * (1 - 2 * mean2 - between**2) / 2
    return _fisher(first, second, psi / (1 - mean2) ** 2, n)


def steiger_apart(
    first: float, second: float, cross: tuple[float, float, float, float], n: int
) -> CorrelationTest:
    """Test whether r(1, 2) = r(3, 4) of four variables on the same n items.

    Args:
        first: r(1, 2).
        second: r(3, 4).
        cross: r(1, 3), r(1, 4), r(2, 3) and r(2, 4).
        n: Items.

    **Source**: Steiger 1980, equation 15 with averaged correlations.

    Raises:
        BadInput: A correlation outside (-1, 1), or fewer than four items.
    """
    _check((first, second, *cross), n)
    r13, r14, r23, r24 = cross
    mean = (first + second) / 2
    psi = 0.5 * (
        (r13 - mean * r23) * (r24 - r23 * mean)
        + (r14 - r13 * mean) * (r23 - mean * r13)
        + (r13 - r14 * mean) * (r24 - mean * r14)
        + (r14 - mean * r24) * (r23 - r24 * mean)
    )
    return _fisher(first, second, psi / (1 - mean**2) ** 2, n)


def _fisher(first: float, second: float, covariance: float, n: int) -> CorrelationTest:
    if covariance >= 1.0:
        raise BadInput("no variables correlate so", received=(first, second, covariance))
    z = (math.atanh(first) - math.atanh(second)) * math.sqrt((n - 3) / (2 - 2 * covariance))
    return CorrelationTest(z, 2 * normal_sf(abs(z)))


def _check(correlations: tuple[float, ...], n: int) -> None:
    if n < 4 or not all(-1.0 < r < 1.0 for r in correlations):
        raise BadInput(
            "the test needs correlations inside (-1, 1) and four items or more",
            received=f"{correlations}, n = {n}",
        )


def _pair(x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x_N, y_N = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if x_N.shape != y_N.shape or x_N.ndim != 1 or len(x_N) < 2:
        raise BadInput(
            "a correlation needs two arrays of one length, two values or more",
            received=f"shapes {x_N.shape} and {y_N.shape}",
        )
    if not (np.all(np.isfinite(x_N)) and np.all(np.isfinite(y_N))):
        raise BadInput("a correlation needs finite numbers", received="NaN or infinity")
    return x_N, y_N


def _inversions(values_N: NDArray[np.int64]) -> int:
    """Count pairs i < j with values[i] > values[j], bit by bit from the highest."""
    count = 0
    for bit in range(int(values_N.max()).bit_length() - 1, -1, -1):
        prefix_N = values_N >> (bit + 1)
        one_N = (values_N >> bit) & 1
        ones_before_N = np.cumsum(one_N) - one_N
        starts = np.flatnonzero(np.concatenate([[True], prefix_N[1:] != prefix_N[:-1]]))
        sizes = np.diff(np.append(starts, len(values_N)))
        ones_in_group_N = ones_before_N - np.repeat(ones_before_N[starts], sizes)
        count += int(ones_in_group_N[one_N == 0].sum())
        values_N = values_N[np.argsort(values_N >> bit, kind="stable")]
    return count
