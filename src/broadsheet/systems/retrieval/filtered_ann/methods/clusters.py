"""Spherical k-means and inverted lists, for the methods that partition the rows.

Legend: n rows, d dimensions, c lists.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from broadsheet.core.seeds import SeedTree
from broadsheet.systems.retrieval.filtered_ann.methods.beams import Rows, Vectors
from broadsheet.systems.retrieval.filtered_ann.methods.labelspace import Starts

_BLOCK = 8192


def assign(vectors: Vectors, centres: Vectors) -> Rows:
    """Return the list whose centre has the largest inner product with each row.

    Shape:
        vectors [n, d], centres [c, d]; returns [n].
    """
    parts = [
        np.argmax(vectors[begin : begin + _BLOCK] @ centres.T, axis=1)
        for begin in range(0, len(vectors), _BLOCK)
    ]
    return np.concatenate(parts).astype(np.int32)


def train_centres(vectors: Vectors, count: int, seeds: SeedTree, *, rounds: int = 8) -> Vectors:
    """Return unit centres found by k-means on at most 48 rows a list; empty lists are redrawn.

    Shape:
        vectors [n, d]; returns [min(count, n), d].
    """
    draw = seeds.child("k-means").numpy()
    count = min(count, len(vectors))
    sample = vectors
    if len(vectors) > 48 * count:
        sample = vectors[np.sort(draw.choice(len(vectors), 48 * count, replace=False))]
    centres = sample[draw.choice(len(sample), count, replace=False)].copy()
    for _ in range(rounds):
        lists = assign(sample, centres)
        order = np.argsort(lists, kind="stable")
        filled, begins = np.unique(lists[order], return_index=True)
        sums = np.add.reduceat(sample[order], begins, axis=0)
        centres[filled] = sums
        empty = np.setdiff1d(np.arange(count), filled)
        centres[empty] = sample[draw.choice(len(sample), len(empty))]
        centres /= np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-12)
    return centres


@dataclass(frozen=True, slots=True)
class Partition:
    """Rows in inverted lists.

    Args:
        centres: [c, d].
        starts: [c + 1], where each list begins.
        rows: [n], the lists one after another, growing within a list.

    Example:
        >>> part = Partition.of(np.eye(4, dtype=np.float32), 2, SeedTree(1))
        >>> sorted(part.rows.tolist()), int(part.starts[-1])
        ([0, 1, 2, 3], 4)
    """

    centres: Vectors
    starts: Starts
    rows: Rows

    @classmethod
    def of(cls, vectors: Vectors, count: int, seeds: SeedTree) -> Partition:
        """Cluster the rows into `count` lists.

        Shape:
            [n, d].
        """
        centres = train_centres(vectors, count, seeds)
        lists = assign(vectors, centres)
        sizes = np.bincount(lists, minlength=len(centres))
        starts = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
        return cls(centres, starts, np.argsort(lists, kind="stable").astype(np.int32))

    def nearest(self, query: Vectors, count: int) -> Rows:
        """Return the `count` lists nearest to a query, nearest first."""
        scores = self.centres @ query
        if count >= len(scores):
            return np.argsort(-scores, kind="stable").astype(np.int32)
        best = np.argpartition(-scores, count - 1)[:count]
        return best[np.argsort(-scores[best], kind="stable")].astype(np.int32)

    def bytes_used(self) -> int:
        """Return the size of centres and lists."""
        return self.centres.nbytes + self.starts.nbytes + self.rows.nbytes
