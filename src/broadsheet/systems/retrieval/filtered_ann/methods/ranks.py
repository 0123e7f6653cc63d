"""Rows in the order of a number, for the methods that index ranges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from broadsheet.data.worlds.attributes import MISSING
from broadsheet.index.predicates import Between
from broadsheet.systems.retrieval.filtered_ann.methods.beams import Rows, Vectors

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ranked:
    """The rows that have a number, in its growing order, equal numbers by row.

    Args:
        rows: [m], row of each rank.
        numbers: [m], growing.
        vectors: [m, d], by rank.

    Example:
        >>> ranked = Ranked.of(np.eye(3, dtype=np.float32), np.array([5, MISSING, 2]))
        >>> ranked.rows.tolist(), ranked.span(Between("day", 3, 9))
        ([2, 0], (1, 2))
    """

    rows: Rows
    numbers: Numbers
    vectors: Vectors

    @classmethod
    def of(cls, vectors: Vectors, numbers: Numbers) -> Ranked:
        """Sort the rows by a column.

        Shape:
            vectors [n, d], numbers [n].
        """
        order = np.argsort(numbers, kind="stable")
        order = order[numbers[order] != MISSING]
        return cls(order.astype(np.int32), numbers[order], np.ascontiguousarray(vectors[order]))

    def span(self, part: Between) -> tuple[int, int]:
        """Return the ranks [begin, end) whose numbers lie in a range."""
        begin = int(np.searchsorted(self.numbers, part.low, side="left"))
        end = int(np.searchsorted(self.numbers, part.high, side="right"))
        return begin, max(begin, end)

    def bytes_used(self) -> int:
        """Return the size of the three arrays."""
        return self.rows.nbytes + self.numbers.nbytes + self.vectors.nbytes
