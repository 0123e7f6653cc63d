"""Which of the near rows become links: the relative-neighbourhood rule of HNSW and Vamana.

Source: Malkov & Yashunin 2018, algorithm 4 (slack 1); Jayaram Subramanya et al. 2019 (DiskANN),
algorithm 2: there alpha multiplies distances, here slack = alpha^2 multiplies gaps.
"""

from __future__ import annotations

import numpy as np

from broadsheet.systems.retrieval.filtered_ann.methods.beams import (
    Gaps,
    Rows,
    Vectors,
    gap_to,
    gaps_to,
)
from broadsheet.systems.retrieval.filtered_ann.methods.compiling import compiled
from broadsheet.systems.retrieval.filtered_ann.methods.walking import Links


@compiled
def prune(vectors: Vectors, gaps: Gaps, rows: Rows, limit: int, slack: np.float32) -> Rows:
    """Return at most `limit` of the rows: a row goes when a kept one is nearer to it than we are.

    Args:
        gaps: [m], from us to each row, growing.
        rows: [m].
        slack: A row goes when slack * (its gap to a kept one) <= its gap to us.
    """
    kept = np.empty(min(limit, rows.shape[0]), np.int32)
    size = 0
    for place in range(rows.shape[0]):
        if size == limit:
            break
        good = True
        for other in range(size):
            if slack * gap_to(vectors, kept[other], vectors[rows[place]]) <= gaps[place]:
                good = False
                break
        if good:
            kept[size] = rows[place]
            size += 1
    return kept[:size]


@compiled
def set_links(links: Links, line: int, rows: Rows) -> None:
    """Write the links of a line, -1 after the last."""
    for place in range(links.shape[1]):
        links[line, place] = rows[place] if place < rows.shape[0] else -1


@compiled
def degree_of(links: Links, line: int) -> int:
    """Return how many links a line holds."""
    for place in range(links.shape[1]):
        if links[line, place] < 0:
            return place
    return int(links.shape[1])


@compiled
def link_back(
    vectors: Vectors,
    links: Links,
    line: int,
    owner: int,
    new: int,
    limit: int,
    slack: np.float32,
) -> None:
    """Add `new` to the links of `owner`; over the limit, prune them all.

    Does nothing where the link is there already.
    """
    degree = degree_of(links, line)
    for place in range(degree):
        if links[line, place] == new:
            return
    if degree < limit:
        links[line, degree] = new
        return
    rows = np.empty(degree + 1, np.int32)
    rows[:degree] = links[line, :degree]
    rows[degree] = new
    gaps = gaps_to(vectors, rows, vectors[owner])
    order = np.argsort(gaps)
    set_links(links, line, prune(vectors, gaps[order], rows[order], limit, slack))
