"""ACORN's kernels: a wide list of neighbours, compressed, and a walk inside the predicate.

Legend: n rows, d dimensions. Level 0 has its own table, `links`; the upper levels share `upper`,
whose lines `base` gives (row r, level l > 0: line base[r] + l - 1).
Source: Patel et al. 2024 (ACORN), section 5 and its public implementation's choices: only level 0
is compressed, and a walk while building looks at the first M links of a row.
"""

from __future__ import annotations

import numpy as np

from broadsheet.systems.retrieval.filtered_ann.methods.beams import (
    Gaps,
    Mask,
    Rows,
    Vectors,
    gap_to,
    gaps_to,
    insert_open,
)
from broadsheet.systems.retrieval.filtered_ann.methods.compiling import compiled
from broadsheet.systems.retrieval.filtered_ann.methods.pruning import degree_of, set_links
from broadsheet.systems.retrieval.filtered_ann.methods.walking import (
    Lines,
    Links,
    descend,
    walk,
)


@compiled
def compress(
    links: Links, rows: Rows, beta: int, limit: int, reach: int, marks: Rows, stamp: int
) -> Rows:
    """Return which candidates stay links: the first `beta`, then those not two hops away.

    A later candidate goes when a kept one beyond the first `beta` links to it. The list ends when
    the kept rows and their links are `reach` different rows, or at `limit` links.

    Args:
        links: [n, w], the graph so far.
        rows: Candidates, nearest first.
        marks: [n], scratch for `stamp`.
    """
    kept = np.empty(min(limit, rows.shape[0]), np.int32)
    size, reached = 0, 0
    for place in range(rows.shape[0]):
        if size == limit or (place >= beta and reached >= reach):
            break
        row = rows[place]
        if place >= beta and marks[row] == stamp:
            continue
        kept[size] = row
        size += 1
        if marks[row] != stamp:
            marks[row] = stamp
            reached += 1
        if place < beta:
            continue
        for other in range(links.shape[1]):
            hop = links[row, other]
            if hop < 0:
                break
            if marks[hop] != stamp:
                marks[hop] = stamp
                reached += 1
    return kept[:size]


@compiled
def _add(
    vectors: Vectors,
    links: Links,
    owner: int,
    new: int,
    beta: int,
    reach: int,
    marks: Rows,
    stamp: int,
) -> None:
    degree = degree_of(links, owner)
    if degree < links.shape[1]:
        links[owner, degree] = new
        return
    rows = np.empty(degree + 1, np.int32)
    rows[:degree] = links[owner, :degree]
    rows[degree] = new
    order = np.argsort(gaps_to(vectors, rows, vectors[owner]))
    set_links(links, owner, compress(links, rows[order], beta, links.shape[1], reach, marks, stamp))


@compiled
def _add_nearest(vectors: Vectors, upper: Links, line: int, owner: int, new: int) -> None:
    degree = degree_of(upper, line)
    if degree < upper.shape[1]:
        upper[line, degree] = new
        return
    gap = gap_to(vectors, new, vectors[owner])
    gaps = gaps_to(vectors, upper[line], vectors[owner])
    farthest = int(np.argmax(gaps))
    if gap < gaps[farthest]:
        upper[line, farthest] = new


