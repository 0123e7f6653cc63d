"""Flat graphs with a robust prune, built over a few rows or over all of them.

Source: Jayaram Subramanya et al. 2019 (DiskANN), algorithms 1 to 3, as one pass of insertions.
"""

from __future__ import annotations

import numpy as np

from broadsheet.systems.retrieval.filtered_ann.methods.beams import Rows, Vectors
from broadsheet.systems.retrieval.filtered_ann.methods.compiling import compiled
from broadsheet.systems.retrieval.filtered_ann.methods.pruning import (
    link_back,
    prune,
    set_links,
)
from broadsheet.systems.retrieval.filtered_ann.methods.walking import Links, walk


def medoid(vectors: Vectors) -> int:
    """Return the row nearest to the mean of all rows.

    Shape:
        [m, d].
    """
    return int(np.argmax(vectors @ vectors.mean(axis=0)))


@compiled
def build_flat(
    vectors: Vectors, order: Rows, start: int, degree: int, width: int, slack: np.float32
) -> Links:
    """Insert the rows one by one and return their links, at most `degree` each.

    Args:
        vectors: [m, d].
        order: [m], all rows; `start` comes first in any case.
        start: Where searches begin.
        degree: Most links of a row; with no more rows than that, each is linked to all others.
        width: The beam while building.
        slack: See `pruning.prune`.
    """
    count = vectors.shape[0]
    links = np.full((count, degree), np.int32(-1), np.int32)
    if count <= degree + 1:
        for row in range(count):
            for other in range(count - 1):
                links[row, other] = other if other < row else other + 1
        return links
    seen = np.zeros(count, np.int32)
    walkable = np.ones(count, np.bool_)
    base = np.zeros(0, np.int64)
    entries = np.empty(1, np.int32)
    entries[0] = start
    stamp = 0
    for place in range(count):
        row = order[place]
        if row == start:
            continue
        stamp += 1
        gaps, rows = walk(
            vectors, links, base, 0, vectors[row], entries, width, walkable, seen, stamp
        )
        chosen = prune(vectors, gaps, rows, degree, slack)
        set_links(links, row, chosen)
        for other in range(chosen.shape[0]):
            link_back(vectors, links, chosen[other], chosen[other], row, degree, slack)
    return links
