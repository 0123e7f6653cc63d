"""A segment tree of graphs over ranks, and a walk that takes from each level what a range needs.

Height 0 has blocks of `leaf` ranks, height h blocks of leaf * 2^h; the last block of a height may
be shorter. A block's graph is built from those of its two halves.

Source: Xu, Xu, Zhang, Xu, Zhou, Zhang 2024, "iRangeGraph: Improvising Range-dedicated Graphs for
Range-filtering Nearest Neighbor Search": graphs per segment, edges chosen when the query comes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from broadsheet.systems.retrieval.filtered_ann.methods.beams import (
    Mask,
    Rows,
    Vectors,
    gap_to,
    gaps_to,
    insert_open,
)
from broadsheet.systems.retrieval.filtered_ann.methods.compiling import compiled
from broadsheet.systems.retrieval.filtered_ann.methods.pruning import (
    degree_of,
    link_back,
    prune,
    set_links,
)
from broadsheet.systems.retrieval.filtered_ann.methods.walking import Links, walk

#: Links by height and rank.
Tower = npt.NDArray[np.int32]


def heights(ranks: int, leaf: int) -> int:
    """Return how many heights a tree over so many ranks has."""
    count = 1
    while leaf << (count - 1) < ranks:
        count += 1
    return count


def decompose(begin: int, end: int, ranks: int, leaf: int) -> list[tuple[int, int, int]]:
    """Return the fewest pieces (height, from, to) that make up the ranks [begin, end), in order.

    A piece is a whole block, or at height 0 a part of one.

    Example:
        >>> decompose(3, 16, 16, 4)
        [(0, 3, 4), (0, 4, 8), (1, 8, 16)]
    """
    pieces: list[tuple[int, int, int]] = []
    at = begin
    while at < end:
        height = 0
        while at % (leaf << (height + 1)) == 0 and leaf << height < ranks:
            if min(at + (leaf << (height + 1)), ranks) > end:
                break
            height += 1
        stop = min((at // (leaf << height) + 1) * (leaf << height), end, ranks)
        pieces.append((height, at, stop))
        at = stop
    return pieces


@compiled
def _fill_leaves(vectors: Vectors, table: Links, leaf: int, degree: int) -> None:
    count = vectors.shape[0]
    for begin in range(0, count, leaf):
        block = np.arange(begin, min(begin + leaf, count)).astype(np.int32)
        for row in block:
            others = block[block != row]
            gaps = gaps_to(vectors, others, vectors[row])
            order = np.argsort(gaps)
            chosen = prune(vectors, gaps[order], others[order], degree, np.float32(1))
            set_links(table, row, chosen)


@compiled
def _join(
    vectors: Vectors,
    below: Links,
    table: Links,
    begin: int,
    middle: int,
    end: int,
    width: int,
    walkable: Mask,
    seen: Rows,
    stamp: int,
) -> int:
    """Link the ranks [begin, end) from the graphs of its halves; return the last stamp used."""
    degree = table.shape[1]
    base = np.zeros(0, np.int64)
    entries = np.empty(1, np.int32)
    for row in range(begin, end):
        entries[0] = (middle + end) // 2 if row < middle else (begin + middle) // 2
        stamp += 1
        _, far = walk(vectors, below, base, 0, vectors[row], entries, width, walkable, seen, stamp)
        rows = np.concatenate((below[row, : degree_of(below, row)], far))
        gaps = gaps_to(vectors, rows, vectors[row])
        order = np.argsort(gaps)
        set_links(table, row, prune(vectors, gaps[order], rows[order], degree, np.float32(1)))
    for row in range(begin, end):
        for place in range(degree):
            other = table[row, place]
            if other < 0:
                break
            link_back(vectors, table, other, other, row, degree, np.float32(1))
    return stamp


@compiled
def build_tower(vectors: Vectors, levels: int, leaf: int, degree: int, width: int) -> Tower:
    """Build the graphs of all blocks from the leaves up.

    Args:
        vectors: [m, d], by rank.
        levels: Heights, see `heights`.
        leaf: Ranks in a block of height 0.
        degree: Most links of a rank at each height.
        width: The beam of the search in the other half.

    Shape:
        Returns [levels, m, degree].
    """
    count = vectors.shape[0]
    tower = np.full((levels, count, degree), np.int32(-1), np.int32)
    _fill_leaves(vectors, tower[0], leaf, degree)
    seen = np.zeros(count, np.int32)
    walkable = np.ones(count, np.bool_)
    stamp = 0
    for height in range(1, levels):
        size = leaf << height
        for begin in range(0, count, size):
            middle, end = begin + size // 2, min(begin + size, count)
            if middle >= end:
                tower[height, begin:end] = tower[height - 1, begin:end]
                continue
            stamp = _join(
                vectors,
                tower[height - 1],
                tower[height],
                begin,
                middle,
                end,
                width,
                walkable,
                seen,
                stamp,
            )
    return tower


@compiled
def gather_links(tower: Tower, leaf: int, rank: int, begin: int, end: int, near: Rows) -> int:
    """Write into `near` the links of a rank for the range [begin, end); return their number.

    From the top down: a block whose half holds the same part of the range is passed over; of the
    others, links inside the range are taken until `near` is full or the block lies in the range.
    """
    levels, count = tower.shape[0], tower.shape[1]
    taken = 0
    for height in range(levels - 1, -1, -1):
        size = leaf << height
        low = rank // size * size
        high = min(low + size, count)
        if height > 0:
            half = rank // (size // 2) * (size // 2)
            stop = min(half + size // 2, count)
            if max(half, begin) == max(low, begin) and min(stop, end) == min(high, end):
                continue
        for place in range(tower.shape[2]):
            link = tower[height, rank, place]
            if link < 0 or taken == near.shape[0]:
                break
            if begin <= link < end:
                known = False
                for other in range(taken):
                    known = known or near[other] == link
                if not known:
                    near[taken] = link
                    taken += 1
        if taken == near.shape[0] or (low >= begin and high <= end):
            break
    return taken


@compiled
def walk_tower(
    vectors: Vectors,
    tower: Tower,
    leaf: int,
    query: Vectors,
    begin: int,
    end: int,
    entries: Rows,
    width: int,
    seen: Rows,
    stamp: int,
) -> Rows:
    """Walk over the ranks [begin, end) by the links chosen for them; return the beam."""
    gaps = np.empty(width, np.float32)
    rows = np.empty(width, np.int32)
    spent = np.empty(width, np.bool_)
    near = np.empty(tower.shape[2], np.int32)
    size = 0
    for place in range(entries.shape[0]):
        row = entries[place]
        if seen[row] == stamp:
            continue
        seen[row] = stamp
        gap = gap_to(vectors, row, query)
        if insert_open(gaps, rows, spent, size, gap, row) >= 0 and size < width:
            size += 1
    at = 0
    while at < size:
        if spent[at]:
            at += 1
            continue
        spent[at] = True
        taken = gather_links(tower, leaf, rows[at], begin, end, near)
        nearest = at + 1
        for place in range(taken):
            row = near[place]
            if seen[row] == stamp:
                continue
            seen[row] = stamp
            gap = gap_to(vectors, row, query)
            found = insert_open(gaps, rows, spent, size, gap, row)
            if found >= 0:
                if size < width:
                    size += 1
                nearest = min(nearest, found)
        at = nearest
    return rows[:size]
