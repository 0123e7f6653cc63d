"""NHQ: one proximity graph under a distance that counts attribute mismatches too.

Source: Wang et al. 2023, "An Efficient and Robust Framework for Approximate Nearest Neighbor Search
with Attribute Constraint": one distance of vectors and attributes, in the graph and in the search.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from broadsheet.core.seeds import SeedTree
from broadsheet.data.worlds.attributes import Attributes
from broadsheet.index.predicates import Predicate
from broadsheet.systems.retrieval.filtered_ann.interface import Ids, Mask
from broadsheet.systems.retrieval.filtered_ann.methods.asking import (
    check,
    conjuncts,
    first,
    fitted,
    mask_of,
)
from broadsheet.systems.retrieval.filtered_ann.methods.beams import (
    Gaps,
    Rows,
    Vectors,
    gap_to,
    insert_open,
    one_query,
    unit_rows,
)
from broadsheet.systems.retrieval.filtered_ann.methods.compiling import compiled
from broadsheet.systems.retrieval.filtered_ann.methods.labelspace import (
    LabelSpace,
    single_valued,
)
from broadsheet.systems.retrieval.filtered_ann.methods.pruning import degree_of, set_links
from broadsheet.systems.retrieval.filtered_ann.methods.vamana import medoid
from broadsheet.systems.retrieval.filtered_ann.methods.walking import Links


@compiled
def fused_gap(
    vectors: Vectors, values: Rows, row: int, query: Vectors, wanted: Rows, weight: np.float32
) -> np.float32:
    """Return the gap to a row plus `weight` times its share of mismatched attributes.

    Args:
        values: [n, columns], the rows' values.
        wanted: [columns], -1 where any value will do.
    """
    asked, missed = 0, 0
    for column in range(wanted.shape[0]):
        if wanted[column] >= 0:
            asked += 1
            if values[row, column] != wanted[column]:
                missed += 1
    gap = gap_to(vectors, row, query)
    if missed:
        gap += weight * np.float32(missed / asked)
    return gap


@compiled
def walk_fused(
    vectors: Vectors,
    values: Rows,
    links: Links,
    query: Vectors,
    wanted: Rows,
    weight: np.float32,
    entries: Rows,
    width: int,
    seen: Rows,
    stamp: int,
) -> tuple[Gaps, Rows]:
    """Walk from the entries under the fused distance; return the beam, nearest first."""
    gaps = np.empty(width, np.float32)
    rows = np.empty(width, np.int32)
    spent = np.empty(width, np.bool_)
    size = 0
    for place in range(entries.shape[0]):
        row = entries[place]
        if seen[row] == stamp:
            continue
        seen[row] = stamp
        gap = fused_gap(vectors, values, row, query, wanted, weight)
        if insert_open(gaps, rows, spent, size, gap, row) >= 0 and size < width:
            size += 1
    at = 0
    while at < size:
        if spent[at]:
            at += 1
            continue
        spent[at] = True
        line = rows[at]
        nearest = at + 1
        for place in range(links.shape[1]):
            row = links[line, place]
            if row < 0:
                break
            if seen[row] == stamp:
                continue
            seen[row] = stamp
            gap = fused_gap(vectors, values, row, query, wanted, weight)
            found = insert_open(gaps, rows, spent, size, gap, row)
            if found >= 0:
                if size < width:
                    size += 1
                nearest = min(nearest, found)
        at = nearest
    return gaps[:size], rows[:size]


@compiled
def _prune_fused(
    vectors: Vectors, values: Rows, gaps: Gaps, rows: Rows, limit: int, weight: np.float32
) -> Rows:
    kept = np.empty(min(limit, rows.shape[0]), np.int32)
    size = 0
    for place in range(rows.shape[0]):
        if size == limit:
            break
        row = rows[place]
        good = True
        for other in range(size):
            near = fused_gap(vectors, values, kept[other], vectors[row], values[row], weight)
            if near <= gaps[place]:
                good = False
                break
        if good:
            kept[size] = row
            size += 1
    return kept[:size]


@compiled
def _link_back(
    vectors: Vectors, values: Rows, links: Links, owner: int, new: int, weight: np.float32
) -> None:
    degree = degree_of(links, owner)
    if degree < links.shape[1]:
        links[owner, degree] = new
        return
    rows = np.empty(degree + 1, np.int32)
    rows[:degree] = links[owner, :degree]
    rows[degree] = new
    gaps = np.empty(degree + 1, np.float32)
    for place in range(degree + 1):
        gaps[place] = fused_gap(vectors, values, rows[place], vectors[owner], values[owner], weight)
    order = np.argsort(gaps)
    chosen = _prune_fused(vectors, values, gaps[order], rows[order], links.shape[1], weight)
    set_links(links, owner, chosen)


@compiled
def _build(
    vectors: Vectors,
    values: Rows,
    order: Rows,
    start: int,
    degree: int,
    width: int,
    weight: np.float32,
) -> Links:
    count = vectors.shape[0]
    links = np.full((count, degree), np.int32(-1), np.int32)
    seen = np.zeros(count, np.int32)
    entries = np.empty(1, np.int32)
    entries[0] = start
    stamp = 0
    for place in range(count):
        row = order[place]
        if row == start:
            continue
        stamp += 1
        gaps, rows = walk_fused(
            vectors,
            values,
            links,
            vectors[row],
            values[row],
            weight,
            entries,
            width,
            seen,
            stamp,
        )
        chosen = _prune_fused(vectors, values, gaps, rows, degree, weight)
        set_links(links, row, chosen)
        for other in range(chosen.shape[0]):
            _link_back(vectors, values, links, chosen[other], row, weight)
    return links


@dataclass(slots=True)
class _Graph:
    """The graph of some columns fused with the vectors."""

    space: LabelSpace
    columns: tuple[str, ...]
    values: Rows
    links: Links
    entries: Rows
    seen: Rows
    stamp: int = 0


@dataclass(slots=True)
class Nhq:
    """Equality on columns of which every row has one value, by a fused distance.

    Answers one label of such a column, or an AND of labels of different ones. What the walk finds
    may violate the predicate (the distance only discourages it) and is dropped at the end. The
    budget is the beam's width.

    Args:
        seeds: Gives the order of insertion.
        degree: Most links of a row.
        width: The beam while building.
        weight: Of a mismatch in all attributes asked for, on gaps.
        entries: Random rows where a search begins, beside the one nearest to the mean.

    Example:
        >>> Nhq(SeedTree(1)).name
        'NHQ'
    """

    seeds: SeedTree
    degree: int = 32
    width: int = 100
    weight: float = 0.5
    entries: int = 16
    name: str = "NHQ"
    budgets: tuple[int, ...] = (10, 20, 40, 80, 160, 320, 640)
    _vectors: Vectors | None = None
    _attributes: Attributes | None = None
    _graph: _Graph | None = None

    def supports(self, predicate: Predicate) -> bool:
        """Tell whether the predicate is labels of columns with one value a row, all required."""
        parts = conjuncts(predicate)
        if self._graph is None or not parts:
            return bool(parts)
        columns = [part.name for part in parts]
        return len(set(columns)) == len(columns) and set(columns) <= set(self._graph.columns)

    def fit(self, vectors: Vectors, attributes: Attributes) -> None:
        """Build the graph over the columns of which every row has exactly one label."""
        rows = unit_rows(vectors)
        columns = tuple(
            sorted(name for name, labels in attributes.labels.items() if single_valued(labels))
        )
        space = LabelSpace.of(attributes, columns)
        values = np.ascontiguousarray(space.codes.reshape(len(rows), len(columns)))
        start = medoid(rows)
        order = self.seeds.child("order").numpy().permutation(len(rows)).astype(np.int32)
        links = _build(rows, values, order, start, self.degree, self.width, np.float32(self.weight))
        entries = np.append(order[: self.entries], np.int32(start))
        seen = np.zeros(len(rows), np.int32)
        self._graph = _Graph(space, columns, values, links, np.unique(entries), seen)
        self._vectors, self._attributes = rows, attributes

    def search(
        self, query: Vectors, predicate: Predicate, k: int, budget: int, allowed: Mask | None = None
    ) -> Ids:
        """Return the matching rows of the beam.

        Raises:
            BadInput: k < 1, or a predicate that is not supported.
            UsageError: Not fitted.
        """
        query = one_query(query)
        check(self.name, supported=self.supports(predicate), predicate=predicate, k=k)
        mask = mask_of(predicate, fitted(self.name, self._attributes), allowed)
        graph, vectors = self._graph, self._vectors
        assert graph is not None and vectors is not None  # noqa: S101, PT018 - set together
        wanted = np.full(len(graph.columns), -1, np.int32)
        for part in conjuncts(predicate):
            code = graph.space.code(part)
            if code < 0:
                return np.zeros(0, np.int64)
            wanted[graph.columns.index(part.name)] = code
        graph.stamp += 1
        _, rows = walk_fused(
            vectors,
            graph.values,
            graph.links,
            query,
            wanted,
            np.float32(self.weight),
            graph.entries,
            max(budget, k),
            graph.seen,
            graph.stamp,
        )
        return first(rows, mask, k)

    def bytes_used(self) -> int:
        """Return the size of vectors, values and links."""
        if self._graph is None or self._vectors is None:
            return 0
        return self._vectors.nbytes + self._graph.values.nbytes + self._graph.links.nbytes
