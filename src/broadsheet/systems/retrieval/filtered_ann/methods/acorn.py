"""ACORN-gamma and ACORN-1: a graph so dense that any predicate's part of it stays navigable.

Source: Patel, Kraft, Guestrin, Zaharia 2024, "ACORN: Performant and Predicate-Agnostic Search Over
Vector Embeddings and Structured Data".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from broadsheet.core.seeds import SeedTree
from broadsheet.data.worlds.attributes import Attributes
from broadsheet.index.predicates import Predicate
from broadsheet.systems.retrieval.filtered_ann.interface import Ids, Mask
from broadsheet.systems.retrieval.filtered_ann.methods.acorn_graph import build, walk_matching
from broadsheet.systems.retrieval.filtered_ann.methods.asking import check, fitted, mask_of
from broadsheet.systems.retrieval.filtered_ann.methods.beams import (
    Rows,
    Vectors,
    nearest_of,
    one_query,
    unit_rows,
)
from broadsheet.systems.retrieval.filtered_ann.methods.hnsw import base_lines, draw_levels
from broadsheet.systems.retrieval.filtered_ann.methods.walking import Lines, Links


@dataclass(slots=True)
class _Built:
    vectors: Vectors
    attributes: Attributes
    links: Links
    upper: Links
    base: Lines
    entry: int
    top: int
    seen: Rows
    stamp: int = 0


@dataclass(slots=True)
class Acorn:
    """A predicate-agnostic graph whose walk enters matching rows only. Answers every predicate.

    The budget is the beam's width. `Acorn.gamma` and `Acorn.one` make the paper's two variants.

    Args:
        seeds: Gives the levels.
        name: Of the variant.
        degree: M: links read per row; twice that at level 0.
        gamma: Neighbours sought per row while building, in units of M.
        beta: M_beta: the nearest links that compression keeps.
        width: The least beam while building.
        open_from: A search opens the links from this place on to look two hops far.
        exact_below: A filter that matches a smaller share is scanned instead (s_min).

    Example:
        >>> Acorn.variant_gamma(SeedTree(1)).gamma, Acorn.variant_one(SeedTree(1)).gamma
        (12, 1)
    """

    seeds: SeedTree
    name: str
    degree: int
    gamma: int
    beta: int
    width: int
    open_from: int
    exact_below: float
    budgets: tuple[int, ...] = (10, 20, 40, 80, 160, 320, 640)
    _built: _Built | None = None

    @classmethod
    def variant_gamma(
        cls, seeds: SeedTree, *, degree: int = 16, gamma: int = 12, beta: int = 32, width: int = 100
    ) -> Acorn:
        """Return ACORN-gamma: dense while building, exact under a selectivity of 1 / gamma."""
        name = "ACORN-gamma"
        return cls(seeds, name, degree, gamma, beta, width, beta, 1 / gamma)

    @classmethod
    def variant_one(cls, seeds: SeedTree, *, degree: int = 16, width: int = 100) -> Acorn:
        """Return ACORN-1: links of an ordinary density, all opened by the search."""
        return cls(seeds, "ACORN-1", degree, 1, 2 * degree, width, 0, 0.0)

    def supports(self, predicate: Predicate) -> bool:
        """Tell whether the predicate can be answered: always."""
        return True

    def fit(self, vectors: Vectors, attributes: Attributes) -> None:
        """Build the graph; the attributes play no part in it."""
        rows = unit_rows(vectors)
        levels = draw_levels(len(rows), self.degree, self.seeds)
        base = base_lines(levels) - len(rows)
        links, upper, entry = build(
            rows, levels, base, self.degree, self.gamma, self.beta, self.width
        )
        seen = np.zeros(len(rows), np.int32)
        top = int(levels[entry])
        self._built = _Built(rows, attributes, links, upper, base, entry, top, seen)

    def search(
        self, query: Vectors, predicate: Predicate, k: int, budget: int, allowed: Mask | None = None
    ) -> Ids:
        """Return the nearest matching rows that the walk reached.

        Raises:
            BadInput: k < 1.
            UsageError: Not fitted.
        """
        query = one_query(query)
        check(self.name, supported=True, predicate=predicate, k=k)
        fitted(self.name, self._built.attributes if self._built else None)
        built = self._built
        assert built is not None  # noqa: S101 - just checked
        mask = mask_of(predicate, built.attributes, allowed)
        if np.count_nonzero(mask) < self.exact_below * len(mask):
            rows = np.flatnonzero(mask).astype(np.int32)
            return nearest_of(built.vectors, rows, query, k).astype(np.int64)
        entries = np.array([built.entry], np.int32)
        for level in range(built.top, -1, -1):
            found = self._walk(
                built, query, mask, entries, level, max(budget, k) if not level else 1
            )
            if level and len(found):
                entries = found
        return found[:k].astype(np.int64)

    def bytes_used(self) -> int:
        """Return the size of vectors and links."""
        built = self._built
        if built is None:
            return 0
        return built.vectors.nbytes + built.links.nbytes + built.upper.nbytes + built.base.nbytes

    def _walk(
        self, built: _Built, query: Vectors, mask: Mask, entries: Rows, level: int, width: int
    ) -> Rows:
        built.stamp += 1
        _, rows = walk_matching(
            built.vectors,
            built.upper if level else built.links,
            built.base,
            level,
            query,
            entries,
            width,
            self.open_from,
            self.degree if level else 2 * self.degree,
            mask,
            built.seen,
            built.stamp,
        )
        return rows
