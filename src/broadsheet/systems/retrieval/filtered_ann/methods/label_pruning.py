"""The label-aware robust prune of Filtered-DiskANN, and a walk among rows that share a label.

Legend: n rows, d dimensions. `starts` [n + 1] and `codes` hold each row's labels, sorted.
Source: Gollapudi et al. 2023 (Filtered-DiskANN), algorithms 1 and 3.
"""

from __future__ import annotations

import numpy as np

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
from broadsheet.systems.retrieval.filtered_ann.methods.pruning import degree_of, set_links
from broadsheet.systems.retrieval.filtered_ann.methods.walking import Links


@compiled
def shared_labels(starts: Starts, codes: Rows, owner: int, row: int) -> int:
    """Return which of the owner's labels a row has too: bit i stands for the owner's i-th."""
    bits = 0
    first, second = starts[owner], starts[row]
    while first < starts[owner + 1] and second < starts[row + 1]:
        if codes[first] == codes[second]:
            bits |= 1 << (first - starts[owner])
            first += 1
            second += 1
        elif codes[first] < codes[second]:
            first += 1
        else:
            second += 1
    return bits


@compiled
def prune_labelled(
    vectors: Vectors,
    starts: Starts,
    codes: Rows,
    owner: int,
    gaps: Gaps,
    rows: Rows,
    limit: int,
    slack: np.float32,
) -> Rows:
    """Prune as `pruning.prune`, but a row goes only to a kept one that covers what it shares.

    A kept row may replace another when every label that the other shares with the owner is its own
    too; else the walk for such a label would lose its way.

    Args:
        gaps: [m], from the owner to each row, growing.
        rows: [m].
    """
    kept = np.empty(min(limit, rows.shape[0]), np.int32)
    shared = np.empty(min(limit, rows.shape[0]), np.int64)
    size = 0
    for place in range(rows.shape[0]):
        if size == limit:
            break
        mine = shared_labels(starts, codes, owner, rows[place])
        good = True
        for other in range(size):
            if mine & ~shared[other]:
                continue
            if slack * gap_to(vectors, kept[other], vectors[rows[place]]) <= gaps[place]:
                good = False
                break
        if good:
            kept[size] = rows[place]
            shared[size] = mine
            size += 1
    return kept[:size]


@compiled
def walk_sharing(
    vectors: Vectors,
    links: Links,
    starts: Starts,
    codes: Rows,
    owner: int,
    wanted: int,
    entry: int,
    width: int,
    seen: Rows,
    stamp: int,
) -> Rows:
    """Walk towards the owner over rows that have a certain label of its own; return the beam.

    The owner is left out; where it is itself the entry, the walk begins at its links.

    Args:
        wanted: A word with the label's bit set, see `shared_labels`.
    """
    query = vectors[owner]
    gaps = np.empty(width, np.float32)
    rows = np.empty(width, np.int32)
    spent = np.empty(width, np.bool_)
    size = 0
    seen[owner] = stamp
    for place in range(links.shape[1] if entry == owner else 1):
        row = links[owner, place] if entry == owner else entry
        if row < 0:
            break
        seen[row] = stamp
        if not shared_labels(starts, codes, owner, row) & wanted:
            continue
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
        for place in range(links.shape[1]):
            row = links[line, place]
            if row < 0:
                break
            if seen[row] == stamp:
                continue
            seen[row] = stamp
            if not shared_labels(starts, codes, owner, row) & wanted:
                continue
            gap = gap_to(vectors, row, query)
            found = insert_open(gaps, rows, spent, size, gap, row)
            if found >= 0:
                if size < width:
                    size += 1
                nearest = min(nearest, found)
        at = nearest
    return rows[:size]


@compiled
def _repruned(
    vectors: Vectors,
    starts: Starts,
    codes: Rows,
    owner: int,
    rows: Rows,
    degree: int,
    slack: np.float32,
) -> Rows:
    gaps = gaps_to(vectors, rows, vectors[owner])
    order = np.argsort(gaps)
    return prune_labelled(vectors, starts, codes, owner, gaps[order], rows[order], degree, slack)


@compiled
def _link_back(
    vectors: Vectors,
    starts: Starts,
    codes: Rows,
    links: Links,
    owner: int,
    new: int,
    degree: int,
    slack: np.float32,
) -> None:
    held = degree_of(links, owner)
    for place in range(held):
        if links[owner, place] == new:
            return
    if held < links.shape[1]:
        links[owner, held] = new
        return
    rows = np.empty(held + 1, np.int32)
    rows[:held] = links[owner]
    rows[held] = new
    set_links(links, owner, _repruned(vectors, starts, codes, owner, rows, degree, slack))


@compiled
def build_filtered(
    vectors: Vectors,
    starts: Starts,
    codes: Rows,
    order: Rows,
    entry_of: Rows,
    degree: int,
    width: int,
    slack: np.float32,
) -> Links:
    """Insert the rows in an order, each searched for once per label of its own.

    While building, a row may hold a third more links than `degree` before it is pruned.

    Args:
        order: [n], all rows.
        entry_of: [labels], the entry of each label.
    """
    count = vectors.shape[0]
    links = np.full((count, degree + degree // 3), np.int32(-1), np.int32)
    seen = np.zeros(count, np.int32)
    stamp = 0
    for row in order:
        found = links[row, : degree_of(links, row)].copy()
        for place in range(starts[row + 1] - starts[row]):
            stamp += 1
            entry = entry_of[codes[starts[row] + place]]
            near = walk_sharing(
                vectors, links, starts, codes, row, 1 << place, entry, width, seen, stamp
            )
            found = np.concatenate((found, near))
        found = np.unique(found)
        chosen = _repruned(vectors, starts, codes, row, found, degree, slack)
        set_links(links, row, chosen)
        for other in range(chosen.shape[0]):
            _link_back(vectors, starts, codes, links, chosen[other], row, degree, slack)
    final = np.full((count, degree), np.int32(-1), np.int32)
    for row in range(count):
        rows = links[row, : degree_of(links, row)]
        if rows.shape[0] > degree:
            rows = _repruned(vectors, starts, codes, row, rows.copy(), degree, slack)
        set_links(final, row, rows)
    return final


@compiled
def prune_union(
    vectors: Vectors,
    starts: Starts,
    codes: Rows,
    offsets: Starts,
    targets: Rows,
    degree: int,
    slack: np.float32,
) -> Links:
    """Prune each row's links, given as `targets[offsets[r]:offsets[r + 1]]`, to `degree`."""
    count = vectors.shape[0]
    links = np.full((count, degree), np.int32(-1), np.int32)
    for row in range(count):
        rows = targets[offsets[row] : offsets[row + 1]]
        if rows.shape[0] > degree:
            rows = _repruned(vectors, starts, codes, row, rows, degree, slack)
        set_links(links, row, rows)
    return links
