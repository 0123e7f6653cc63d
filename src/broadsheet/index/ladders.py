"""Wide ranges of a column as packed bits, without reading the column."""

from __future__ import annotations

import numpy as np

from broadsheet.index.bitmaps import Bits, Ids

#: Sets kept for a column; a million documents take 125 kB each.
RUNGS = 64


class Ladder:
    """Sets of the documents with the lowest values: rung i holds the first i of `RUNGS` shares.

    A range is the difference of the two rungs nearest to its ends, put right by the few documents
    between rung and end.

    Args:
        places: Position of each document in the order of its value; -1 for one without position.
        size: Number of positions.

    Example:
        >>> ladder = Ladder(np.array([3, 1, 0, 2], dtype=np.int32), 4)
        >>> ladder.between(1, 3).ids().tolist()
        [0, 1]
    """

    def __init__(self, places: Ids, size: int) -> None:
        self._places = places
        self._size = size
        self._edges = np.linspace(0, len(places), RUNGS + 1).astype(np.int64)
        rung = Bits.none(size)
        self._rungs = [rung]
        for first, last in zip(self._edges[:-1], self._edges[1:], strict=True):
            rung = rung | self._run(int(first), int(last))
            self._rungs.append(rung)

    def between(self, first: int, last: int) -> Bits:
        """Return the positions of the documents from rank `first` to before rank `last`."""
        low, high = self._nearest(first), self._nearest(last)
        return self._below(last, high) - self._below(first, low)

    def _below(self, rank: int, rung: int) -> Bits:
        """Return the documents before a rank, from the rung next to it."""
        edge = int(self._edges[rung])
        if rank == edge:
            return self._rungs[rung]
        between = self._run(min(rank, edge), max(rank, edge))
        return self._rungs[rung] | between if rank > edge else self._rungs[rung] - between

    def _nearest(self, rank: int) -> int:
        above = int(np.searchsorted(self._edges, rank))
        if above and rank - self._edges[above - 1] < self._edges[above] - rank:
            return above - 1
        return above

    def _run(self, first: int, last: int) -> Bits:
        places = self._places[first:last]
        return Bits.of_ids(places[places >= 0], self._size)
