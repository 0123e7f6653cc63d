"""FilteredVamana and StitchedVamana: graphs that stay connected inside every label.

Source: Gollapudi et al. 2023, "Filtered-DiskANN: Graph Algorithms for Approximate Nearest Neighbor
Search with Filters", algorithms 1 to 5.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from broadsheet.core.seeds import SeedTree
from broadsheet.data.worlds.attributes import Attributes
from broadsheet.index.predicates import Contains, Predicate
from broadsheet.systems.retrieval.filtered_ann.interface import Ids, Mask
from broadsheet.systems.retrieval.filtered_ann.methods.asking import (
    alternatives,
    check,
    fitted,
    mask_of,
)
from broadsheet.systems.retrieval.filtered_ann.methods.beams import (
    Rows,
    Vectors,
    nearest_of,
    one_query,
    unit_rows,
)
from broadsheet.systems.retrieval.filtered_ann.methods.label_pruning import (
    build_filtered,
    prune_union,
)
from broadsheet.systems.retrieval.filtered_ann.methods.labelspace import LabelSpace, Starts
from broadsheet.systems.retrieval.filtered_ann.methods.vamana import build_flat, medoid
from broadsheet.systems.retrieval.filtered_ann.methods.walking import Links, walk


def spread_entries(space: LabelSpace, sample: int, draw: np.random.Generator) -> Rows:
    """Return one entry row per label, -1 for a label without rows.

    Of `sample` rows of the label, the one that is the entry of fewest labels so far is taken.

    Source: Filtered-DiskANN, algorithm 2.
    """
    load = np.zeros(len(space.starts) - 1, np.int64)
    entries = np.full(space.size, -1, np.int32)
    for code in np.flatnonzero(np.diff(space.holders_starts)):
        rows = space.rows_with(int(code))
        some = rows if len(rows) <= sample else rows[draw.integers(0, len(rows), sample)]
        entry = some[np.argmin(load[some])]
        load[entry] += 1
        entries[code] = entry
    return entries


@dataclass(slots=True)
class LabelGraph:
    """A flat graph over all rows, with the entry of each label.

    Args:
        vectors: [n, d].
        space: The labels.
        entries: [labels], a row each, -1 for a label without rows.
        links: [n, degree].
        seen: [n], scratch.
        stamp: The last stamp used in it.
    """

    vectors: Vectors
    space: LabelSpace
    entries: Rows
    links: Links
    seen: Rows
    stamp: int = 0

    def search(self, query: Vectors, parts: Iterable[Contains], width: int, allowed: Mask) -> Rows:
        """Walk inside the allowed rows from the entries of those labels that the graph knows."""
        codes = [self.space.code(part) for part in parts]
        starts = self.entries[[code for code in codes if code >= 0]]
        self.stamp += 1
        _, rows = walk(
            self.vectors,
            self.links,
            np.zeros(0, np.int64),
            0,
            query,
            np.unique(starts[starts >= 0]),
            width,
            allowed,
            self.seen,
            self.stamp,
        )
        return rows

    def bytes_used(self) -> int:
        """Return the size of links and entries, without the vectors."""
        return self.links.nbytes + self.entries.nbytes


@dataclass(slots=True)
class FilteredVamana:
    """A graph per label column, built by walks that keep to the rows of a label.

    Answers one label, or an OR of labels; of rows with several labels a prune keeps what each
    label needs. A row is looked for once per label of its own, so that rare labels are not crowded
    out of one beam, and each column has a graph of its own: with all columns in one, a row has more
    labels than its links can serve. The budget is the beam's width.

    Args:
        seeds: Gives the order of insertion and the entries.
        degree: Most links of a row in a column's graph.
        width: The beam while building.
        alpha: Slack of the prune, on distances.
        sample: Rows looked at for a label's entry.

    Example:
        >>> from broadsheet.index.predicates import AllOf, AnyOf, Contains
        >>> method = FilteredVamana(SeedTree(1))
        >>> one = Contains("cat", "x")
        >>> method.supports(one), method.supports(AnyOf((one, one))), method.supports(AllOf(()))
        (True, True, False)
    """

    seeds: SeedTree
    degree: int = 64
    width: int = 40
    alpha: float = 1.2
    sample: int = 32
    name: str = "FilteredVamana"
    budgets: tuple[int, ...] = (10, 20, 40, 80, 160, 320)
    _graphs: dict[str, LabelGraph] = field(default_factory=dict)
    _attributes: Attributes | None = None

    def supports(self, predicate: Predicate) -> bool:
        """Tell whether the predicate is one label or an OR of labels."""
        return bool(alternatives(predicate))

    def fit(self, vectors: Vectors, attributes: Attributes) -> None:
        """Build the graph of every label column.

        Raises:
            BadInput: A row has too many labels.
        """
        rows = unit_rows(vectors)
        self._graphs = {}
        for name in sorted(attributes.labels):
            space = LabelSpace.of(attributes, (name,))
            seeds = self.seeds.child(name)
            entries = spread_entries(space, self.sample, seeds.child("entries").numpy())
            order = seeds.child("order").numpy().permutation(len(rows)).astype(np.int32)
            slack = np.float32(self.alpha**2)
            links = build_filtered(
                rows, space.starts, space.codes, order, entries, self.degree, self.width, slack
            )
            used = max(1, int((links >= 0).sum(axis=1).max()))
            links = np.ascontiguousarray(links[:, :used])
            self._graphs[name] = LabelGraph(rows, space, entries, links, np.zeros(len(rows), "i4"))
        self._attributes = attributes

    def search(
        self, query: Vectors, predicate: Predicate, k: int, budget: int, allowed: Mask | None = None
    ) -> Ids:
        """Return the nearest matching rows that the walks reached, one per column asked for.

        Raises:
            BadInput: k < 1, or a predicate that is not supported.
            UsageError: Not fitted.
        """
        query = one_query(query)
        check(self.name, supported=self.supports(predicate), predicate=predicate, k=k)
        mask = mask_of(predicate, fitted(self.name, self._attributes), allowed)
        parts = alternatives(predicate)
        graphs = [self._graphs[name] for name in {p.name: 0 for p in parts} if name in self._graphs]
        found = [graph.search(query, parts, max(budget, k), mask) for graph in graphs]
        if len(found) == 1:
            return found[0][:k].astype(np.int64)
        if not found:
            return np.zeros(0, np.int64)
        rows = np.unique(np.concatenate(found))
        return nearest_of(graphs[0].vectors, rows, query, k).astype(np.int64)

    def bytes_used(self) -> int:
        """Return the size of vectors, links and entries."""
        graphs = tuple(self._graphs.values())
        vectors = graphs[0].vectors.nbytes if graphs else 0
        return vectors + sum(graph.bytes_used() for graph in graphs)


@dataclass(slots=True)
class StitchedVamana:
    """One Vamana graph per label, laid over one another and pruned with the labels in mind.

    Answers one label, or an OR of labels. The budget is the beam's width.

    Args:
        seeds: Gives the orders of insertion.
        degree: Most links of a row in the end.
        small_degree: Most links of a row in the graph of one label.
        width: The beam while building.
        alpha: Slack of the prune, on distances.

    Example:
        >>> StitchedVamana(SeedTree(1)).name
        'StitchedVamana'
    """

    seeds: SeedTree
    degree: int = 64
    small_degree: int = 16
    width: int = 50
    alpha: float = 1.2
    name: str = "StitchedVamana"
    budgets: tuple[int, ...] = (10, 20, 40, 80, 160, 320)
    _graph: LabelGraph | None = None
    _attributes: Attributes | None = None

    def supports(self, predicate: Predicate) -> bool:
        """Tell whether the predicate is one label or an OR of labels."""
        return bool(alternatives(predicate))

    def fit(self, vectors: Vectors, attributes: Attributes) -> None:
        """Build a graph per label of all columns, and their union.

        Raises:
            BadInput: A row has too many labels.
        """
        rows = unit_rows(vectors)
        space = LabelSpace.of(attributes, sorted(attributes.labels))
        draw = self.seeds.child("order").numpy()
        slack = np.float32(self.alpha**2)
        entries = np.full(space.size, -1, np.int32)
        keys: list[Ids] = []
        for code in np.flatnonzero(np.diff(space.holders_starts)):
            members = space.rows_with(int(code))
            part = rows[members]
            start = medoid(part)
            entries[code] = members[start]
            order = draw.permutation(len(members)).astype(np.int32)
            links = build_flat(part, order, start, self.small_degree, self.width, slack)
            source, place = np.nonzero(links >= 0)
            target = members[links[source, place]].astype(np.int64)
            keys.append(members[source].astype(np.int64) * len(rows) + target)
        offsets, targets = _union(keys, len(rows))
        links = prune_union(rows, space.starts, space.codes, offsets, targets, self.degree, slack)
        seen = np.zeros(len(rows), np.int32)
        self._graph = LabelGraph(rows, space, entries, links, seen)
        self._attributes = attributes

    def search(
        self, query: Vectors, predicate: Predicate, k: int, budget: int, allowed: Mask | None = None
    ) -> Ids:
        """Return the nearest matching rows that the walk reached.

        Raises:
            BadInput: k < 1, or a predicate that is not supported.
            UsageError: Not fitted.
        """
        query = one_query(query)
        check(self.name, supported=self.supports(predicate), predicate=predicate, k=k)
        mask = mask_of(predicate, fitted(self.name, self._attributes), allowed)
        assert self._graph is not None  # noqa: S101 - set together with the attributes
        rows = self._graph.search(query, alternatives(predicate), max(budget, k), mask)
        return rows[:k].astype(np.int64)

    def bytes_used(self) -> int:
        """Return the size of vectors, links and entries."""
        graph = self._graph
        return 0 if graph is None else graph.vectors.nbytes + graph.bytes_used()


def _union(keys: list[Ids], rows: int) -> tuple[Starts, Rows]:
    """Return the distinct links of all graphs by row, given as source * rows + target."""
    distinct = np.unique(np.concatenate(keys or [np.zeros(0, np.int64)]))
    counts = np.bincount(distinct // rows, minlength=rows)
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    return offsets, (distinct % rows).astype(np.int32)
