"""Statistics that can be computed on many resamples of the same items at once.

A resample of n items is written as counts: how often each item was drawn. A mean, a correlation or
a confusion matrix on a resample is then a weighted one, and a rank correlation needs no new sort:
with the items sorted once, the ranks inside a resample are running sums of the counts. So 10,000
resamples of 5 x 5,000 pairs take seconds.

Legend: S runs (one per seed), N items, K resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from broadsheet.core.errors import BadInput

Floats = NDArray[np.float64]

#: Arrays of one length, one entry per test item, by name.
Items = Mapping[str, NDArray[Any]]

#: Values_SK of S runs on the K resamples of counts_NK.
OnResamples = Callable[[Floats], Floats]

#: Prepares (sorts, centres) S runs over the same N items once, for all resamples.
Statistic = Callable[[Sequence[Items]], OnResamples]

_CELLS = 400_000


def items_count(runs: Sequence[Items]) -> int:
    """Return N, the number of items that all runs share.

    Raises:
        BadInput: There is no run or no item, or the arrays are not of one length.
    """
    lengths = {len(array) for items in runs for array in items.values()}
    if len(lengths) != 1 or 0 in lengths:
        raise BadInput(
            "the runs must hold arrays over the same items",
            received="lengths " + (", ".join(map(str, sorted(lengths))) or "of nothing"),
            hint="one array of scores per seed, all in the same order of items",
        )
    return lengths.pop()


def resample_counts(n: int, draws: int, rng: np.random.Generator) -> Iterator[Floats]:
    """Yield blocks counts_NK of resamples of n items with replacement, `draws` columns in all."""
    size = max(1, _CELLS // n)
    for begin in range(0, draws, size):
        columns = min(size, draws - begin)
        drawn_NK = rng.integers(0, n, size=(n, columns))
        flat = np.bincount((drawn_NK * columns + np.arange(columns)).ravel(), minlength=n * columns)
        yield flat.reshape(n, columns).astype(np.float64)


def mean_of(name: str) -> Statistic:
    """Return the statistic "mean of the array `name`": nDCG per query, 1 for each right answer.

    Example:
        >>> on_resamples = mean_of("score")([{"score": np.array([0.0, 1.0, 1.0, 1.0])}])
        >>> on_resamples(np.ones((4, 1)))
        array([[0.75]])
    """

    def prepare(runs: Sequence[Items]) -> OnResamples:
        values_SN = np.stack([np.asarray(_array(items, name), np.float64) for items in runs])
        return lambda counts_NK: values_SN @ counts_NK / values_SN.shape[1]

    return prepare


def pearson_of(first: str, second: str) -> Statistic:
    """Return the statistic "Pearson's r of two arrays"; 0 where one is constant."""

    def prepare(runs: Sequence[Items]) -> OnResamples:
        parts = [_moments(_array(items, first), _array(items, second)) for items in runs]

        def on_resamples(counts_NK: Floats) -> Floats:
            n = len(counts_NK)
            rows = [_moment_correlation(part_5N @ counts_NK / n) for part_5N in parts]
            return np.stack(rows)

        return on_resamples

    return prepare


def spearman_of(first: str, second: str) -> Statistic:
    """Return the statistic "Spearman's rho of two arrays", ranks taken anew in each resample.

    Ties share their mean rank; 0 where one array is constant. The second array (the gold scores)
    is ranked once for all runs where they agree on it.
    """

    def prepare(runs: Sequence[Items]) -> OnResamples:
        firsts = [_Ranks(_array(items, first)) for items in runs]
        golds = [_array(items, second) for items in runs]
        same = all(np.array_equal(gold, golds[0]) for gold in golds)
        seconds = [_Ranks(gold) for gold in golds[: 1 if same else None]]

        def on_resamples(counts_NK: Floats) -> Floats:
            gold = [ranks.on(counts_NK) for ranks in seconds]
            rows = []
            for index, ranks in enumerate(firsts):
                x_NK, x_norm_K = ranks.on(counts_NK)
                y_NK, y_norm_K = gold[0 if same else index]
                x_NK *= y_NK
                x_NK *= counts_NK
                rows.append(_divide(x_NK.sum(axis=0), x_norm_K * y_norm_K))
            return np.stack(rows)

        return on_resamples

    return prepare


def macro_f1_of(prediction: str, gold: str) -> Statistic:
    """Return the statistic "mean F1 over the classes that occur in prediction or gold"."""

    def prepare(runs: Sequence[Items]) -> OnResamples:
        coded = [_codes(_array(items, prediction), _array(items, gold)) for items in runs]

        def on_resamples(counts_NK: Floats) -> Floats:
            rows = []
            for guess_CN, truth_CN in coded:
                both_CK = (guess_CN * truth_CN) @ counts_NK
                all_CK = guess_CN @ counts_NK + truth_CN @ counts_NK
                present_K = np.maximum((all_CK > 0).sum(axis=0), 1)
                rows.append(_divide(2 * both_CK, all_CK).sum(axis=0) / present_K)
            return np.stack(rows)

        return on_resamples

    return prepare


def recomputed(function: Callable[[Items], float]) -> Statistic:
    """Return any statistic of resampled items, computed one resample after the other (slow)."""

    def prepare(runs: Sequence[Items]) -> OnResamples:
        def on_resamples(counts_NK: Floats) -> Floats:
            values_SK = np.empty((len(runs), counts_NK.shape[1]))
            for column, counts_N in enumerate(counts_NK.T.astype(np.int64)):
                chosen = np.repeat(np.arange(len(counts_N)), counts_N)
                for row, items in enumerate(runs):
                    resampled = {name: array[chosen] for name, array in items.items()}
                    values_SK[row, column] = function(resampled)
            return values_SK

        return on_resamples

    return prepare


class _Ranks:
    """The order of an array, found once, and from it the ranks inside any resample."""

    def __init__(self, values_N: NDArray[Any]) -> None:
        self._order = np.argsort(values_N, kind="stable")
        sorted_N = values_N[self._order]
        new_N = np.concatenate([[True], sorted_N[1:] != sorted_N[:-1]])
        self._starts = np.flatnonzero(new_N)
        self._group_of = np.empty(len(values_N), np.int64)
        self._group_of[self._order] = np.cumsum(new_N) - 1

    def on(self, counts_NK: Floats) -> tuple[Floats, Floats]:
        """Return the centred mid-ranks of the items in each resample and the ranks' norm."""
        sorted_NK = counts_NK[self._order]
        ties = len(self._starts) < len(sorted_NK)
        size_GK = np.add.reduceat(sorted_NK, self._starts, axis=0) if ties else sorted_NK
        rank_GK = np.cumsum(size_GK, axis=0)
        rank_GK -= 0.5 * size_GK
        rank_GK -= 0.5 * len(counts_NK)
        norm_K = np.sqrt(np.einsum("gk,gk,gk->k", size_GK, rank_GK, rank_GK))
        return rank_GK[self._group_of], norm_K


