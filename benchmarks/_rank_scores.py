"""How good an order is, per day, and bootstrap intervals over days or seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def mid_ranks(values: Floats) -> Floats:
    """Return ranks from 0, equal values sharing the middle."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return ((ends - counts + ends - 1) / 2)[inverse]


def spearman(scores: Floats, truth: Floats) -> float:
    """Return the rank correlation; 0 when one side is constant."""
    left, right = mid_ranks(scores), mid_ranks(truth)
    if left.std() == 0 or right.std() == 0:
        return 0.0
    return float(np.corrcoef(left, right)[0, 1])


def ndcg(scores: Floats, gains: Floats, depth: int = 20) -> float:
    """Return nDCG; papers with equal scores share the mean of their gains, so ties are fair."""
    if gains.max(initial=0) <= 0:
        return 1.0
    _, inverse = np.unique(-scores, return_inverse=True)
    shared = (np.bincount(inverse, gains) / np.bincount(inverse))[inverse]
    discounts = 1 / np.log2(np.arange(2, min(depth, len(gains)) + 2))
    got = shared[np.argsort(-scores, kind="stable")][: len(discounts)]
    best = np.sort(gains)[::-1][: len(discounts)]
    return float((got * discounts).sum() / (best * discounts).sum())


def top_decile(scores: Floats, truth: Floats) -> float:
    """Return which part of the best-scored tenth is in the true best tenth (ties counted in)."""
    count = max(1, round(len(truth) / 10))
    bar = np.sort(truth)[::-1][count - 1]
    edge = np.sort(scores)[::-1][count - 1]
    sure, tied = scores > edge, scores == edge
    hits = (truth[sure] >= bar).sum() + (count - sure.sum()) * (truth[tied] >= bar).mean()
    return float(hits / count)


def measure(scores: Floats, truth: Floats, gains: Floats) -> dict[str, float]:
    """Return all three measures of one list."""
    return {
        "spearman": spearman(scores, truth),
        "ndcg@20": ndcg(scores, gains),
        "top_decile": top_decile(scores, truth),
    }


def interval(
    groups: Sequence[Sequence[float]], seed: int = 5, draws: int = 2000
) -> dict[str, float]:
    """Return mean and 95 % bootstrap interval; with several groups both levels are drawn.

    Args:
        groups: Values per group: one group of days, or the days of each seed.
        seed: Of the bootstrap.
        draws: Resamples.
    """
    generator = np.random.default_rng(seed)
    arrays = [np.asarray(group, np.float64) for group in groups]
    means = np.empty(draws)
    for draw in range(draws):
        chosen = (
            generator.integers(len(arrays), size=len(arrays)) if len(arrays) > 1 else np.array([0])
        )
        means[draw] = np.mean(
            [
                arrays[index][
                    generator.integers(len(arrays[index]), size=len(arrays[index]))
                ].mean()
                for index in chosen
            ]
        )
    low, high = np.percentile(means, [2.5, 97.5])
    mean = float(np.mean([array.mean() for array in arrays]))
    return {"mean": round(mean, 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def table(
    lists: Mapping[str, Sequence[Sequence[Mapping[str, float]]]], against: str
) -> dict[str, dict[str, dict[str, float]]]:
    """Summarise methods, and their paired difference in rank correlation from one of them.

    Args:
        lists: Method to groups of per-day measures, in the same order for every method.
        against: The method that differences are taken from.
    """
    result = {}
    base = lists[against]
    for method, groups in lists.items():
        rows = {
            name: interval([[day[name] for day in group] for group in groups])
            for name in groups[0][0]
        }
        if method != against:
            rows[f"spearman_minus_{against}"] = interval(
                [
                    [day["spearman"] - other["spearman"] for day, other in zip(*pair, strict=True)]
                    for pair in zip(groups, base, strict=True)
                ]
            )
        result[method] = rows
    return result
