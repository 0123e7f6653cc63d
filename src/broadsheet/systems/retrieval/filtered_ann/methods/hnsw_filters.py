"""Two ways to filter with an ordinary HNSW graph: after the walk, or while it runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from broadsheet.core.seeds import SeedTree
from broadsheet.data.worlds.attributes import Attributes
from broadsheet.index.predicates import Predicate
from broadsheet.systems.retrieval.filtered_ann.interface import Ids, Mask
from broadsheet.systems.retrieval.filtered_ann.methods.asking import (
    check,
    first,
    fitted,
    mask_of,
)
from broadsheet.systems.retrieval.filtered_ann.methods.beams import (
    Vectors,
    one_query,
    unit_rows,
)
from broadsheet.systems.retrieval.filtered_ann.methods.hnsw import Hnsw


@dataclass(slots=True)
class PostFilterHnsw:
    """Search without the filter, drop what does not match, fetch twice as many until k are left.

    The budget is the first beam's width. Answers every predicate.

    Args:
        seeds: Gives the graph's levels.
        degree: M of HNSW.
        width: The beam while building.
        most: The widest beam tried; then the method returns what it has.

    Example:
        >>> PostFilterHnsw(SeedTree(1)).name
        'post-filter HNSW'
    """

    seeds: SeedTree
    degree: int = 16
    width: int = 100
    most: int = 4096
    name: str = "post-filter HNSW"
    budgets: tuple[int, ...] = (10, 20, 40, 80, 160, 320, 640)
    _graph: Hnsw | None = None
    _attributes: Attributes | None = None

    def supports(self, predicate: Predicate) -> bool:
        """Tell whether the predicate can be answered: always."""
        return True

    def fit(self, vectors: Vectors, attributes: Attributes) -> None:
        """Build the graph; the attributes play no part in it."""
        self._graph = Hnsw.build(
            unit_rows(vectors), self.seeds, degree=self.degree, width=self.width
        )
        self._attributes = attributes

    def search(
        self, query: Vectors, predicate: Predicate, k: int, budget: int, allowed: Mask | None = None
    ) -> Ids:
        """Return the matching rows among the nearest; see the class for when it gives up.

        Raises:
            BadInput: k < 1.
            UsageError: Not fitted.
        """
        query = one_query(query)
        check(self.name, supported=True, predicate=predicate, k=k)
        mask = mask_of(predicate, fitted(self.name, self._attributes), allowed)
        assert self._graph is not None  # noqa: S101 - set together with the attributes
        most = min(self.most, len(mask))
        width = min(max(budget, k), most)
        while True:
            found = first(self._graph.search(query, width), mask, k)
            if len(found) >= k or width >= most:
                return found
            width = min(2 * width, most)

    def bytes_used(self) -> int:
        """Return the size of vectors and graph."""
        return 0 if self._graph is None else self._graph.bytes_used()


@dataclass(slots=True)
class InFilterHnsw:
    """Walk over all rows with a beam of the budget's width and keep the matching rows met.

    Answers every predicate; a rare one is missed silently, for nothing makes the beam wider.

    Args:
        seeds: Gives the graph's levels.
        degree: M of HNSW.
        width: The beam while building.

    Example:
        >>> InFilterHnsw(SeedTree(1)).name
        'in-filter HNSW'
    """

    seeds: SeedTree
    degree: int = 16
    width: int = 100
    name: str = "in-filter HNSW"
    budgets: tuple[int, ...] = (10, 20, 40, 80, 160, 320, 640, 1280)
    _graph: Hnsw | None = None
    _attributes: Attributes | None = None

    def supports(self, predicate: Predicate) -> bool:
        """Tell whether the predicate can be answered: always."""
        return True

    def fit(self, vectors: Vectors, attributes: Attributes) -> None:
        """Build the graph; the attributes play no part in it."""
        self._graph = Hnsw.build(
            unit_rows(vectors), self.seeds, degree=self.degree, width=self.width
        )
        self._attributes = attributes

    def search(
        self, query: Vectors, predicate: Predicate, k: int, budget: int, allowed: Mask | None = None
    ) -> Ids:
        """Return the nearest matching rows that the walk met.

        Raises:
            BadInput: k < 1.
            UsageError: Not fitted.
        """
        query = one_query(query)
        check(self.name, supported=True, predicate=predicate, k=k)
        mask = mask_of(predicate, fitted(self.name, self._attributes), allowed)
        assert self._graph is not None  # noqa: S101 - set together with the attributes
        rows = self._graph.search_collecting(query, max(budget, k), mask, k)
        return rows.astype(np.int64)

    def bytes_used(self) -> int:
        """Return the size of vectors and graph."""
        return 0 if self._graph is None else self._graph.bytes_used()
