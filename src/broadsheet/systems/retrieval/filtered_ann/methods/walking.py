"""Best-first walks over a proximity graph.

A graph is one table of links, -1 after the last. Row r of level 0 is line r of the table; its line
on level l > 0 is `base[r] + l - 1`, so that graphs of one level need no `base` (pass an empty one).

Legend: n rows, d dimensions, s lines of the table, w links in a line.
Source: Malkov & Yashunin 2018 (HNSW), algorithms 2 and 5.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from broadsheet.systems.retrieval.filtered_ann.methods.beams import (
    Gaps,
    Mask,
    Rows,
    Vectors,
    gap_to,
    insert,
    insert_open,
)
from broadsheet.systems.retrieval.filtered_ann.methods.compiling import compiled

Links = npt.NDArray[np.int32]
Lines = npt.NDArray[np.int64]


@compiled
def line_of(base: Lines, row: int, level: int) -> int:
    """Return the line of the table that holds a row's links on a level."""
    if level == 0:
        return row
    return int(base[row]) + level - 1


@compiled
def descend(
    vectors: Vectors, links: Links, base: Lines, query: Vectors, entry: int, top: int, bottom: int
) -> int:
    """Return the row that greedy steps reach on the levels top, top - 1, ..., bottom + 1."""
    best = entry
    best_gap = gap_to(vectors, entry, query)
    for level in range(top, bottom, -1):
        moved = True
        while moved:
            moved = False
            line = line_of(base, best, level)
            for place in range(links.shape[1]):
                row = links[line, place]
                if row < 0:
                    break
                gap = gap_to(vectors, row, query)
                if gap < best_gap:
                    best, best_gap, moved = row, gap, True
    return best


@compiled
def walk(
    vectors: Vectors,
    links: Links,
    base: Lines,
    level: int,
    query: Vectors,
    entries: Rows,
    width: int,
    walkable: Mask,
    seen: Rows,
    stamp: int,
) -> tuple[Gaps, Rows]:
    """Return the nearest rows that a walk with a beam of `width` finds, nearest first.

    Args:
        walkable: [n], rows that may be entered at all; the others are as if absent.
        seen: [n], scratch: a row counts as seen when it holds `stamp`.
        stamp: Another number than all before with the same scratch.
    """
    gaps = np.empty(width, np.float32)
    rows = np.empty(width, np.int32)
    spent = np.empty(width, np.bool_)
    size = 0
    for place in range(entries.shape[0]):
        row = entries[place]
        if seen[row] == stamp or not walkable[row]:
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
        line = line_of(base, rows[at], level)
        nearest = at + 1
        for place in range(links.shape[1]):
            row = links[line, place]
            if row < 0:
                break
            if seen[row] == stamp or not walkable[row]:
                continue
            seen[row] = stamp
            gap = gap_to(vectors, row, query)
            found = insert_open(gaps, rows, spent, size, gap, row)
            if found >= 0:
                if size < width:
                    size += 1
                nearest = min(nearest, found)
        at = nearest
    return gaps[:size], rows[:size]


@compiled
def walk_collecting(
    vectors: Vectors,
    links: Links,
    query: Vectors,
    entry: int,
    width: int,
    allowed: Mask,
    k: int,
    seen: Rows,
    stamp: int,
) -> Rows:
    """Walk level 0 over all rows and return the k nearest allowed ones that were met.

    The beam holds allowed and other rows alike, so a rare filter finds few.
    """
    gaps = np.empty(width, np.float32)
    rows = np.empty(width, np.int32)
    spent = np.empty(width, np.bool_)
    kept_gaps = np.empty(k, np.float32)
    kept = np.empty(k, np.int32)
    size, found = 1, 0
    gaps[0] = gap_to(vectors, entry, query)
    rows[0] = entry
    spent[0] = False
    seen[entry] = stamp
    if allowed[entry]:
        insert(kept_gaps, kept, 0, gaps[0], entry)
        found = 1
    at = 0
    while at < size:
        if spent[at]:
            at += 1
            continue
        spent[at] = True
        line = rows[at]
        nearest = at + 1
        for place in range(links.shape[1]):
            row = links[line, place]
            if row < 0:
                break
            if seen[row] == stamp:
                continue
            seen[row] = stamp
            gap = gap_to(vectors, row, query)
            if allowed[row] and insert(kept_gaps, kept, found, gap, row) >= 0 and found < k:
                found += 1
            put = insert_open(gaps, rows, spent, size, gap, row)
            if put >= 0:
                if size < width:
                    size += 1
                nearest = min(nearest, put)
        at = nearest
    return kept[:found]
