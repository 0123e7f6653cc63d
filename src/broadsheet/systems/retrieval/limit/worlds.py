"""Worlds of subsets: n documents, and a query for each set of k of them (or for some of the sets).

Legend: M queries, K relevant documents of a query.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree

#: Most documents for which the whole table of relevance is made.
DENSE_LIMIT = 500


@dataclass(frozen=True, slots=True, eq=False)
class SubsetWorld:
    """Which documents answer which query, as indexes; the table of all pairs is not stored.

    Args:
        documents: n.
        members_MK: The k documents of each query, ascending.

    Example:
        >>> world = SubsetWorld.all_subsets(4, 2)
        >>> len(world), world.members_MK[-1].tolist()
        (6, [2, 3])
        >>> world.relevance()[0].tolist()
        [True, True, False, False]
    """

    documents: int
    members_MK: Tensor

    def __post_init__(self) -> None:
        if self.members_MK.ndim != 2 or not len(self.members_MK):
            raise BadInput("a world needs queries", received=tuple(self.members_MK.shape))

    @classmethod
    def all_subsets(cls, n: int, k: int) -> SubsetWorld:
        """Return the world that asks for every set of k out of n documents.

        Raises:
            BadInput: Not 1 <= k < n.
        """
        _check(n, k)
        return cls(n, torch.combinations(torch.arange(n), k))

    @classmethod
    def some_subsets(cls, n: int, k: int, queries: int, seeds: SeedTree) -> SubsetWorld:
        """Return the world that asks for `queries` different sets, drawn evenly.

        Raises:
            BadInput: Not 1 <= k < n, or there are not that many sets.
        """
        _check(n, k)
        total = math.comb(n, k)
        if not 1 <= queries <= total:
            raise BadInput("there are not that many sets", received=queries, hint=f"1 to {total:,}")
        rng = seeds.numpy()
        if total < 2**62:
            ranks = _distinct(total, queries, rng)
            rows = [subset_at(rank, n, k) for rank in sorted(ranks)]
        else:
            drawn: set[tuple[int, ...]] = set()
            while len(drawn) < queries:
                drawn.add(tuple(sorted(rng.choice(n, size=k, replace=False).tolist())))
            rows = sorted(drawn)
        return cls(n, torch.tensor(rows, dtype=torch.int64))

    def __len__(self) -> int:
        return len(self.members_MK)

    @property
    def per_query(self) -> int:
        """Return k."""
        return int(self.members_MK.shape[1])

    def relevance(self) -> Tensor:
        """Return the table of relevance of a small world.

        Shape:
            [M, n] bool.

        Raises:
            BadInput: There are more than 500 documents.
        """
        if self.documents > DENSE_LIMIT:
            raise BadInput(
                "the whole table is only made for small worlds",
                received=f"{self.documents} documents",
                hint=f"at most {DENSE_LIMIT}; use members_MK",
            )
        table_MN = torch.zeros(len(self), self.documents, dtype=torch.bool)
        return table_MN.scatter(1, self.members_MK, True)


def subset_at(rank: int, n: int, k: int) -> tuple[int, ...]:
    """Return the set of k out of n with a rank in lexicographic order.

    Example:
        >>> [subset_at(rank, 4, 2) for rank in range(6)]
        [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    """
    found: list[int] = []
    first = 0
    for left in range(k, 0, -1):
        while (block := math.comb(n - first - 1, left - 1)) <= rank:
            rank -= block
            first += 1
        found.append(first)
        first += 1
    return tuple(found)


def _distinct(total: int, count: int, rng: np.random.Generator) -> set[int]:
    """Return different numbers below `total` (Floyd's sampling)."""
    chosen: set[int] = set()
    for top in range(total - count, total):
        drawn = int(rng.integers(0, top + 1))
        chosen.add(top if drawn in chosen else drawn)
    return chosen


def _check(n: int, k: int) -> None:
    if not 1 <= k < n:
        raise BadInput("k documents of n: 1 <= k < n", received=f"k={k}, n={n}")
