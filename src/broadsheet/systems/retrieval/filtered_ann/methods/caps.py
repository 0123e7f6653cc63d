"""CAPS: clusters, and in each a tree that splits off its most frequent attribute values.

Source: Gupta et al. 2023, "CAPS: A Practical Partition Index for Filtered Similarity Search"; the
tree is the truncated Huffman-like one: one value leaves the rest at each step.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from broadsheet.core.seeds import SeedTree
from broadsheet.data.worlds.attributes import Attributes
from broadsheet.index.predicates import Predicate
from broadsheet.systems.retrieval.filtered_ann.interface import Ids, Mask
from broadsheet.systems.retrieval.filtered_ann.methods.asking import (
    check,
    conjuncts,
    fitted,
    mask_of,
)
from broadsheet.systems.retrieval.filtered_ann.methods.beams import (
    Rows,
    Vectors,
    one_query,
    unit_rows,
)
from broadsheet.systems.retrieval.filtered_ann.methods.clusters import Partition
from broadsheet.systems.retrieval.filtered_ann.methods.compiling import compiled
from broadsheet.systems.retrieval.filtered_ann.methods.labelspace import (
    LabelSpace,
    Starts,
    single_valued,
)
from broadsheet.systems.retrieval.filtered_ann.methods.scanning import scan_spans


def split_off(space: LabelSpace, rows: Rows, height: int) -> tuple[list[int], list[Rows]]:
    """Return the values split off and their rows; the last rows are those that had none of them.

    Each step takes the value that most of the remaining rows hold (the smaller code among equals)
    and puts its rows apart, for at most `height` steps.

    Example:
        >>> from broadsheet.data.worlds.attributes import Labels
        >>> cat = Labels.of([("a",), ("b",), ("a", "b"), ()])
        >>> space = LabelSpace.of(Attributes({"cat": cat}), ["cat"])
        >>> keys, leaves = split_off(space, np.arange(4, dtype=np.int32), 2)
        >>> keys, [leaf.tolist() for leaf in leaves]
        ([0, 1], [[0, 2], [1], [3]])
    """
    sizes = space.starts[rows + 1] - space.starts[rows]
    owner = np.repeat(np.arange(len(rows)), sizes)
    codes = np.concatenate(
        [space.codes[space.starts[row] : space.starts[row + 1]] for row in rows]
        or [np.zeros(0, np.int32)]
    )
    left = np.ones(len(rows), np.bool_)
    keys: list[int] = []
    leaves: list[Rows] = []
    for _ in range(height):
        open_codes = codes[left[owner]]
        if not len(open_codes):
            break
        values, counts = np.unique(open_codes, return_counts=True)
        key = int(values[np.argmax(counts)])
        members = np.zeros(len(rows), np.bool_)
        members[owner[codes == key]] = True
        members &= left
        keys.append(key)
        leaves.append(rows[members])
        left &= ~members
    return keys, [*leaves, rows[left]]


@compiled
def pick_leaves(firsts: Starts, keys: Rows, near: Rows, code: int, exclusive: bool) -> Starts:
    """Return the leaves of some clusters that may hold rows with the value `code`.

    After the leaf of that value no row has it. In an exclusive column (one value a row), the
    leaves of other values have none either.

    Args:
        firsts: [c + 1], the first leaf of each cluster.
        keys: [leaves], the value of each leaf, -1 for the rows that are left.
        near: Clusters, in the order of the visit.
    """
    leaves = np.empty(keys.shape[0], np.int64)
    size = 0
    for place in range(near.shape[0]):
        for leaf in range(firsts[near[place]], firsts[near[place] + 1]):
            if not exclusive or keys[leaf] == code or keys[leaf] < 0:
                leaves[size] = leaf
                size += 1
            if keys[leaf] == code:
                break
    return leaves[:size]


@dataclass(slots=True)
class _Trees:
    """The trees of one column in all clusters; leaf i of cluster c is leaf `firsts[c] + i`."""

    space: LabelSpace
    exclusive: bool
    firsts: Starts
    keys: Rows
    starts: Starts
    rows: Rows

    @classmethod
    def grow(cls, lists: Partition, attributes: Attributes, column: str, height: int) -> _Trees:
        space = LabelSpace.of(attributes, (column,))
        firsts, keys, leaves = [0], list[int](), list[Rows]()
        for place in range(len(lists.centres)):
            members = lists.rows[lists.starts[place] : lists.starts[place + 1]]
            own_keys, own_leaves = split_off(space, members, height)
            keys += [*own_keys, -1]
            leaves += own_leaves
            firsts.append(len(keys))
        starts = np.concatenate(([0], np.cumsum([len(leaf) for leaf in leaves])))
        return cls(
            space,
            bool(single_valued(attributes.labels[column])),
            np.array(firsts, np.int64),
            np.array(keys, np.int32),
            starts.astype(np.int64),
            np.concatenate(leaves).astype(np.int32),
        )

    def bytes_used(self) -> int:
        """Return the size of the leaves."""
        arrays = (self.firsts, self.keys, self.starts, self.rows)
        return sum(array.nbytes for array in arrays)


@dataclass(slots=True)
class Caps:
    """Visit the clusters nearest to the query, and in each only leaves that can match.

    Answers one label or an AND of labels; each label column has trees of its own, and an AND uses
    those of its rarest label and tests the others. The budget is the number of clusters visited.

    Args:
        seeds: Gives the clusters.
        scale: Clusters, in units of sqrt(n).
        height: Values split off in a cluster.

    Example:
        >>> Caps(SeedTree(1)).name
        'CAPS'
    """

    seeds: SeedTree
    scale: float = 2.0
    height: int = 10
    name: str = "CAPS"
    budgets: tuple[int, ...] = (2, 4, 8, 16, 32, 64, 128, 256, 512)
    _vectors: Vectors | None = None
    _attributes: Attributes | None = None
    _lists: Partition | None = None
    _trees: dict[str, _Trees] = field(default_factory=dict)

    def supports(self, predicate: Predicate) -> bool:
        """Tell whether the predicate is one label or an AND of labels."""
        return bool(conjuncts(predicate))

    def fit(self, vectors: Vectors, attributes: Attributes) -> None:
        """Cluster the rows and grow the trees."""
        rows = unit_rows(vectors)
        lists = Partition.of(rows, max(1, round(self.scale * len(rows) ** 0.5)), self.seeds)
        self._trees = {
            column: _Trees.grow(lists, attributes, column, self.height)
            for column in sorted(attributes.labels)
        }
        self._vectors, self._attributes, self._lists = rows, attributes, lists

    def search(
        self, query: Vectors, predicate: Predicate, k: int, budget: int, allowed: Mask | None = None
    ) -> Ids:
        """Return the nearest matching rows of the leaves visited.

        Raises:
            BadInput: k < 1, or a predicate that is not supported.
            UsageError: Not fitted.
        """
        query = one_query(query)
        check(self.name, supported=self.supports(predicate), predicate=predicate, k=k)
        mask = mask_of(predicate, fitted(self.name, self._attributes), allowed)
        lists, vectors = self._lists, self._vectors
        assert lists is not None and vectors is not None  # noqa: S101, PT018 - set together
        wanted: list[tuple[int, int, _Trees]] = []
        for part in conjuncts(predicate):
            trees = self._trees.get(part.name)
            code = -1 if trees is None else trees.space.code(part)
            if trees is None or code < 0:
                return np.zeros(0, np.int64)
            wanted.append((trees.space.count(code), code, trees))
        _, code, trees = min(wanted, key=lambda choice: choice[0])
        near = lists.nearest(query, budget)
        leaves = pick_leaves(trees.firsts, trees.keys, near, code, trees.exclusive)
        begins, ends = trees.starts[leaves], trees.starts[leaves + 1]
        return scan_spans(vectors, trees.rows, begins, ends, query, mask, k).astype(np.int64)

    def bytes_used(self) -> int:
        """Return the size of vectors, centres and trees."""
        if self._lists is None or self._vectors is None:
            return 0
        trees = sum(trees.bytes_used() for trees in self._trees.values())
        return self._vectors.nbytes + self._lists.centres.nbytes + trees
