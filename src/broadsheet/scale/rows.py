"""Rows as they travel between the lake, the workers and the shards: documents in columns."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from broadsheet.core.errors import BadInput
from broadsheet.data.worlds.attributes import MISSING, Attributes, Labels

Numbers = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Some documents in columns.

    Args:
        numbers: int64 [n], the number of each document.
        vectors: float32 [n, dim].
        attributes: Of the n documents, in the same order; may be empty.

    Raises:
        BadInput: The columns have different lengths.

    Example:
        >>> rows = Rows(numbers=np.array([7, 3]), vectors=np.eye(2, dtype=np.float32))
        >>> rows.take(np.array([1])).numbers.tolist()
        [3]
    """

    numbers: Numbers
    vectors: Vectors
    attributes: Attributes = field(default_factory=Attributes)

    def __post_init__(self) -> None:
        lengths = {len(self.numbers), len(self.vectors)}
        lengths |= {len(column) for column in self.attributes.numbers.values()}
        lengths |= {labels.rows for labels in self.attributes.labels.values()}
        if len(lengths) != 1 or self.vectors.ndim != 2:
            raise BadInput("the columns of some rows do not fit", received=sorted(lengths))

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, order: npt.NDArray[np.integer]) -> Rows:
        """Return some of the rows, in the order given."""
        places = order.astype(np.int64)
        return Rows(
            numbers=self.numbers[places],
            vectors=self.vectors[places],
            attributes=self.attributes.take(places),
        )


__all__ = ["MISSING", "Attributes", "Labels", "Numbers", "Rows", "Vectors"]
