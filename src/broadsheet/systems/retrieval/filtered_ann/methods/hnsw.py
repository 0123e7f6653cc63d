"""The plain graph that the post-filter and the in-filter share: HNSW.

Source: Malkov & Yashunin 2018, "Efficient and robust approximate nearest neighbor search using
Hierarchical Navigable Small World graphs", algorithms 1, 4 and 5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from broadsheet.core.seeds import SeedTree
from broadsheet.systems.retrieval.filtered_ann.methods.beams import Mask, Rows, Vectors
from broadsheet.systems.retrieval.filtered_ann.methods.compiling import compiled
from broadsheet.systems.retrieval.filtered_ann.methods.pruning import (
    link_back,
    prune,
    set_links,
)
from broadsheet.systems.retrieval.filtered_ann.methods.walking import (
    Lines,
    Links,
    descend,
    line_of,
    walk,
    walk_collecting,
)


def draw_levels(rows: int, degree: int, seeds: SeedTree) -> Rows:
    """Draw each row's highest level: floor(-ln(uniform) / ln(degree))."""
    uniform = seeds.child("levels").numpy().random(rows)
    return np.floor(-np.log1p(-uniform) / math.log(degree)).astype(np.int32)


def base_lines(levels: Rows) -> Lines:
    """Return where the lines of a row's upper levels begin, after the n lines of level 0."""
    before = np.cumsum(levels, dtype=np.int64) - levels
    return np.asarray(len(levels) + before, dtype=np.int64)


@compiled
def _build(
    vectors: Vectors, levels: Rows, base: Lines, degree: int, width: int
) -> tuple[Links, int]:
    count = vectors.shape[0]
    links = np.full((count + levels.sum(), 2 * degree), np.int32(-1), np.int32)
    seen = np.zeros(count, np.int32)
    walkable = np.ones(count, np.bool_)
    entry, top, stamp = 0, int(levels[0]), 0
    for row in range(1, count):
        own = int(levels[row])
        query = vectors[row]
        entries = np.empty(1, np.int32)
        entries[0] = descend(vectors, links, base, query, entry, top, own)
        for level in range(min(top, own), -1, -1):
            stamp += 1
            gaps, rows = walk(
                vectors, links, base, level, query, entries, width, walkable, seen, stamp
            )
            chosen = prune(vectors, gaps, rows, degree, np.float32(1))
            set_links(links, line_of(base, row, level), chosen)
            limit = 2 * degree if level == 0 else degree
            for place in range(chosen.shape[0]):
                other = chosen[place]
                line = line_of(base, other, level)
                link_back(vectors, links, line, other, row, limit, np.float32(1))
            entries = rows
        if own > top:
            entry, top = row, own
    return links, entry


@dataclass(slots=True)
class Hnsw:
    """A hierarchical navigable small world over unit rows.

    Args:
        vectors: [n, d].
        links: [n + upper lines, 2 * degree].
        base: [n], see `walking`.
        entry: The row where every search begins.
        top: Its level.
        everything: [n], all true.
        seen: [n], scratch.
        stamp: The last stamp used in it.

    Example:
        >>> import numpy as np
        >>> rows = SeedTree(1).numpy().normal(size=(50, 8)).astype("float32")
        >>> rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        >>> graph = Hnsw.build(rows, SeedTree(2), degree=4, width=20)
        >>> int(graph.search(rows[7], 10)[0])
        7
    """

    vectors: Vectors
    links: Links
    base: Lines
    entry: int
    top: int
    everything: Mask
    seen: Rows
    stamp: int = 0

    @classmethod
    def build(cls, vectors: Vectors, seeds: SeedTree, *, degree: int, width: int) -> Hnsw:
        """Insert the rows in their order.

        Args:
            vectors: [n, d], length 1.
            seeds: Gives the levels.
            degree: M of the paper: links of a new row; twice that may stand at level 0.
            width: The beam while building (efConstruction).
        """
        levels = draw_levels(len(vectors), degree, seeds)
        base = base_lines(levels)
        links, entry = _build(vectors, levels, base, degree, width)
        seen = np.zeros(len(vectors), np.int32)
        everything = np.ones(len(vectors), np.bool_)
        return cls(vectors, links, base, entry, int(levels[entry]), everything, seen)

    def search(self, query: Vectors, width: int) -> Rows:
        """Return the rows of a beam of `width`, nearest first, without any filter."""
        start = np.array([self._start(query)], np.int32)
        self.stamp += 1
        _, rows = walk(
            self.vectors,
            self.links,
            self.base,
            0,
            query,
            start,
            width,
            self.everything,
            self.seen,
            self.stamp,
        )
        return rows

    def search_collecting(self, query: Vectors, width: int, allowed: Mask, k: int) -> Rows:
        """Walk over all rows with a beam of `width`; return the k nearest allowed rows met."""
        start = self._start(query)
        self.stamp += 1
        return walk_collecting(
            self.vectors, self.links, query, start, width, allowed, k, self.seen, self.stamp
        )

    def bytes_used(self) -> int:
        """Return the size of vectors and links."""
        return self.vectors.nbytes + self.links.nbytes + self.base.nbytes

    def _start(self, query: Vectors) -> int:
        return descend(self.vectors, self.links, self.base, query, self.entry, self.top, 0)
