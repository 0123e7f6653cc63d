"""The compact index of the application as one more method: its one setting is the recall target."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from broadsheet.core.progress import Silent
from broadsheet.core.seeds import SeedTree
from broadsheet.data.worlds.attributes import Attributes
from broadsheet.index.compact import Bits, Segment, build_segment
from broadsheet.index.predicates import Predicate
from broadsheet.systems.retrieval.filtered_ann.interface import Ids, Mask, Vectors, evaluate

#: Below this many matches the index is given their positions instead of a bitmap.
_LIST_BELOW = 2000


@dataclass(slots=True)
class PlannerIndex:
    """The planner over compact codes, with a recall target in percent as its budget.

    Example:
        >>> import numpy as np
        >>> from broadsheet.data.worlds.attributes import Labels
        >>> rows = np.random.default_rng(0).standard_normal((200, 8)).astype(np.float32)
        >>> index = PlannerIndex(SeedTree(1))
        >>> index.fit(rows, Attributes({"kind": Labels.of([("even", "odd")[i % 2 :][:1]
        ...     for i in range(200)])}))
        >>> from broadsheet.index.predicates import Contains
        >>> found = index.search(rows[3], Contains("kind", "even"), 5, 95)
        >>> len(found), sorted(set((found % 2).tolist()))
        (5, [0])
    """

    seeds: SeedTree
    graph: bool = True
    name: str = "planner (ours)"
    budgets: tuple[int, ...] = (80, 90, 95, 97, 99)
    _attributes: Attributes = field(default_factory=Attributes)
    _segment: Segment | None = None
    _order: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    _bytes: int = 0
    _prepared: Mask | None = None
    _handle: Bits | npt.NDArray[np.int32] | None = None

    def supports(self, predicate: Predicate) -> bool:
        """Tell that every predicate can be asked."""
        return True

    def fit(self, vectors: Vectors, attributes: Attributes) -> None:
        """Build the segment; the rows are renumbered by cluster inside."""
        built = build_segment(
            vectors, seeds=self.seeds, graph=self.graph, progress=Silent(), threads=1
        )
        self._segment = Segment(built.arrays, built.facts)
        self._order = built.order.astype(np.int64)
        self._attributes = attributes
        self._bytes = sum(array.nbytes for array in built.arrays.values()) + self._order.nbytes

    def search(
        self, query: Vectors, predicate: Predicate, k: int, budget: int, allowed: Mask | None = None
    ) -> Ids:
        """Return the nearest rows; `budget` is the recall target in percent."""
        assert self._segment is not None, "fit comes first"  # noqa: S101 - a programmer's slip
        if allowed is None or allowed is not self._prepared:
            self.prepare(evaluate(predicate, self._attributes) if allowed is None else allowed)
        found = self._segment.search(query, k, self._handle, recall=budget / 100)
        ids: Ids = self._order[found.positions]
        return ids

    def prepare(self, allowed: Mask) -> None:
        """Turn a mask over rows into the index's own order, as the application has it anyway."""
        mask = allowed[self._order]
        matches = int(np.count_nonzero(mask))
        self._prepared, self._handle = allowed, None
        if matches < _LIST_BELOW:
            self._handle = np.flatnonzero(mask).astype(np.int32)
        elif matches < len(mask):
            self._handle = bits_of(mask)

    def bytes_used(self) -> int:
        """Return the size of all arrays, the float32 rows included."""
        return self._bytes


def bits_of(mask: Mask) -> Bits:
    """Return a mask over positions as the index reads it.

    Example:
        >>> bits_of(np.array([True, False, True])).count
        2
    """
    packed = np.packbits(mask, bitorder="little")
    words = np.zeros(-(-len(mask) // 64), dtype=np.uint64)
    words.view(np.uint8)[: len(packed)] = packed
    return Bits(words, len(mask), int(np.count_nonzero(mask)))
