"""Ranges answered by a segment tree of graphs, one tree per number column (iRangeGraph)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from broadsheet.data.worlds.attributes import Attributes
from broadsheet.index.predicates import Predicate
from broadsheet.systems.retrieval.filtered_ann.interface import Ids, Mask
from broadsheet.systems.retrieval.filtered_ann.methods.asking import check, fitted, only_range
from broadsheet.systems.retrieval.filtered_ann.methods.beams import (
    Rows,
    Vectors,
    nearest_of,
    one_query,
    unit_rows,
)
from broadsheet.systems.retrieval.filtered_ann.methods.range_tree import (
    Tower,
    build_tower,
    decompose,
    heights,
    walk_tower,
)
from broadsheet.systems.retrieval.filtered_ann.methods.ranks import Ranked


@dataclass(slots=True)
class _Tree:
    ranked: Ranked
    tower: Tower
    seen: Rows
    stamp: int = 0

    def bytes_used(self) -> int:
        """Return the size of rows and links."""
        return self.ranked.bytes_used() + self.tower.nbytes


@dataclass(slots=True)
class SegmentTreeGraph:
    """A graph per block of ranks; a query improvises the graph of its own range from them.

    Answers a range of one number column. A range of no more than `leaf` ranks is scanned. The
    budget is the beam's width.

    Args:
        degree: Most links of a rank at each height, and of a rank in a query's graph.
        width: The beam of the search in the other half while building.
        leaf: Ranks in the smallest blocks.

    Example:
        >>> from broadsheet.index.predicates import Between, Contains
        >>> method = SegmentTreeGraph()
        >>> method.supports(Between("day", 1, 2)), method.supports(Contains("cat", "x"))
        (True, False)
    """

    degree: int = 16
    width: int = 32
    leaf: int = 64
    name: str = "segment-tree graph"
    budgets: tuple[int, ...] = (10, 20, 40, 80, 160, 320, 640)
    _attributes: Attributes | None = None
    _trees: dict[str, _Tree] = field(default_factory=dict)

    def supports(self, predicate: Predicate) -> bool:
        """Tell whether the predicate is one range."""
        return only_range(predicate) is not None

    def fit(self, vectors: Vectors, attributes: Attributes) -> None:
        """Build a tree per number column."""
        rows = unit_rows(vectors)
        self._trees = {}
        for name in sorted(attributes.numbers):
            ranked = Ranked.of(rows, attributes.numbers[name])
            count = len(ranked.rows)
            if count:
                levels = heights(count, self.leaf)
                tower = build_tower(ranked.vectors, levels, self.leaf, self.degree, self.width)
                self._trees[name] = _Tree(ranked, tower, np.zeros(count, np.int32))
        self._attributes = attributes

    def search(
        self, query: Vectors, predicate: Predicate, k: int, budget: int, allowed: Mask | None = None
    ) -> Ids:
        """Return the nearest rows of the range that the walk reached.

        Raises:
            BadInput: k < 1, or a predicate that is not supported.
            UsageError: Not fitted.
        """
        part = only_range(predicate)
        query = one_query(query)
        check(self.name, supported=part is not None, predicate=predicate, k=k)
        fitted(self.name, self._attributes)
        assert part is not None  # noqa: S101 - just checked
        tree = self._trees.get(part.name)
        begin, end = (0, 0) if tree is None else tree.ranked.span(part)
        if tree is None or begin == end:
            return np.zeros(0, np.int64)
        if end - begin <= self.leaf:
            ranks = np.arange(begin, end, dtype=np.int32)
            ranks = nearest_of(tree.ranked.vectors, ranks, query, k)
            return tree.ranked.rows[ranks].astype(np.int64)
        pieces = decompose(begin, end, len(tree.ranked.rows), self.leaf)
        entries = np.array([(low + high) // 2 for _, low, high in pieces], np.int32)
        tree.stamp += 1
        ranks = walk_tower(
            tree.ranked.vectors,
            tree.tower,
            self.leaf,
            query,
            begin,
            end,
            entries,
            max(budget, k),
            tree.seen,
            tree.stamp,
        )
        return tree.ranked.rows[ranks[:k]].astype(np.int64)

    def bytes_used(self) -> int:
        """Return the size of all trees."""
        return sum(tree.bytes_used() for tree in self._trees.values())
