"""IVF^2: a posting list per label, and the long ones are inverted files themselves.

Source: ParlayIVF, the winner among open entries of the NeurIPS 2023 big-ann-benchmarks filter
track (Simhadri et al. 2024); rows with both labels of an AND are found by intersection.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from broadsheet.core.seeds import SeedTree
from broadsheet.data.worlds.attributes import Attributes
from broadsheet.index.predicates import Predicate
from broadsheet.systems.retrieval.filtered_ann.interface import Ids, Mask
from broadsheet.systems.retrieval.filtered_ann.methods.asking import check, conjuncts, fitted
from broadsheet.systems.retrieval.filtered_ann.methods.beams import (
    Rows,
    Vectors,
    nearest_of,
    one_query,
    unit_rows,
)
from broadsheet.systems.retrieval.filtered_ann.methods.clusters import Partition
from broadsheet.systems.retrieval.filtered_ann.methods.labelspace import LabelSpace
from broadsheet.systems.retrieval.filtered_ann.methods.scanning import scan_spans


@dataclass(slots=True)
class IvfSquared:
    """Posting lists per label; a long one is clustered on its own.

    Answers one label or an AND of labels. Where every label asked for is rare, or few rows have
    all of them, those rows are scanned; else the lists of the rarest long label are visited and
    the other labels tested. The budget is the share of a label's rows visited, in rows per 1,000.

    Args:
        seeds: Gives the clusters.
        long: A label with more rows gets clusters of its own.
        list_size: Rows per cluster aimed at.
        few: An AND that matches at most so many rows is scanned.

    Example:
        >>> from broadsheet.index.predicates import AnyOf, Contains
        >>> method = IvfSquared(SeedTree(1))
        >>> one = Contains("cat", "x")
        >>> method.supports(one), method.supports(AnyOf((one,)))
        (True, False)
    """

    seeds: SeedTree
    long: int = 1000
    list_size: int = 60
    few: int = 1000
    name: str = "IVF^2"
    budgets: tuple[int, ...] = (5, 10, 20, 40, 80, 160, 320, 640, 1000)
    _vectors: Vectors | None = None
    _attributes: Attributes | None = None
    _space: LabelSpace | None = None
    _files: dict[int, Partition] = field(default_factory=dict)

    def supports(self, predicate: Predicate) -> bool:
        """Tell whether the predicate is one label or an AND of labels."""
        return bool(conjuncts(predicate))

    def fit(self, vectors: Vectors, attributes: Attributes) -> None:
        """Cluster the rows of every frequent label."""
        rows = unit_rows(vectors)
        space = LabelSpace.of(attributes, sorted(attributes.labels))
        self._files = {}
        for code in np.flatnonzero(np.diff(space.holders_starts) > self.long):
            members = space.rows_with(int(code))
            count = max(2, len(members) // self.list_size)
            part = Partition.of(rows[members], count, self.seeds.child("label", int(code)))
            self._files[int(code)] = Partition(part.centres, part.starts, members[part.rows])
        self._vectors, self._attributes, self._space = rows, attributes, space

    def search(
        self, query: Vectors, predicate: Predicate, k: int, budget: int, allowed: Mask | None = None
    ) -> Ids:
        """Return the nearest rows that hold all labels, among those visited.

        Raises:
            BadInput: k < 1, or a predicate that is not supported.
            UsageError: Not fitted.
        """
        query = one_query(query)
        check(self.name, supported=self.supports(predicate), predicate=predicate, k=k)
        fitted(self.name, self._attributes)
        space, vectors = self._space, self._vectors
        assert space is not None and vectors is not None  # noqa: S101, PT018 - set together
        codes = [space.code(part) for part in conjuncts(predicate)]
        if min(codes) < 0:
            return np.zeros(0, np.int64)
        codes.sort(key=space.count)
        rarest, others = codes[0], codes[1:]
        if rarest not in self._files:
            rows = space.rows_with(rarest)
            return nearest_of(vectors, _intersect(space, rows, others), query, k).astype(np.int64)
        mask = np.ones(len(vectors), np.bool_)
        if others:
            rows = _intersect(space, space.rows_with(rarest), others)
            if len(rows) <= self.few:
                return nearest_of(vectors, rows, query, k).astype(np.int64)
            mask[:] = False
            mask[rows] = True
        file = self._files[rarest]
        near = file.nearest(query, max(1, round(budget * len(file.centres) / 1000)))
        begins, ends = file.starts[near], file.starts[near + 1]
        return scan_spans(vectors, file.rows, begins, ends, query, mask, k).astype(np.int64)

    def bytes_used(self) -> int:
        """Return the size of vectors, posting lists and clusters."""
        if self._space is None or self._vectors is None:
            return 0
        files = sum(file.bytes_used() for file in self._files.values())
        return self._vectors.nbytes + self._space.bytes_used() + files


def _intersect(space: LabelSpace, rows: Rows, others: list[int]) -> Rows:
    for code in others:
        rows = np.intersect1d(rows, space.rows_with(code), assume_unique=True)
    return rows
