"""Cluster rows by k-means, so that a search reads few and neighbouring rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from broadsheet.core.progress import Progress
from broadsheet.core.seeds import SeedTree
from broadsheet.index.compact.layout import Vectors

#: Lists per square root of the number of rows.
LISTS_PER_ROOT = 2.3
#: No list is aimed to be shorter than this.
SHORTEST = 32
#: Rows per list that the centres are learnt from.
SAMPLE_PER_LIST = 48
#: Passes over the sample.
PASSES = 8
_CHUNK = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Clusters:
    """Centres and the rows of each.

    Attributes:
        centres: float32 [L, dim], the means of their rows.
        order: int32 [n], the rows by cluster, ascending within one.
        starts: int32 [L + 1], where each cluster begins in `order`.

    Example:
        >>> from broadsheet.core.progress import Silent
        >>> rows = np.eye(3, dtype=np.float32)
        >>> cluster_rows(rows, seeds=SeedTree(1), progress=Silent()).order.tolist()
        [0, 1, 2]
    """

    centres: Vectors
    order: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int32]


def list_count(rows: int) -> int:
    """Return how many clusters so many rows are put into."""
    return max(1, min(round(LISTS_PER_ROOT * math.sqrt(rows)), rows // SHORTEST)) if rows else 0


def cluster_rows(
    rows: Vectors, *, seeds: SeedTree, progress: Progress, threads: int = 1
) -> Clusters:
    """Cluster rows around `list_count(n)` centres and drop the empty clusters."""
    count = list_count(len(rows))
    if count <= 1:
        order = np.arange(len(rows), dtype=np.int32)
        starts = np.array([0, len(rows)] if len(rows) else [0], dtype=np.int32)
        mean = rows.mean(axis=0, dtype=np.float64, keepdims=True) if count else rows[:0]
        return Clusters(centres=mean.astype(np.float32), order=order, starts=starts)
    centres = _learn(rows, count, seeds, progress, threads)
    advance = progress.start("assigning rows to clusters", len(rows), "rows")
    nearest = np.empty(len(rows), dtype=np.int32)
    for start, part in _assigned(rows, centres, threads):
        nearest[start : start + len(part)] = part
        advance(len(part))
    return _gathered(rows, nearest, count)


def _learn(rows: Vectors, count: int, seeds: SeedTree, progress: Progress, threads: int) -> Vectors:
    generator = seeds.child("centres").numpy()
    size = min(len(rows), SAMPLE_PER_LIST * count)
    sample = rows[np.sort(generator.choice(len(rows), size, replace=False))]
    centres = sample[np.sort(generator.choice(size, count, replace=False))].copy()
    advance = progress.start("learning clusters", PASSES, "passes")
    for _ in range(PASSES):
        nearest = np.concatenate([part for _, part in _assigned(sample, centres, threads)])
        sizes = np.bincount(nearest, minlength=count)
        empty = np.flatnonzero(sizes == 0)
        held = np.flatnonzero(sizes)
        by_cluster = np.argsort(nearest, kind="stable")
        begins = np.concatenate([[0], np.cumsum(sizes)])
        sums = np.add.reduceat(sample[by_cluster], begins[:-1][held], axis=0)
        centres[held] = sums / sizes[held, None]
        # An empty cluster begins again at a row of a large one.
        large = np.resize(np.argsort(-sizes, kind="stable")[: len(held)], len(empty))
        centres[empty] = sample[by_cluster[begins[large]]]
        advance(1)
    return centres


def _assigned(
    rows: Vectors, centres: Vectors, threads: int
) -> Iterator[tuple[int, npt.NDArray[np.int32]]]:
    """Yield, in order, the number of the nearest centre for chunks of rows."""
    half = (0.5 * np.einsum("ld,ld->l", centres, centres)).astype(np.float32)
    turned = np.ascontiguousarray(centres.T)

    def nearest(start: int) -> tuple[int, npt.NDArray[np.int32]]:
        scores = rows[start : start + _CHUNK] @ turned
        scores -= half
        return start, scores.argmax(axis=1).astype(np.int32)

    starts = range(0, len(rows), _CHUNK)
    if threads <= 1:
        yield from map(nearest, starts)
        return
    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(nearest, starts)


def _gathered(rows: Vectors, nearest: npt.NDArray[np.int32], count: int) -> Clusters:
    sizes = np.bincount(nearest, minlength=count)
    held = np.flatnonzero(sizes)
    order = np.argsort(nearest, kind="stable").astype(np.int32)
    starts = np.concatenate([[0], np.cumsum(sizes[held])]).astype(np.int32)
    centres = np.empty((len(held), rows.shape[1]), dtype=np.float32)
    for index in range(len(held)):
        members = rows[order[starts[index] : starts[index + 1]]]
        centres[index] = members.mean(axis=0, dtype=np.float32)
    return Clusters(centres=centres, order=order, starts=starts)
