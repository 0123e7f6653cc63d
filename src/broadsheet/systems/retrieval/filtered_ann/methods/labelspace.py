"""All labels of some columns as one universe of codes, by row and by label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from broadsheet.core.errors import BadInput
from broadsheet.data.worlds.attributes import Attributes, Labels
from broadsheet.index.predicates import Contains
from broadsheet.systems.retrieval.filtered_ann.methods.beams import Mask, Rows

Starts = npt.NDArray[np.int64]

#: Labels a row may have: kernels hold a row's labels as the bits of one word.
MOST_LABELS = 62


@dataclass(frozen=True, slots=True)
class LabelSpace:
    """Labels of several columns, numbered through.

    Args:
        numbers: Column to value to code.
        starts: [n + 1], where the codes of each row begin.
        codes: Sorted within a row.
        holders_starts: [labels + 1], where the rows of each label begin.
        holders: Rows, growing within a label.

    Example:
        >>> space = LabelSpace.of(Attributes({"cat": Labels.of([("a", "b"), ("b",)])}), ["cat"])
        >>> space.code(Contains("cat", "b")), space.rows_with(1).tolist()
        (1, [0, 1])
        >>> space.code(Contains("cat", "c"))
        -1
    """

    numbers: Mapping[str, Mapping[str, int]]
    starts: Starts
    codes: Rows
    holders_starts: Starts
    holders: Rows

    @classmethod
    def of(cls, attributes: Attributes, columns: Iterable[str]) -> LabelSpace:
        """Number the labels of some columns.

        Raises:
            BadInput: A row has more labels than `MOST_LABELS`.
        """
        numbers: dict[str, dict[str, int]] = {}
        rows, codes, offset = [], [], 0
        for name in columns:
            labels = attributes.labels[name]
            numbers[name] = {value: offset + code for code, value in enumerate(labels.values)}
            rows.append(np.repeat(np.arange(labels.rows), np.diff(labels.starts)))
            codes.append(labels.codes.astype(np.int64) + offset)
            offset += len(labels.values)
        row = np.concatenate(rows or [np.zeros(0, np.int64)])
        code = np.concatenate(codes or [np.zeros(0, np.int64)])
        counts = np.bincount(row, minlength=attributes.rows)
        if len(counts) and counts.max() > MOST_LABELS:
            raise BadInput(
                f"a row has more than {MOST_LABELS} labels",
                received=str(counts.max()),
                hint="index fewer columns",
            )
        by_row = np.lexsort((code, row))
        by_label = np.lexsort((row, code))
        per_label = np.bincount(code, minlength=offset)
        return cls(
            numbers,
            np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
            code[by_row].astype(np.int32),
            np.concatenate(([0], np.cumsum(per_label))).astype(np.int64),
            row[by_label].astype(np.int32),
        )

    @property
    def size(self) -> int:
        """Return how many labels there are."""
        return len(self.holders_starts) - 1

    def code(self, part: Contains) -> int:
        """Return a label's code, -1 where no column has it."""
        return self.numbers.get(part.name, {}).get(part.value, -1)

    def rows_with(self, code: int) -> Rows:
        """Return the rows that hold a label."""
        return self.holders[self.holders_starts[code] : self.holders_starts[code + 1]]

    def count(self, code: int) -> int:
        """Return how many rows hold a label."""
        return int(self.holders_starts[code + 1] - self.holders_starts[code])

    def bytes_used(self) -> int:
        """Return the size of the four arrays."""
        arrays = (self.starts, self.codes, self.holders_starts, self.holders)
        return sum(array.nbytes for array in arrays)


def single_valued(labels: Labels) -> Mask | np.bool_:
    """Tell whether every row has exactly one label."""
    return np.bool_(np.all(np.diff(labels.starts) == 1))
