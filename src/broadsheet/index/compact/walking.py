"""The walk over the neighbour graph in numpy: what the native code does, step by step."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from broadsheet.index.compact.layout import Positions, Vectors

#: Clusters in which the density of matches is measured, and where a walk begins.
NEAREST = 8
#: Rows that wait to be expanded, at most.
FRONTIER = 16384

Mask = npt.NDArray[np.bool_]


class Walk:
    """One walk: rows that wait to be expanded, the best first, and the allowed rows kept.

    Args:
        arrays: The arrays of the segment.
        mask: Rows allowed; None for all. The walk goes through the others, too.
        ef: Allowed rows kept on the way; the walk ends when no row that waits is better.
        score: Gives the scores of rows.
        take: Is told of allowed rows and their scores.

    Example:
        >>> arrays = {"graph": np.array([[1], [0]], np.int32), "rows": np.zeros((2, 1))}
        >>> taken: list[int] = []
        >>> walk = Walk(arrays, None, 2, lambda rows: rows * np.float32(1),
        ...             lambda rows, scores: taken.extend(rows.tolist()))
        >>> walk.run(np.array([0], np.int32))
        >>> taken
        [0, 1]
    """

    def __init__(
        self,
        arrays: dict[str, npt.NDArray[Any]],
        mask: Mask | None,
        ef: int,
        score: Callable[[Positions], Vectors],
        take: Callable[[Positions, Vectors], None],
    ) -> None:
        self._graph = arrays["graph"]
        self._mask = mask
        self._ef = ef
        self._score, self._take = score, take
        self._visited = np.zeros(len(arrays["rows"]), dtype=np.bool_)
        self._waiting: list[tuple[float, int]] = []
        self._kept: list[float] = []

    def run(self, entries: Positions, barred: int = -1) -> None:
        """Walk from these rows, but never into `barred`."""
        if barred >= 0:
            self._visited[barred] = True
            entries = entries[entries != barred]
        self._visited[entries] = True
        if len(entries):
            self._meet(entries)
        while self._waiting:
            score, row = self._waiting[0]
            if len(self._kept) == self._ef and -score < self._kept[0]:
                return
            heapq.heappop(self._waiting)
            edges = self._graph[row]
            edges = edges[edges >= 0]
            met = edges[~self._visited[edges]]
            self._visited[met] = True
            if len(met):
                self._meet(met)

    def _meet(self, rows: Positions) -> None:
        scores = self._score(rows)
        taken = []
        for index, (row, score) in enumerate(zip(rows.tolist(), scores.tolist(), strict=True)):
            if len(self._kept) == self._ef and score <= self._kept[0]:
                continue
            if len(self._waiting) < FRONTIER:
                heapq.heappush(self._waiting, (-score, row))
            if self._mask is not None and not self._mask[row]:
                continue
            taken.append(index)
            if len(self._kept) < self._ef:
                heapq.heappush(self._kept, score)
            else:
                heapq.heapreplace(self._kept, score)
        self._take(rows[taken], scores[taken])


def nearest_clusters(near: Vectors) -> npt.NDArray[np.int64]:
    """Return the clusters with the best centres, equal ones by number."""
    return np.lexsort((np.arange(len(near)), -near))[:NEAREST]
