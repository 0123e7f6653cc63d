"""The columns of an attribute store: inverted lists of terms, and integers by value and by rank."""

from __future__ import annotations

import bisect
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from broadsheet.index.bitmaps import Ids, Mask
from broadsheet.index.predicates import Document

Integers = npt.NDArray[np.int64]

#: Stands in a column for "no value".
MISSING = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class Postings:
    """One set-valued attribute: documents of value `i` are `numbers[starts[i]:starts[i + 1]]`."""

    values: tuple[str, ...]
    starts: Integers
    numbers: Ids

    def of(self, value: str) -> Ids:
        """Return the documents that have a value, ascending."""
        position = bisect.bisect_left(self.values, value)
        if position == len(self.values) or self.values[position] != value:
            return self.numbers[:0]
        return self.numbers[self.starts[position] : self.starts[position + 1]]


NO_POSTINGS = Postings((), np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.int32))


class NumberColumn:
    """One integer attribute by document number, and the documents in the order of their values.

    The order is made when a range is first asked for (some 80 ms at a million documents), so that
    opening a store does not wait for it.

    Args:
        values: By document number, `MISSING` where there is none.
    """

    def __init__(self, values: Integers) -> None:
        self.values = values
        self._lock = threading.Lock()
        self._sorted: tuple[Integers, Ids] | None = None

    def among(self, mask: Mask) -> Integers:
        """Return the values of the masked documents, those without one left out."""
        values = self.values[mask]
        known: Integers = values[values != MISSING]
        return known

    def between(self, low: int, high: int) -> Ids:
        """Return the documents with a value in [low, high], in the order of their values."""
        first, last, ranked = self._range(low, high)
        return ranked[first:last]

    def ranks(self, low: int, high: int) -> tuple[int, int]:
        """Return where the documents with a value in [low, high] begin and end in `ranked`."""
        first, last, _ = self._range(low, high)
        return first, max(first, last)

    def ranked(self) -> Ids:
        """Return all documents with a value, in the order of their values."""
        return self._range(0, 0)[2]

    def count(self, low: int, high: int) -> int:
        """Return how many documents have a value in [low, high], without listing them."""
        first, last, _ = self._range(low, high)
        return max(last - first, 0)

    def _range(self, low: int, high: int) -> tuple[int, int, Ids]:
        with self._lock:
            if self._sorted is None:
                ranked = np.argsort(self.values, kind="stable").astype(np.int32)
                ranked = ranked[int((self.values == MISSING).sum()) :]
                self._sorted = self.values[ranked], ranked
        values, ranked = self._sorted
        limits = np.iinfo(np.int64)
        if low > high or low > limits.max or high <= limits.min:
            return 0, 0, ranked
        begin = np.searchsorted(values, max(low, limits.min), "left")
        return int(begin), int(np.searchsorted(values, min(high, limits.max), "right")), ranked


def holds(column: npt.NDArray[np.integer], low: int, high: int) -> Mask:
    """Return where the values of a column, its type's lowest for none, lie in [low, high].

    Shape:
        [len(column)].
    """
    limits = np.iinfo(column.dtype)
    if low > high or low > limits.max or high <= limits.min:
        return np.zeros(len(column), dtype=np.bool_)
    inside: Mask = column >= column.dtype.type(max(low, limits.min + 1))
    inside &= column <= column.dtype.type(min(high, limits.max))
    return inside


def merged(before: Postings, kept: Mask, fresh: Mapping[int, Document], name: str) -> Postings:
    """Return an attribute's posting lists: what is kept of the old ones, and the fresh terms."""
    added = [
        (value, number) for number, one in fresh.items() for value in set(one.terms.get(name, ()))
    ]
    values = sorted({*before.values, *(value for value, _ in added)})
    position = {value: index for index, value in enumerate(values)}
    value_ids = np.array([position[value] for value, _ in added], dtype=np.int64)
    numbers = np.array([number for _, number in added], dtype=np.int32)
    if before.values:
        renamed = np.array([position[value] for value in before.values], dtype=np.int64)
        ids = np.repeat(renamed, np.diff(before.starts))
        alive = kept[before.numbers]
        value_ids = np.concatenate((ids[alive], value_ids))
        numbers = np.concatenate((before.numbers[alive], numbers))
    order = np.lexsort((numbers, value_ids))
    totals = np.bincount(value_ids, minlength=len(values))
    used = np.flatnonzero(totals)
    starts = np.concatenate(([0], np.cumsum(totals[used]))).astype(np.int64)
    return Postings(tuple(values[index] for index in used), starts, numbers[order])


def frequent(values: Sequence[str], totals: Integers, limit: int) -> list[tuple[str, int]]:
    """Return the values with the highest totals; of equal ones those that come first."""
    # What ties with the last place goes by value, that is, by position.
    least = max(int(np.partition(totals, -limit)[-limit]) if limit < len(totals) else 1, 1)
    above = np.flatnonzero(totals > least)
    order = [*above[np.argsort(-totals[above], kind="stable")], *np.flatnonzero(totals == least)]
    return [(values[i], int(totals[i])) for i in order[:limit]]