@compiled
def build(
    vectors: Vectors,
    levels: Rows,
    base: Lines,
    degree: int,
    gamma: int,
    beta: int,
    width: int,
) -> tuple[Links, Links, int]:
    """Insert the rows in their order; return links of level 0, links above, and the entry.

    Args:
        degree: M of the paper.
        gamma: Each row looks for M * gamma neighbours.
        beta: M_beta, the nearest neighbours that compression never drops.
        width: The least beam.
    """
    count = vectors.shape[0]
    links = np.full((count, beta + 2 * degree), np.int32(-1), np.int32)
    upper = np.full((max(levels.sum(), 1), degree * gamma), np.int32(-1), np.int32)
    seen = np.zeros(count, np.int32)
    marks = np.zeros(count, np.int32)
    walkable = np.ones(count, np.bool_)
    entry, top, stamp, reach = 0, int(levels[0]), 0, degree * gamma
    for row in range(1, count):
        own, query = int(levels[row]), vectors[row]
        entries = np.empty(1, np.int32)
        entries[0] = descend(vectors, upper[:, :degree], base, query, entry, top, min(own, top))
        for level in range(min(top, own), -1, -1):
            stamp += 1
            table = upper[:, :degree] if level > 0 else links[:, :degree]
            _, rows = walk(
                vectors,
                table,
                base,
                level,
                query,
                entries,
                max(width, reach),
                walkable,
                seen,
                stamp,
            )
            if level > 0:
                chosen = rows[:reach]
                set_links(upper, base[row] + level - 1, chosen)
            else:
                chosen = compress(links, rows, beta, links.shape[1], reach, marks, stamp)
                set_links(links, row, chosen)
            for place in range(chosen.shape[0]):
                other = chosen[place]
                if level > 0:
                    _add_nearest(vectors, upper, base[other] + level - 1, other, row)
                else:
                    stamp += 1
                    _add(vectors, links, other, row, beta, reach, marks, stamp)
            entries = rows
        if own > top:
            entry, top = row, own
    return links, upper, entry


@compiled
def walk_matching(
    vectors: Vectors,
    links: Links,
    base: Lines,
    level: int,
    query: Vectors,
    entries: Rows,
    width: int,
    beta: int,
    limit: int,
    allowed: Mask,
    seen: Rows,
    stamp: int,
) -> tuple[Gaps, Rows]:
    """Walk over the allowed rows only, looking through links into two hops.

    From a row, its links are read in order; those beyond the first `beta` are opened, allowed or
    not, and their links are read too, until `limit` allowed rows not seen before were found.
    An entry that is not allowed is opened but counts as infinitely far.
    """
    gaps = np.empty(width, np.float32)
    rows = np.empty(width, np.int32)
    spent = np.empty(width, np.bool_)
    near = np.empty(limit, np.int32)
    size = 0
    for place in range(entries.shape[0]):
        row = entries[place]
        seen[row] = stamp
        gap = gap_to(vectors, row, query) if allowed[row] else np.float32(np.inf)
        if insert_open(gaps, rows, spent, size, gap, row) >= 0 and size < width:
            size += 1
    at = 0
    while at < size:
        if spent[at]:
            at += 1
            continue
        spent[at] = True
        count = _gather(links, base, level, rows[at], beta, allowed, seen, stamp, near)
        nearest = at + 1
        for place in range(count):
            gap = gap_to(vectors, near[place], query)
            found = insert_open(gaps, rows, spent, size, gap, near[place])
            if found >= 0:
                if size < width:
                    size += 1
                nearest = min(nearest, found)
        at = nearest
    while size > 0 and not allowed[rows[size - 1]]:
        size -= 1
    return gaps[:size], rows[:size]


@compiled
def _gather(
    links: Links,
    base: Lines,
    level: int,
    row: int,
    beta: int,
    allowed: Mask,
    seen: Rows,
    stamp: int,
    near: Rows,
) -> int:
    count, limit = 0, near.shape[0]
    line = row if level == 0 else base[row] + level - 1
    for place in range(links.shape[1]):
        link = links[line, place]
        if link < 0 or count == limit:
            break
        if allowed[link] and seen[link] != stamp:
            seen[link] = stamp
            near[count] = link
            count += 1
        if place < beta:
            continue
        second = link if level == 0 else base[link] + level - 1
        for other in range(links.shape[1]):
            hop = links[second, other]
            if hop < 0 or count == limit:
                break
            if allowed[hop] and seen[hop] != stamp:
                seen[hop] = stamp
                near[count] = hop
                count += 1
    return count
