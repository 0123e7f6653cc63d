"""Attributes of numbered rows in columns: label sets and integers, for millions of rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]

#: The value of an integer column where a row has none.
MISSING = int(np.iinfo(np.int64).min)


@dataclass(frozen=True, slots=True)
class Labels:
    """One set-valued attribute: the labels of row `r` are `codes[starts[r]:starts[r + 1]]`.

    Args:
        values: Every label, by code.
        starts: [n + 1].
        codes: Sorted and distinct within a row.

    Example:
        >>> labels = Labels.of([("b", "a"), (), ("a", "a")])
        >>> labels.row(0), labels.rows_with("a").tolist()
        (('a', 'b'), [0, 2])
    """

    values: tuple[str, ...]
    starts: Integers
    codes: Codes

    @classmethod
    def of(cls, rows: Iterable[Sequence[str]]) -> Labels:
        """Return the labels of rows given as strings."""
        sets = [sorted(set(row)) for row in rows]
        values = tuple(sorted({label for row in sets for label in row}))
        code = {label: index for index, label in enumerate(values)}
        return cls(
            values,
            np.concatenate(([0], np.cumsum([len(row) for row in sets]))).astype(np.int64),
            np.array([code[label] for row in sets for label in row], dtype=np.int32),
        )

    @classmethod
    def of_pairs(
        cls, values: Sequence[str], size: int, rows: npt.NDArray[np.integer], codes: Codes
    ) -> Labels:
        """Return the labels of `size` rows given as (row, code) pairs, in any order, repeats too.

        Shape:
            `rows` and `codes` [pairs].
        """
        keys = np.unique(rows.astype(np.int64) * len(values) + codes)
        counts = np.bincount(keys // max(len(values), 1), minlength=size)
        starts = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
        return cls(tuple(values), starts, (keys % max(len(values), 1)).astype(np.int32))

    @property
    def rows(self) -> int:
        """Return how many rows there are."""
        return len(self.starts) - 1

    def row(self, row: int) -> tuple[str, ...]:
        """Return the labels of a row."""
        return tuple(
            self.values[code] for code in self.codes[self.starts[row] : self.starts[row + 1]]
        )

    def frequencies(self) -> Integers:
        """Return in how many rows each label stands, by code."""
        return np.bincount(self.codes, minlength=len(self.values)).astype(np.int64)

    def rows_with(self, label: str) -> Integers:
        """Return the rows that hold a label, in order; none for a label that nobody has."""
        try:
            code = self.values.index(label)
        except ValueError:
            return np.zeros(0, dtype=np.int64)
        places = np.flatnonzero(self.codes == code)
        return np.searchsorted(self.starts, places, side="right").astype(np.int64) - 1

    def take(self, rows: Integers) -> Labels:
        """Return the labels of some rows, renumbered from 0 in the order given."""
        counts = self.starts[rows + 1] - self.starts[rows]
        starts = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
        inside = np.arange(starts[-1]) - np.repeat(starts[:-1], counts)
        return Labels(
            self.values, starts, self.codes[np.repeat(self.starts[rows], counts) + inside]
        )


@dataclass(frozen=True, slots=True)
class Attributes:
    """All attributes of n rows.

    Args:
        labels: Set-valued attributes by name.
        numbers: Integer columns by name, [n]; `MISSING` where a row has none.

    Example:
        >>> papers = Attributes({"cat": Labels.of([("cs.cl",), ()])}, {"year": np.array([2024, 7])})
        >>> papers.rows, papers.numbers["year"].tolist()
        (2, [2024, 7])
    """

    labels: Mapping[str, Labels] = field(default_factory=dict)
    numbers: Mapping[str, Integers] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Return how many rows there are; 0 without any attribute."""
        for labels in self.labels.values():
            return labels.rows
        for column in self.numbers.values():
            return len(column)
        return 0

    def take(self, rows: Integers) -> Attributes:
        """Return the attributes of some rows, renumbered from 0 in the order given."""
        return Attributes(
            {name: labels.take(rows) for name, labels in self.labels.items()},
            {name: column[rows] for name, column in self.numbers.items()},
        )
