"""Significance tests: paired permutation, Wilcoxon, TOST, McNemar, and Holm's correction.

The two-level bootstrap that decides claims is in `metrics.bootstrap` and offered here too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from broadsheet.core.errors import BadInput
from broadsheet.metrics.bootstrap import (
    Interval,
    Resampled,
    averaged,
    combined,
    difference,
    plain_numbers,
    ratio,
    relative_drop,
    resample,
    two_level_bootstrap,
)
from broadsheet.metrics.distributions import binomial_two_sided, normal_sf, student_sf
from broadsheet.metrics.resampling import (
    Items,
    Statistic,
    macro_f1_of,
    mean_of,
    pearson_of,
    recomputed,
    spearman_of,
)

__all__ = [
    "Equivalence",
    "Interval",
    "Items",
    "Resampled",
    "SignedRanks",
    "Statistic",
    "averaged",
    "combined",
    "difference",
    "holm",
    "holm_levels",
    "macro_f1_of",
    "mcnemar",
    "mean_of",
    "paired_permutation",
    "pearson_of",
    "plain_numbers",
    "ratio",
    "recomputed",
    "relative_drop",
    "resample",
    "spearman_of",
    "tost",
    "two_level_bootstrap",
    "wilcoxon",
]

_EXACT_SIGNS = 16
_EXACT_RANKS = 400


def paired_permutation(
    first: ArrayLike, second: ArrayLike, *, rng: np.random.Generator, draws: int = 10_000
) -> float:
    """Return the two-sided p of "swapping the two arms on any item changes nothing".

    The test statistic is the mean difference. Up to 16 items all sign patterns are enumerated,
    beyond that `draws` are drawn and the observed pattern counts as one of them.

    Raises:
        BadInput: The arrays are empty or not of one length.
    """
    d_N = _differences(first, second)
    observed = abs(d_N.sum()) * (1.0 - 1e-12)
    if len(d_N) <= _EXACT_SIGNS:
        patterns = np.arange(2 ** len(d_N))[:, None] >> np.arange(len(d_N))
        sums = (1.0 - 2.0 * (patterns & 1)) @ d_N
        return float(np.mean(np.abs(sums) >= observed))
    extreme = 0
    size = max(1, 2_000_000 // len(d_N))
    for begin in range(0, draws, size):
        flips = rng.integers(0, 2, size=(min(size, draws - begin), len(d_N)))
        extreme += int(np.sum(np.abs((1.0 - 2.0 * flips) @ d_N) >= observed))
    return (1 + extreme) / (1 + draws)


@dataclass(frozen=True, slots=True)
class SignedRanks:
    """Result of Wilcoxon's signed rank test.

    Args:
        positive: Sum of the ranks of the positive differences.
        n: Differences that are not zero.
        p: Two-sided p.
        exact: Whether p comes from the exact distribution.
    """

    positive: float
    n: int
    p: float
    exact: bool


def wilcoxon(first: ArrayLike, second: ArrayLike | None = None) -> SignedRanks:
    """Test whether paired differences are symmetric about zero (signed ranks).

    Zero differences are dropped (Wilcoxon's own way) and ties share their mean rank. Up to 400
    differences the conditional distribution given the ranks is exact, ties included; beyond that
    the normal approximation with tie correction is used.

    Raises:
        BadInput: The arrays are empty or not of one length.

    Example:
        >>> wilcoxon([1.0, 2.0, 3.0, 4.0, 5.0]).p
        0.0625
    """
    d_N = _differences(first, np.zeros(np.shape(first)) if second is None else second)
    d_N = d_N[d_N != 0.0]
    n = len(d_N)
    if n == 0:
        return SignedRanks(0.0, 0, 1.0, True)
    ranks_N = mid_ranks(np.abs(d_N))
    positive = float(ranks_N[d_N > 0].sum())
    if n <= _EXACT_RANKS:
        doubled = np.rint(2 * ranks_N).astype(np.int64)
        p = _exact_sum_p(doubled, round(2 * positive))
        return SignedRanks(positive, n, p, True)
    variance = float(np.sum(ranks_N**2)) / 4.0
    z = (positive - n * (n + 1) / 4.0) / math.sqrt(variance)
    return SignedRanks(positive, n, min(1.0, 2.0 * normal_sf(abs(z))), False)


def mid_ranks(values: ArrayLike) -> NDArray[np.float64]:
    """Return ranks from 1, ties sharing their mean rank."""
    values_N = np.asarray(values)
    _, group_N, size_G = np.unique(values_N, return_inverse=True, return_counts=True)
    rank_G: NDArray[np.float64] = np.cumsum(size_G) - (size_G - 1) / 2.0
    return rank_G[group_N]


@dataclass(frozen=True, slots=True)
class Equivalence:
    """Result of two one-sided tests.

    Args:
        mean: Mean difference.
        p: The larger of the two one-sided p: small means equivalent within the margin.
        t_low: Student's t against -margin.
        t_high: Student's t against +margin.
    """

    mean: float
    p: float
    t_low: float
    t_high: float


def tost(differences: ArrayLike, margin: float) -> Equivalence:
    """Test whether the mean of paired differences lies within +-margin (two one-sided t-tests).

    **Source**: Schuirmann 1987. Claims about trained arms go through `verdicts.judge_claims`,
    which applies the same two tests to the bootstrap; this one is for plain paired numbers.

    Raises:
        BadInput: Fewer than two differences, or a margin that is not positive.
    """
    d_N = np.asarray(differences, np.float64)
    if len(d_N) < 2 or margin <= 0:
        raise BadInput(
            "an equivalence test needs two differences and a positive margin",
            received=f"{len(d_N)} differences, margin {margin}",
        )
    mean, error = float(d_N.mean()), float(d_N.std(ddof=1)) / math.sqrt(len(d_N))
    if error == 0.0:
        inside = abs(mean) < margin
        return Equivalence(mean, 0.0 if inside else 1.0, math.inf, -math.inf)
    t_low, t_high = (mean + margin) / error, (mean - margin) / error
    df = len(d_N) - 1
    return Equivalence(mean, max(student_sf(t_low, df), student_sf(-t_high, df)), t_low, t_high)


def mcnemar(first_right: ArrayLike, second_right: ArrayLike) -> float:
    """Return the exact two-sided p that two classifiers err equally often on the same items.

    Raises:
        BadInput: The arrays are empty or not of one length.

    Example:
        >>> mcnemar([1, 1, 1, 1, 1, 1, 0], [0, 0, 0, 0, 0, 0, 0])
        0.03125
    """
    d_N = _differences(np.asarray(first_right, bool), np.asarray(second_right, bool))
    gained, lost = int(np.sum(d_N > 0)), int(np.sum(d_N < 0))
    return binomial_two_sided(gained, gained + lost)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return Holm's adjusted p-values, in the order given.

    Example:
        >>> [round(p, 3) for p in holm([0.04, 0.01, 0.03])]
        [0.06, 0.03, 0.06]
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for step, index in enumerate(_ascending(p_values)):
        largest = max(largest, min(1.0, (len(p_values) - step) * p_values[index]))
        adjusted[index] = largest
    return tuple(adjusted)


def holm_levels(p_values: Sequence[float], level: float = 0.95) -> tuple[float, ...]:
    """Return the confidence level at which each claim's interval decides as Holm's test does.

    The smallest p is judged at 1 - alpha / k, the next at 1 - alpha / (k - 1) and so on; from the
    first that is not significant on, all keep that step's level (none of them is significant).
    """
    alpha, k = 1.0 - level, len(p_values)
    levels = [level] * k
    step_alpha, stopped = alpha, False
    for step, index in enumerate(_ascending(p_values)):
        if not stopped:
            step_alpha = alpha / (k - step)
            stopped = p_values[index] > step_alpha
        levels[index] = 1.0 - step_alpha
    return tuple(levels)


def _ascending(p_values: Sequence[float]) -> list[int]:
    for p in p_values:
        if not 0.0 <= p <= 1.0:
            raise BadInput("a p-value lies between 0 and 1", received=p)
    return sorted(range(len(p_values)), key=lambda index: (p_values[index], index))


def _differences(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    first_N, second_N = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first_N.shape != second_N.shape or first_N.ndim != 1 or not len(first_N):
        raise BadInput(
            "paired tests need two arrays of one length",
            received=f"shapes {first_N.shape} and {second_N.shape}",
        )
    return first_N - second_N


def _exact_sum_p(ranks: NDArray[np.int64], observed: int) -> float:
    """Two-sided p of the sum of a fair random subset of `ranks`, by adding one rank at a time."""
    chance = np.zeros(int(ranks.sum()) + 1)
    chance[0] = 1.0
    for rank in ranks:
        chance[rank:] = 0.5 * (chance[rank:] + chance[: len(chance) - rank])
        chance[:rank] *= 0.5
    lower = float(chance[: observed + 1].sum())
    upper = float(chance[observed:].sum())
    return min(1.0, 2.0 * min(lower, upper))