def _array(items: Items, name: str) -> NDArray[Any]:
    if name not in items:
        raise BadInput(
            f"the run has no array {name}", received=", ".join(items), hint="one of these names"
        )
    return np.asarray(items[name])


def _moments(x_N: ArrayLike, y_N: ArrayLike) -> Floats:
    x = np.asarray(x_N, np.float64)
    y = np.asarray(y_N, np.float64)
    x, y = x - x.mean(), y - y.mean()
    return np.stack([x, y, x * x, y * y, x * y])


def _moment_correlation(means_5K: Floats) -> Floats:
    x, y, xx, yy, xy = means_5K
    variance = np.maximum(xx - x * x, 0.0) * np.maximum(yy - y * y, 0.0)
    return _divide(xy - x * y, np.sqrt(variance))


def _divide(top: Floats, bottom: Floats) -> Floats:
    return np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 1e-12)


def _codes(prediction_N: NDArray[Any], gold_N: NDArray[Any]) -> tuple[Floats, Floats]:
    classes = np.unique(np.concatenate([prediction_N, gold_N]))
    guess_CN = (prediction_N[None, :] == classes[:, None]).astype(np.float64)
    truth_CN = (gold_N[None, :] == classes[:, None]).astype(np.float64)
    return guess_CN, truth_CN
