"""The label-set graph of UNG, and a walk over links stored row by row.

Legend: n rows, g groups (rows with exactly the same labels). A group's labels are
`codes[starts[g]:starts[g + 1]]`, sorted.
Source: Cai, Shi, Chen, Zheng 2024, "Navigating Labels and Vectors: A Unified Approach to Filtered
Approximate Nearest Neighbor Search": the label navigating graph.
"""

from __future__ import annotations

import numpy as np

from broadsheet.systems.retrieval.filtered_ann.methods.beams import (
    Rows,
    Vectors,
    gap_to,
    insert_open,
)
from broadsheet.systems.retrieval.filtered_ann.methods.compiling import compiled
from broadsheet.systems.retrieval.filtered_ann.methods.labelspace import Starts


@compiled
def includes(larger: Rows, smaller: Rows) -> bool:
    """Tell whether a sorted set holds all of another."""
    at = 0
    for place in range(smaller.shape[0]):
        while at < larger.shape[0] and larger[at] < smaller[place]:
            at += 1
        if at == larger.shape[0] or larger[at] != smaller[place]:
            return False
        at += 1
    return True


@compiled
def minimal_supersets(
    wanted: Rows, candidates: Rows, starts: Starts, codes: Rows, more: int
) -> Rows:
    """Return the groups that hold all wanted labels and no other such group's labels as a part.

    Args:
        wanted: Labels, sorted.
        candidates: Groups, those with fewer labels first.
        more: Labels a group must have beyond the wanted ones: 1 for proper supersets, else 0.
    """
    found = np.empty(candidates.shape[0], np.int32)
    size = 0
    for place in range(candidates.shape[0]):
        group = candidates[place]
        labels = codes[starts[group] : starts[group + 1]]
        if labels.shape[0] < wanted.shape[0] + more or not includes(labels, wanted):
            continue
        good = True
        if labels.shape[0] > wanted.shape[0] + more:
            for other in range(size):
                kept = found[other]
                if includes(labels, codes[starts[kept] : starts[kept + 1]]):
                    good = False
                    break
        if good:
            found[size] = group
            size += 1
    return found[:size]


@compiled
def walk_rows(
    vectors: Vectors,
    offsets: Starts,
    targets: Rows,
    query: Vectors,
    entries: Rows,
    width: int,
    seen: Rows,
    stamp: int,
) -> Rows:
    """Walk over links `targets[offsets[r]:offsets[r + 1]]`; return the beam, nearest first."""
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
            row = targets[place]
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
