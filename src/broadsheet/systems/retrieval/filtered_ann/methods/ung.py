"""UNG: one graph per set of labels, joined along the order of inclusion.

Source: Cai, Shi, Chen, Zheng 2024, "Navigating Labels and Vectors: A Unified Approach to Filtered
Approximate Nearest Neighbor Search".
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
    one_query,
    unit_rows,
)
from broadsheet.systems.retrieval.filtered_ann.methods.labelspace import LabelSpace, Starts
from broadsheet.systems.retrieval.filtered_ann.methods.ung_graph import (
    minimal_supersets,
    walk_rows,
)
from broadsheet.systems.retrieval.filtered_ann.methods.vamana import build_flat, medoid


@dataclass(slots=True)
class LabelSets:
    """The groups of rows with the same labels in a column, those with fewer labels first.

    Args:
        space: The column's labels.
        members: Rows of each group.
        starts: [g + 1].
        codes: Labels of each group, sorted.
        holders: Groups that hold a label, by label, those with fewer labels first.

    Example:
        >>> from broadsheet.data.worlds.attributes import Labels
        >>> cat = Labels.of([("a", "b"), ("a",), ("a", "b", "c")])
        >>> sets = LabelSets.of(LabelSpace.of(Attributes({"cat": cat}), ["cat"]))
        >>> [rows.tolist() for rows in sets.members], [sets.children(g).tolist() for g in range(3)]
        ([[1], [0], [2]], [[1], [2], []])
    """

    space: LabelSpace
    members: list[Rows]
    starts: Starts
    codes: Rows
    holders: dict[int, Rows]

    @classmethod
    def of(cls, space: LabelSpace) -> LabelSets:
        """Group the rows; rows without labels form no group."""
        found: dict[tuple[int, ...], list[int]] = {}
        codes, starts = space.codes.tolist(), space.starts.tolist()
        for row in range(len(starts) - 1):
            if starts[row] < starts[row + 1]:
                found.setdefault(tuple(codes[starts[row] : starts[row + 1]]), []).append(row)
        keys = sorted(found, key=lambda key: (len(key), key))
        holders: dict[int, list[int]] = {}
        for group, key in enumerate(keys):
            for code in key:
                holders.setdefault(code, []).append(group)
        return cls(
            space,
            [np.array(found[key], np.int32) for key in keys],
            np.concatenate(([0], np.cumsum([len(key) for key in keys]))).astype(np.int64),
            np.array([code for key in keys for code in key], np.int32),
            {code: np.array(groups, np.int32) for code, groups in holders.items()},
        )

    def labels(self, group: int) -> Rows:
        """Return the labels of a group."""
        return self.codes[self.starts[group] : self.starts[group + 1]]

    def children(self, group: int) -> Rows:
        """Return the minimal proper supersets of a group: its successors in the graph of sets."""
        return self._minimal(self.labels(group), 1)

    def entries(self, wanted: Rows) -> Rows:
        """Return the minimal groups among those with all wanted labels (sorted, at least one)."""
        return self._minimal(wanted, 0)

    def _minimal(self, wanted: Rows, more: int) -> Rows:
        candidates = min(
            (self.holders.get(int(code), np.zeros(0, np.int32)) for code in wanted), key=len
        )
        return minimal_supersets(wanted, candidates, self.starts, self.codes, more)


@dataclass(slots=True)
class _Navigating:
    """The graph of one column."""

    sets: LabelSets
    doors: Rows
    offsets: Starts
    targets: Rows
    entered: dict[tuple[int, ...], Rows] = field(default_factory=dict)

    def entries(self, codes: tuple[int, ...]) -> Rows:
        """Return the rows where a query for these labels begins."""
        if codes not in self.entered:
            groups = self.sets.entries(np.array(codes, np.int32))
            self.entered[codes] = self.doors[groups]
        return self.entered[codes]

    def bytes_used(self) -> int:
        """Return the size of links, doors and label sets."""
        arrays = (self.doors, self.offsets, self.targets, self.sets.starts, self.sets.codes)
        return sum(array.nbytes for array in arrays)


@dataclass(slots=True)
class Ung:
    """A walk that begins at the smallest sets holding the labels asked for and only goes up.

    Each set of labels that occurs has a graph of its rows; each row also links to its nearest rows
    in the minimal supersets of its set, and every such superset is linked to at least once. So a
    walk meets matching rows only, all of them within reach, and never tests the predicate.
    Answers one label, or an AND of labels of one column. The budget is the beam's width.

    Args:
        seeds: Gives the orders of insertion.
        degree: Most links of a row within its group.
        width: The beam while building.
        alpha: Slack of the prune, on distances.
        crossing: Links of a row into supersets.

    Example:
        >>> from broadsheet.index.predicates import AllOf, Contains
        >>> a, b = Contains("cat", "x"), Contains("venue", "y")
        >>> Ung(SeedTree(1)).supports(a), Ung(SeedTree(1)).supports(AllOf((a, b)))
        (True, False)
    """

    seeds: SeedTree
    degree: int = 24
    width: int = 60
    alpha: float = 1.2
    crossing: int = 6
    name: str = "UNG"
    budgets: tuple[int, ...] = (10, 20, 40, 80, 160, 320, 640)
    _vectors: Vectors | None = None
    _attributes: Attributes | None = None
    _graphs: dict[str, _Navigating] = field(default_factory=dict)
    _seen: Rows | None = None
    _stamp: int = 0

    def supports(self, predicate: Predicate) -> bool:
        """Tell whether the predicate is one label or an AND of labels of one column."""
        return len({part.name for part in conjuncts(predicate)}) == 1

    def fit(self, vectors: Vectors, attributes: Attributes) -> None:
        """Build the graph of every label column."""
        rows = unit_rows(vectors)
        self._graphs = {
            name: self._graph(rows, LabelSets.of(LabelSpace.of(attributes, (name,))), name)
            for name in sorted(attributes.labels)
        }
        self._vectors, self._attributes = rows, attributes
        self._seen, self._stamp = np.zeros(len(rows), np.int32), 0

    def search(
        self, query: Vectors, predicate: Predicate, k: int, budget: int, allowed: Mask | None = None
    ) -> Ids:
        """Return the nearest rows that the walk reached; all of them match.

        Raises:
            BadInput: k < 1, or a predicate that is not supported.
            UsageError: Not fitted.
        """
        query = one_query(query)
        check(self.name, supported=self.supports(predicate), predicate=predicate, k=k)
        fitted(self.name, self._attributes)
        parts = conjuncts(predicate)
        graph = self._graphs.get(parts[0].name)
        codes = sorted({graph.sets.space.code(part) for part in parts}) if graph else [-1]
        vectors, seen = self._vectors, self._seen
        if graph is None or vectors is None or seen is None or codes[0] < 0:
            return np.zeros(0, np.int64)
        self._stamp += 1
        width = max(budget, k)
        entries = graph.entries(tuple(codes))
        rows = walk_rows(
            vectors, graph.offsets, graph.targets, query, entries, width, seen, self._stamp
        )
        return rows[:k].astype(np.int64)

    def bytes_used(self) -> int:
        """Return the size of the vectors and of all graphs."""
        if self._vectors is None:
            return 0
        return self._vectors.nbytes + sum(graph.bytes_used() for graph in self._graphs.values())

    def _graph(self, vectors: Vectors, sets: LabelSets, column: str) -> _Navigating:
        draw = self.seeds.child("order", column).numpy()
        doors = np.zeros(len(sets.members), np.int32)
        sources, targets = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)]
        for group, members in enumerate(sets.members):
            part = vectors[members]
            start = medoid(part)
            doors[group] = members[start]
            if len(members) > 1:
                order = draw.permutation(len(members)).astype(np.int32)
                degree = min(self.degree, len(members) - 1)
                slack = np.float32(self.alpha**2)
                links = build_flat(part, order, start, degree, self.width, slack)
                line, place = np.nonzero(links >= 0)
                sources.append(members[line])
                targets.append(members[links[line, place]])
            children = [sets.members[child] for child in sets.children(group)]
            if children:
                crossing = _cross(vectors, members, children, self.crossing)
                sources.append(crossing[0])
                targets.append(crossing[1])
        source = np.concatenate(sources)
        by_source = np.argsort(source, kind="stable")
        counts = np.bincount(source, minlength=len(vectors))
        offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
        return _Navigating(sets, doors, offsets, np.concatenate(targets)[by_source])


def _cross(
    vectors: Vectors, members: Rows, children: list[Rows], crossing: int
) -> tuple[Rows, Rows]:
    """Return links from rows of a group to their nearest in the children, each child met."""
    others = np.concatenate(children)
    child_of = np.repeat(np.arange(len(children)), [len(child) for child in children])
    scores = vectors[members] @ vectors[others].T
    count = min(crossing, len(others))
    best = np.argpartition(-scores, count - 1, axis=1)[:, :count]
    source = np.repeat(members, count)
    target = others[best.ravel()]
    missed = np.setdiff1d(np.arange(len(children)), child_of[best.ravel()])
    if len(missed):
        column_best = np.argmax(scores, axis=0)
        column_score = scores[column_best, np.arange(len(others))]
        begins = np.concatenate(([0], np.cumsum([len(child) for child in children])))
        nearest = [
            begins[child] + int(np.argmax(column_score[begins[child] : begins[child + 1]]))
            for child in missed
        ]
        source = np.concatenate((source, members[column_best[nearest]]))
        target = np.concatenate((target, others[nearest]))
    return source.astype(np.int32), target.astype(np.int32)
