"""Exact search over the rows that match: the filter comes first, nothing is approximated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from broadsheet.data.worlds.attributes import Attributes
from broadsheet.index.predicates import Predicate
from broadsheet.systems.retrieval.filtered_ann.interface import Ids, Mask
from broadsheet.systems.retrieval.filtered_ann.methods.asking import check, fitted, mask_of
from broadsheet.systems.retrieval.filtered_ann.methods.beams import (
    Vectors,
    nearest_of,
    one_query,
    unit_rows,
)


@dataclass(slots=True)
class ExactPreFilter:
    """Scan the matching rows. Answers every predicate; the budget changes nothing.

    Example:
        >>> from broadsheet.index.predicates import Between
        >>> method = ExactPreFilter()
        >>> method.fit(np.eye(3, dtype=np.float32), Attributes({}, {"day": np.array([1, 2, 3])}))
        >>> method.search(np.eye(3, dtype=np.float32)[0], Between("day", 2, 3), 1, 1).tolist()
        [1]
    """

    name: str = "pre-filter exact"
    budgets: tuple[int, ...] = (1,)
    _vectors: Vectors | None = None
    _attributes: Attributes | None = None

    def supports(self, predicate: Predicate) -> bool:
        """Tell whether the predicate can be answered: always."""
        return True

    def fit(self, vectors: Vectors, attributes: Attributes) -> None:
        """Keep the rows."""
        self._vectors, self._attributes = unit_rows(vectors), attributes

    def search(
        self, query: Vectors, predicate: Predicate, k: int, budget: int, allowed: Mask | None = None
    ) -> Ids:
        """Return the k nearest matching rows.

        Raises:
            BadInput: k < 1.
            UsageError: Not fitted.
        """
        query = one_query(query)
        check(self.name, supported=True, predicate=predicate, k=k)
        attributes = fitted(self.name, self._attributes)
        assert self._vectors is not None  # noqa: S101 - set together with the attributes
        rows = np.flatnonzero(mask_of(predicate, attributes, allowed)).astype(np.int32)
        return nearest_of(self._vectors, rows, query, k).astype(np.int64)

    def bytes_used(self) -> int:
        """Return the size of the vectors."""
        return 0 if self._vectors is None else self._vectors.nbytes
