"""Sorted lists of the nearest rows so far, and the distance that sorts them.

The walks of the methods differ in which links they read, and each writes its loop out: with the
loop's few lines shared as compiled functions, answers were the same and searches 10 to 30 % slower.

Legend: n rows, d dimensions. A gap is 1 - <a, b>: for rows of length 1, half their squared
Euclidean distance. All is float32.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from broadsheet.core.errors import BadInput
from broadsheet.systems.retrieval.filtered_ann.methods.compiling import compiled

Vectors = npt.NDArray[np.float32]
Gaps = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]


def unit_rows(vectors: Vectors) -> Vectors:
    """Return vectors as one writable block of float32, checked to be of length 1.

    The pruning rules of the graphs compare distances among rows with distances to them, which the
    inner product alone does not allow.

    Shape:
        [n, d].

    Raises:
        BadInput: Not a table of rows, or a row of another length.
    """
    if vectors.ndim != 2 or len(vectors) == 0:
        raise BadInput("vectors are one row per item", received=str(vectors.shape))
    block = np.require(vectors, np.float32, ["C", "W", "A"])
    worst = float(np.abs(np.einsum("nd,nd->n", block, block) - 1).max())
    if not worst < 1e-2:
        raise BadInput(
            "rows must be of length 1",
            received=f"a squared length {worst:.3g} away from 1",
            hint="divide every row by its length",
        )
    return block


def one_query(query: Vectors) -> Vectors:
    """Return a query as the kernels were compiled for: contiguous, writable float32.

    Shape:
        [d].

    Raises:
        BadInput: Not one vector.
    """
    if query.ndim != 1:
        raise BadInput("a query is one vector", received=str(query.shape))
    return np.require(query, np.float32, ["C", "W", "A"])


@compiled
def gap_to(vectors: Vectors, row: int, query: Vectors) -> np.float32:
    """Return the gap between a row and a query.

    Shape:
        vectors [n, d], query [d].
    """
    total = np.float32(0)
    point = vectors[row]
    for place in range(query.shape[0]):
        total += point[place] * query[place]
    return np.float32(1) - total


@compiled
def gaps_to(vectors: Vectors, rows: Rows, query: Vectors) -> Gaps:
    """Return the gaps between some rows and a query.

    Shape:
        vectors [n, d], rows [m], query [d]; returns [m].
    """
    gaps = np.empty(rows.shape[0], np.float32)
    for place in range(rows.shape[0]):
        gaps[place] = gap_to(vectors, rows[place], query)
    return gaps


@compiled
def insert(gaps: Gaps, rows: Rows, size: int, gap: np.float32, row: int) -> int:
    """Put a row into a sorted list of at most len(gaps); return its place, or -1 if too far."""
    capacity = gaps.shape[0]
    if size == capacity and (capacity == 0 or gap >= gaps[capacity - 1]):
        return -1
    low, high = 0, size
    while low < high:
        middle = (low + high) >> 1
        if gaps[middle] <= gap:
            low = middle + 1
        else:
            high = middle
    for place in range(min(size, capacity - 1), low, -1):
        gaps[place] = gaps[place - 1]
        rows[place] = rows[place - 1]
    gaps[low] = gap
    rows[low] = row
    return low


@compiled
def insert_open(gaps: Gaps, rows: Rows, spent: Mask, size: int, gap: np.float32, row: int) -> int:
    """Insert as `insert` does, keeping for each row whether its neighbours were seen."""
    place = insert(gaps, rows, size, gap, row)
    if place >= 0:
        for other in range(min(size, gaps.shape[0] - 1), place, -1):
            spent[other] = spent[other - 1]
        spent[place] = False
    return place


@compiled
def nearest_of(vectors: Vectors, rows: Rows, query: Vectors, k: int) -> Rows:
    """Return the k nearest of some rows, nearest first, by comparing all of them.

    Shape:
        vectors [n, d], rows [m], query [d]; returns [min(k, m)].
    """
    capacity = min(k, rows.shape[0])
    gaps = np.empty(capacity, np.float32)
    best = np.empty(capacity, np.int32)
    size = 0
    for place in range(rows.shape[0]):
        gap = gap_to(vectors, rows[place], query)
        if insert(gaps, best, size, gap, rows[place]) >= 0 and size < capacity:
            size += 1
    return best[:size]
