"""SeRF's segment graph: one table of links that is a proximity graph for every range of ranks.

Rows are inserted in the order of the attribute, so row = rank. A link (to t, left, bound, end) of a
row holds for a range [l, r] of ranks when left <= l <= bound and r < end, both rows lying in it.

Own links of row i come in batches: the batch for `left` prunes the candidates of rank >= left, and
serves l up to `bound`; the first batch has left 0. Where a row is full of links back from later
rows, pruning ends some of them: they hold for ranges that end before the row that pushed them out.
So at l = 0 the links that hold for r are those of the graph of the first r + 1 rows.

Source: Zuo, Qiao, Zhou, Li, Deng 2024, "SeRF: Segment Graph for Range-Filtering Approximate Nearest
Neighbor Search", sections 4 (half-bounded) and 5 (arbitrary ranges, leap strategies).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from broadsheet.systems.retrieval.filtered_ann.methods.beams import (
    Gaps,
    Rows,
    Vectors,
    gap_to,
    gaps_to,
    insert_open,
)
from broadsheet.systems.retrieval.filtered_ann.methods.compiling import compiled
from broadsheet.systems.retrieval.filtered_ann.methods.labelspace import Starts
from broadsheet.systems.retrieval.filtered_ann.methods.pruning import prune
from broadsheet.systems.retrieval.filtered_ann.methods.walking import Links

#: A link: owner, target, left, bound, end.
Segments = npt.NDArray[np.int32]


@compiled
def _walk_pool(
    vectors: Vectors,
    own: Links,
    back: Links,
    last: int,
    width: int,
    pool: int,
    seen: Rows,
) -> tuple[Gaps, Rows]:
    """Walk over the graph of the rows before `last`; return up to `pool` rows met, nearest first.

    The beam alone decides when to stop; rows that fell out of it stay in the pool.
    """
    query = vectors[last]
    gaps = np.empty(width, np.float32)
    rows = np.empty(width, np.int32)
    spent = np.empty(width, np.bool_)
    met_gaps = np.empty(256, np.float32)
    met = np.empty(256, np.int32)
    size, total, at = 0, 0, 0
    entries = np.array([0, last // 2, last - 1])
    for place in range(3):
        row = entries[place]
        if seen[row] != last:
            seen[row] = last
            gap = gap_to(vectors, row, query)
            met_gaps[total], met[total] = gap, row
            total += 1
            if insert_open(gaps, rows, spent, size, gap, row) >= 0 and size < width:
                size += 1
    while at < size:
        if spent[at]:
            at += 1
            continue
        spent[at] = True
        line = rows[at]
        nearest = at + 1
        for place in range(own.shape[1] + back.shape[1]):
            later = place - own.shape[1]
            row = own[line, place] if later < 0 else back[line, later]
            if row < 0 or seen[row] == last:
                continue
            seen[row] = last
            gap = gap_to(vectors, row, query)
            if total == met.shape[0]:
                met_gaps = np.concatenate((met_gaps, np.empty(total, np.float32)))
                met = np.concatenate((met, np.empty(total, np.int32)))
            met_gaps[total], met[total] = gap, row
            total += 1
            found = insert_open(gaps, rows, spent, size, gap, row)
            if found >= 0:
                if size < width:
                    size += 1
                nearest = min(nearest, found)
        at = nearest
    order = np.argsort(met_gaps[:total])[:pool]
    return met_gaps[order], met[order]


@compiled
def batches(
    vectors: Vectors, gaps: Gaps, rows: Rows, limit: int, leap: float
) -> tuple[Segments, int]:
    """Return the own links of a row as (target, left, bound), batch after batch, and their number.

    Args:
        gaps: Of the candidates, growing.
        rows: Candidates, all of smaller rank.
        limit: Most links of a batch.
        leap: A batch serves up to this quantile of its links' ranks: 0 loses nothing (the next
            batch starts where the first link falls out), 1 is the paper's longest leap.
    """
    found = np.empty((limit * rows.shape[0] + 1, 3), np.int32)
    size, left = 0, 0
    while rows.shape[0] > 0:
        chosen = prune(vectors, gaps, rows, limit, np.float32(1))
        ranks = np.sort(chosen)
        bound = ranks[int(leap * (ranks.shape[0] - 1))]
        for place in range(chosen.shape[0]):
            found[size, 0], found[size, 1], found[size, 2] = chosen[place], left, bound
            size += 1
        left = bound + 1
        keep = rows >= left
        gaps, rows = gaps[keep], rows[keep]
    return found, size


@compiled
def _push_back(
    vectors: Vectors,
    back: Links,
    lefts: Links,
    owner: int,
    new: int,
    left: int,
) -> tuple[Rows, Rows]:
    """Add a link back; return the links that pruning ended, and their lefts."""
    limit = back.shape[1]
    held = 0
    while held < limit and back[owner, held] >= 0:
        held += 1
    if held < limit:
        back[owner, held], lefts[owner, held] = new, left
        return np.empty(0, np.int32), np.empty(0, np.int32)
    rows = np.empty(held + 1, np.int32)
    marks = np.empty(held + 1, np.int32)
    rows[:held], marks[:held] = back[owner], lefts[owner]
    rows[held], marks[held] = new, left
    gaps = gaps_to(vectors, rows, vectors[owner])
    order = np.argsort(gaps)
    gaps, rows, marks = gaps[order], rows[order], marks[order]
    kept = prune(vectors, gaps, rows, limit, np.float32(1))
    ended = np.empty(held + 1, np.int32)
    ended_marks = np.empty(held + 1, np.int32)
    at, gone = 0, 0
    back[owner, :] = -1
    for place in range(held + 1):
        if at < kept.shape[0] and rows[place] == kept[at]:
            back[owner, at], lefts[owner, at] = rows[place], marks[place]
            at += 1
        else:
            ended[gone], ended_marks[gone] = rows[place], marks[place]
            gone += 1
    return ended[:gone], ended_marks[:gone]


@compiled
def _room(table: Segments, size: int, more: int) -> Segments:
    """Return a table with room for `more` links behind the first `size`."""
    if size + more <= table.shape[0]:
        return table
    return np.concatenate((table, np.empty((max(more, table.shape[0]), 5), np.int32)))


@compiled
def build_segments(
    vectors: Vectors, degree: int, width: int, pool: int, leap: float
) -> tuple[Segments, Links, Links]:
    """Insert the rows by rank; return all links, and the last state of own and back links.

    Args:
        degree: Most links of a batch, and most links back of either kind.
        width: The beam while building.
        pool: Candidates kept for later batches.
        leap: See `batches`.
    """
    count = vectors.shape[0]
    own = np.full((count, degree), np.int32(-1), np.int32)
    back = np.full((count, degree), np.int32(-1), np.int32)
    later = np.full((count, degree), np.int32(-1), np.int32)
    back_lefts = np.zeros((count, degree), np.int32)
    later_lefts = np.zeros((count, degree), np.int32)
    seen = np.zeros(count, np.int32)
    table = np.empty((count * degree + 1, 5), np.int32)
    size = 0
    for row in range(1, count):
        gaps, rows = _walk_pool(vectors, own, back, row, width, pool, seen)
        found, held = batches(vectors, gaps, rows, degree, leap)
        for place in range(held):
            table = _room(table, size, 1)
            target, left, bound = found[place]
            table[size] = np.array([row, target, left, bound, count], np.int32)
            size += 1
            if left == 0:
                own[row, place] = target
                ended, marks = _push_back(vectors, back, back_lefts, target, row, 0)
            else:
                ended, marks = _push_back(vectors, later, later_lefts, target, row, left)
            table = _room(table, size, ended.shape[0])
            for gone in range(ended.shape[0]):
                if ended[gone] < row:
                    link = np.array([target, ended[gone], marks[gone], target, row], np.int32)
                    table[size] = link
                    size += 1
    table = _room(table, size, 2 * count * degree)
    for row in range(count):
        for place in range(degree):
            if back[row, place] >= 0:
                table[size] = np.array([row, back[row, place], 0, row, count], np.int32)
                size += 1
            if later[row, place] >= 0:
                left = later_lefts[row, place]
                table[size] = np.array([row, later[row, place], left, row, count], np.int32)
                size += 1
    return table[:size], own, back


@compiled
def walk_range(
    vectors: Vectors,
    offsets: Starts,
    segments: Segments,
    query: Vectors,
    low: int,
    high: int,
    entries: Rows,
    width: int,
    seen: Rows,
    stamp: int,
) -> Rows:
    """Walk over the links that hold for the ranks low..high; return the beam, nearest first.

    Args:
        offsets: [n + 1], where each row's links begin.
        segments: [links, 4]: target, left, bound, end.
    """
    gaps = np.empty(width, np.float32)
    rows = np.empty(width, np.int32)
    spent = np.empty(width, np.bool_)
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
        line = rows[at]
        nearest = at + 1
        for place in range(offsets[line], offsets[line + 1]):
            row = segments[place, 0]
            if row < low or row > high or seen[row] == stamp:
                continue
            if segments[place, 1] > low or segments[place, 2] < low or segments[place, 3] <= high:
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
