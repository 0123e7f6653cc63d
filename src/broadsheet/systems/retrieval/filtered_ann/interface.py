"""What every method offers: fit once, then search under a predicate within a budget.

Shapes: n rows, d dimensions, k neighbours. Similarity is the inner product, larger is nearer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt

from broadsheet.data.worlds.attributes import MISSING, Attributes
from broadsheet.index.predicates import (
    AllOf,
    AnyOf,
    Between,
    Contains,
    Document,
    In,
    Not,
    Predicate,
)

Vectors = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Ids = npt.NDArray[np.int64]


class Method(Protocol):
    """A filtered index: rows are named by their position in the arrays given to `fit`.

    Attributes:
        name: Unique among the methods; the arm's name in the report.
        budgets: The sweep of its one effort setting, from cheap to thorough. What the number
            means (beam width, lists visited, share over-fetched) is the method's own affair.
    """

    @property
    def name(self) -> str:
        """Return the method's name, unique among all methods."""
        ...

    @property
    def budgets(self) -> tuple[int, ...]:
        """Return the efforts to sweep, growing."""
        ...

    def supports(self, predicate: Predicate) -> bool:
        """Tell whether the method can answer under this predicate; costs nothing."""
        ...

    def fit(self, vectors: Vectors, attributes: Attributes) -> None:
        """Build the index.

        Shape:
            vectors [n, d], float32.
        """
        ...

    def search(
        self, query: Vectors, predicate: Predicate, k: int, budget: int, allowed: Mask | None = None
    ) -> Ids:
        """Return at most k rows that satisfy the predicate, best first, without repeats.

        Args:
            query: [d].
            predicate: One that `supports` accepts.
            k: At least 1.
            budget: One of `budgets`.
            allowed: The predicate already evaluated, [n]; None makes the method evaluate it.

        Shape:
            [<= k]; shorter when the method found fewer.
        """
        ...

    def bytes_used(self) -> int:
        """Return the size of everything that `search` reads, the vectors included."""
        ...


def evaluate(predicate: Predicate, attributes: Attributes) -> Mask:
    """Return which rows satisfy a predicate.

    Shape:
        [n].
    """
    match predicate:
        case Contains(name, value):
            found = np.zeros(attributes.rows, dtype=np.bool_)
            if name in attributes.labels:
                found[attributes.labels[name].rows_with(value)] = True
            return found
        case In(name, values):
            found = np.zeros(attributes.rows, dtype=np.bool_)
            for value in values if name in attributes.labels else ():
                found[attributes.labels[name].rows_with(value)] = True
            return found
        case Between(name, low, high):
            column = attributes.numbers.get(name)
            if column is None:
                return np.zeros(attributes.rows, dtype=np.bool_)
            inside: Mask = (column >= low) & (column <= high) & (column != MISSING)
            return inside
        case AllOf(parts):
            found = np.ones(attributes.rows, dtype=np.bool_)
            for part in parts:
                found &= evaluate(part, attributes)
            return found
        case AnyOf(parts):
            found = np.zeros(attributes.rows, dtype=np.bool_)
            for part in parts:
                found |= evaluate(part, attributes)
            return found
        case Not(part):
            return ~evaluate(part, attributes)


def documents(attributes: Attributes, rows: range | None = None) -> Iterator[Document]:
    """Yield rows as documents of an `AttributeStore`, numbered by row.

    Args:
        attributes: Of all rows.
        rows: Which rows; all by default.
    """
    for row in range(attributes.rows) if rows is None else rows:
        yield Document(
            number=row,
            title="",
            terms={name: labels.row(row) for name, labels in attributes.labels.items()},
            numbers={
                name: int(column[row])
                for name, column in attributes.numbers.items()
                if column[row] != MISSING
            },
        )
