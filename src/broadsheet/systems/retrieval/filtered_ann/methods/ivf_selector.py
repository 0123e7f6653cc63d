"""IVF with a selector: the lists nearest to the query, each of their rows tested."""

from __future__ import annotations

from dataclasses import dataclass

from broadsheet.core.seeds import SeedTree
from broadsheet.data.worlds.attributes import Attributes
from broadsheet.index.predicates import Predicate
from broadsheet.systems.retrieval.filtered_ann.interface import Ids, Mask
from broadsheet.systems.retrieval.filtered_ann.methods.asking import check, fitted, mask_of
from broadsheet.systems.retrieval.filtered_ann.methods.beams import (
    Vectors,
    one_query,
    unit_rows,
)
from broadsheet.systems.retrieval.filtered_ann.methods.clusters import Partition
from broadsheet.systems.retrieval.filtered_ann.methods.scanning import scan_spans


@dataclass(slots=True)
class IvfSelector:
    """Inverted lists by k-means; the predicate is tested on every row of the lists visited.

    Answers every predicate. The budget is the number of lists visited.

    Args:
        seeds: Gives the clusters.
        scale: Lists, in units of sqrt(n).

    Example:
        >>> IvfSelector(SeedTree(1)).name
        'IVF + selector'
    """

    seeds: SeedTree
    scale: float = 2.0
    name: str = "IVF + selector"
    budgets: tuple[int, ...] = (2, 4, 8, 16, 32, 64, 128, 256, 512)
    _vectors: Vectors | None = None
    _attributes: Attributes | None = None
    _lists: Partition | None = None

    def supports(self, predicate: Predicate) -> bool:
        """Tell whether the predicate can be answered: always."""
        return True

    def fit(self, vectors: Vectors, attributes: Attributes) -> None:
        """Cluster the rows; the attributes play no part in it."""
        rows = unit_rows(vectors)
        count = max(1, round(self.scale * len(rows) ** 0.5))
        self._lists = Partition.of(rows, count, self.seeds)
        self._vectors, self._attributes = rows, attributes

    def search(
        self, query: Vectors, predicate: Predicate, k: int, budget: int, allowed: Mask | None = None
    ) -> Ids:
        """Return the nearest matching rows of the `budget` nearest lists.

        Raises:
            BadInput: k < 1.
            UsageError: Not fitted.
        """
        query = one_query(query)
        check(self.name, supported=True, predicate=predicate, k=k)
        mask = mask_of(predicate, fitted(self.name, self._attributes), allowed)
        lists, vectors = self._lists, self._vectors
        assert lists is not None and vectors is not None  # noqa: S101, PT018 - set together
        near = lists.nearest(query, budget)
        begins, ends = lists.starts[near], lists.starts[near + 1]
        return scan_spans(vectors, lists.rows, begins, ends, query, mask, k).astype("int64")

    def bytes_used(self) -> int:
        """Return the size of vectors, centres and lists."""
        if self._lists is None or self._vectors is None:
            return 0
        return self._vectors.nbytes + self._lists.bytes_used()
