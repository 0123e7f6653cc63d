"""SeRF: ranges answered by one segment graph per number column.

Source: Zuo, Qiao, Zhou, Li, Deng 2024, "SeRF: Segment Graph for Range-Filtering Approximate Nearest
Neighbor Search".
"""

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
    one_query,
    unit_rows,
)
from broadsheet.systems.retrieval.filtered_ann.methods.labelspace import Starts
from broadsheet.systems.retrieval.filtered_ann.methods.ranks import Ranked
from broadsheet.systems.retrieval.filtered_ann.methods.serf_graph import (
    Segments,
    build_segments,
    walk_range,
)


@dataclass(slots=True)
class SegmentGraph:
    """The links of one column by row, each with the ranges for which it holds.

    Args:
        ranked: The rows by rank.
        offsets: [m + 1], where each rank's links begin.
        segments: [links, 4]: target, left, bound, end; see `serf_graph`.
        seen: [m], scratch.
        stamp: The last stamp used in it.
    """

    ranked: Ranked
    offsets: Starts
    segments: Segments
    seen: Rows
    stamp: int = 0

    @classmethod
    def build(
        cls, ranked: Ranked, *, degree: int, width: int, pool: int, leap: float
    ) -> SegmentGraph:
        """Insert the rows by rank; the arguments are those of `build_segments`."""
        table, _, _ = build_segments(ranked.vectors, degree, width, pool, leap)
        table = table[np.argsort(table[:, 0], kind="stable")]
        counts = np.bincount(table[:, 0], minlength=len(ranked.rows))
        offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
        seen = np.zeros(len(ranked.rows), np.int32)
        return cls(ranked, offsets, np.ascontiguousarray(table[:, 1:]), seen)

    def links_at(self, rank: int, low: int, high: int) -> Rows:
        """Return the targets of a rank's links that hold for the ranks low..high, sorted."""
        own = self.segments[self.offsets[rank] : self.offsets[rank + 1]]
        target, left, bound, end = own.T
        good = (left <= low) & (low <= bound) & (high < end) & (low <= target) & (target <= high)
        return np.unique(target[good]).astype(np.int32)

    def search(self, query: Vectors, begin: int, end: int, width: int, entries: int) -> Rows:
        """Return the rows of a beam over the ranks [begin, end), nearest first."""
        starts = np.linspace(begin, end - 1, min(entries, end - begin)).astype(np.int32)
        self.stamp += 1
        ranks = walk_range(
            self.ranked.vectors,
            self.offsets,
            self.segments,
            query,
            begin,
            end - 1,
            starts,
            width,
            self.seen,
            self.stamp,
        )
        return self.ranked.rows[ranks]

    def bytes_used(self) -> int:
        """Return the size of rows and links."""
        return self.ranked.bytes_used() + self.offsets.nbytes + self.segments.nbytes


@dataclass(slots=True)
class Serf:
    """One segment graph per number column. Answers a range of one column, nothing else.

    The budget is the beam's width.

    Args:
        degree: Most links of a batch.
        width: The beam while building.
        pool: Candidates kept for the batches of later ranges.
        leap: How far a batch reaches, see `serf_graph.batches`.
        entries: Ranks, evenly spread over the range, where a search begins.

    Example:
        >>> from broadsheet.index.predicates import Between, Contains
        >>> Serf().supports(Between("day", 1, 2)), Serf().supports(Contains("cat", "x"))
        (True, False)
    """

    degree: int = 16
    width: int = 100
    pool: int = 600
    leap: float = 0.5
    entries: int = 8
    name: str = "SeRF"
    budgets: tuple[int, ...] = (10, 20, 40, 80, 160, 320, 640)
    _attributes: Attributes | None = None
    _graphs: dict[str, SegmentGraph] = field(default_factory=dict)

    def supports(self, predicate: Predicate) -> bool:
        """Tell whether the predicate is one range."""
        return only_range(predicate) is not None

    def fit(self, vectors: Vectors, attributes: Attributes) -> None:
        """Build a graph per number column."""
        rows = unit_rows(vectors)
        self._graphs = {}
        for name in sorted(attributes.numbers):
            self._graphs[name] = SegmentGraph.build(
                Ranked.of(rows, attributes.numbers[name]),
                degree=self.degree,
                width=self.width,
                pool=self.pool,
                leap=self.leap,
            )
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
        graph = self._graphs.get(part.name)
        begin, end = (0, 0) if graph is None else graph.ranked.span(part)
        if graph is None or begin == end:
            return np.zeros(0, np.int64)
        return graph.search(query, begin, end, max(budget, k), self.entries)[:k].astype(np.int64)

    def bytes_used(self) -> int:
        """Return the size of all graphs."""
        return sum(graph.bytes_used() for graph in self._graphs.values())
