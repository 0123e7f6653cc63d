"""Clustering metrics: adjusted Rand index, mutual information, V-measure, purity."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from broadsheet.core.errors import BadInput


def contingency(gold: ArrayLike, clusters: ArrayLike) -> NDArray[np.int64]:
    """Return how many items of each class (rows) are in each cluster (columns).

    Raises:
        BadInput: The arrays are empty or not of one length.

    Example:
        >>> contingency(["x", "x", "y"], [1, 0, 0])
        array([[1, 1],
               [1, 0]])
    """
    gold_N, cluster_N = np.asarray(gold), np.asarray(clusters)
    if gold_N.shape != cluster_N.shape or gold_N.ndim != 1 or not len(gold_N):
        raise BadInput(
            "clustering metrics need two arrays of one length",
            received=f"shapes {gold_N.shape} and {cluster_N.shape}",
        )
    classes, row_N = np.unique(gold_N, return_inverse=True)
    found, column_N = np.unique(cluster_N, return_inverse=True)
    cells = np.bincount(row_N * len(found) + column_N, minlength=len(classes) * len(found))
    return cells.reshape(len(classes), len(found)).astype(np.int64)


def adjusted_rand(gold: ArrayLike, clusters: ArrayLike) -> float:
    """Return the adjusted Rand index: 1 for equal partitions, about 0 for chance.

    **Source**: Hubert and Arabie 1985, equation 5.
    """
    table = contingency(gold, clusters)
    n = int(table.sum())
    both, rows, columns = (
        _pairs(counts) for counts in (table.ravel(), table.sum(axis=1), table.sum(axis=0))
    )
    chance = rows * columns / _pairs(np.array([n])) if n > 1 else 0.0
    most = (rows + columns) / 2
    return 1.0 if most == chance else (both - chance) / (most - chance)


@dataclass(frozen=True, slots=True)
class VMeasure:
    """Homogeneity, completeness and what is between them.

    Example:
        >>> round(v_measure([0, 0, 1, 1], [0, 0, 1, 2]).homogeneity, 12)
        1.0
    """

    homogeneity: float
    completeness: float

    @property
    def value(self) -> float:
        """The harmonic mean of both (V-measure with beta 1)."""
        total = self.homogeneity + self.completeness
        return 2 * self.homogeneity * self.completeness / total if total else 0.0


def v_measure(gold: ArrayLike, clusters: ArrayLike) -> VMeasure:
    """Return how pure the clusters are and how together the classes are.

    **Source**: Rosenberg and Hirschberg 2007.
    """
    table = contingency(gold, clusters)
    information = _mutual_information(table)
    of_classes, of_clusters = _entropy(table.sum(axis=1)), _entropy(table.sum(axis=0))
    return VMeasure(
        information / of_classes if of_classes else 1.0,
        information / of_clusters if of_clusters else 1.0,
    )


def normalised_mutual_information(gold: ArrayLike, clusters: ArrayLike) -> float:
    """Return mutual information over the mean of both entropies (equal to the V-measure)."""
    return v_measure(gold, clusters).value


def purity(gold: ArrayLike, clusters: ArrayLike) -> float:
    """Return the share of items whose class is the most frequent one in their cluster."""
    table = contingency(gold, clusters)
    return float(table.max(axis=0).sum() / table.sum())


def _pairs(counts: NDArray[np.int64]) -> float:
    return float((counts.astype(np.float64) * (counts - 1) / 2).sum())


def _entropy(counts: NDArray[np.int64]) -> float:
    shares = counts[counts > 0] / counts.sum()
    return max(0.0, -float(np.sum(shares * np.log(shares))))


def _mutual_information(table: NDArray[np.int64]) -> float:
    n = float(table.sum())
    rows, columns = np.nonzero(table)
    cells = table[rows, columns].astype(np.float64)
    expected = table.sum(axis=1)[rows].astype(np.float64) * table.sum(axis=0)[columns]
    return max(0.0, math.fsum(cells / n * (np.log(cells) + math.log(n) - np.log(expected))))
