"""What lies near a query, and the walk over the neighbour graph: the native steps in numpy."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from broadsheet.index.compact.arithmetic import Query, eight_dots
from broadsheet.index.compact.layout import Bits, Positions, Vectors

#: Clusters in which the density of matches is measured, and where a walk begins.
NEAREST = 8
#: Shares of their rows, as fractions, from which on some and many are allowed.
BORDERS = ((1, 20), (2, 5))
#: Few, some, many.
LEVELS = len(BORDERS) + 1
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


@dataclass(frozen=True, slots=True)
class Near:
    """The neighbourhood of a query.

    Attributes:
        scores: float32 [lists], of the centres.
        nearest: The clusters with the best centres, equal ones by number; at most `NEAREST`.
        rows: Rows of these clusters.
        matches: How many of the rows are allowed.

    Example:
        >>> Near(np.zeros(1, np.float32), np.zeros(1, np.int64), rows=10, matches=3).level
        1
    """

    scores: Vectors
    nearest: npt.NDArray[np.int64]
    rows: int
    matches: int

    @property
    def level(self) -> int:
        """How many of the rows near the query are allowed: 0 few, 1 some, 2 many."""
        return level_of(self.matches, self.rows)


def level_of(matches: int, rows: int) -> int:
    """Return 0 where few of the rows are allowed, 1 where some are, 2 where many are.

    Example:
        >>> level_of(4, 100), level_of(5, 100), level_of(40, 100)
        (0, 1, 2)
    """
    return sum(matches * whole >= rows * part for part, whole in BORDERS)


def look_near(arrays: dict[str, npt.NDArray[Any]], query: Query, bits: Bits | None) -> Near:
    """Score all centres and count what is allowed in the nearest clusters."""
    scores = eight_dots(arrays["centres"], arrays["centre_scales"], query)
    nearest = np.lexsort((np.arange(len(scores)), -scores))[:NEAREST]
    spans = [(int(arrays["starts"][c]), int(arrays["starts"][c + 1])) for c in nearest]
    rows = matches = sum(high - low for low, high in spans)
    if bits is not None:
        mask = bits.mask()
        matches = sum(int(mask[low:high].sum()) for low, high in spans)
    return Near(scores, nearest, rows, matches)
