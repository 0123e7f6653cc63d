"""A neighbour graph from clusters: candidates by exact scores among near clusters, then pruned.

Clusters make the candidates cheap: a row's neighbours lie in its own cluster and in the few whose
centres are nearest to that one's, and all scores between such clusters are one matrix product. Of
the candidates those are kept that no kept one is much nearer to; then each edge is also laid in
the other direction, as far as there is room.

Source: the pruning rule of Vamana (Subramanya et al. 2019); reverse edges as in HNSW (Malkov and
Yashunin 2018), without their insertion one by one.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from broadsheet.core.progress import Progress
from broadsheet.index.compact.clusters import Clusters
from broadsheet.index.compact.layout import Vectors

#: Neighbours of a row at most.
DEGREE = 24
#: Edges that a row chooses itself at most; the rest is room for those that choose it.
CHOSEN = 16
#: Candidates they are chosen from.
CANDIDATES = 32
#: Clusters, its own among them, where a row's candidates come from.
NEAR_CLUSTERS = 8
#: A candidate is dropped when a kept one is nearer to it than so many times the row itself is
#: (squared distances).
SLACK = 1.2
_ROWS = 512

Edges = npt.NDArray[np.int32]


def build_graph(
    rows: Vectors, clusters: Clusters, *, progress: Progress, threads: int = 1
) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays `graph` and `entries` of rows in cluster order.

    `entries` holds, for each cluster, the row nearest to its centre: where a walk may begin.
    """
    count, lists = len(rows), len(clusters.centres)
    squares = np.einsum("nd,nd->n", rows, rows)
    near = _near_clusters(clusters.centres)
    chosen = np.full((count, CHOSEN), -1, dtype=np.int32)
    entries = np.zeros(lists, dtype=np.int32)
    advance = progress.start("joining neighbours", count, "rows")

    def join(cluster: int) -> int:
        low, high = int(clusters.starts[cluster]), int(clusters.starts[cluster + 1])
        parts = [np.arange(clusters.starts[c], clusters.starts[c + 1]) for c in near[cluster]]
        others = np.concatenate(parts).astype(np.int32)
        entries[cluster] = low + int((rows[low:high] @ clusters.centres[cluster]).argmax())
        candidates = rows[others]
        for start in range(low, high, _ROWS):
            own = np.arange(start, min(start + _ROWS, high), dtype=np.int32)
            chosen[own] = _chosen(rows, squares, own, others, candidates)
        return high - low

    if threads <= 1:
        for cluster in range(lists):
            advance(join(cluster))
    else:
        with ThreadPoolExecutor(threads) as pool:
            for done in pool.map(join, range(lists)):
                advance(done)
    return {"graph": with_reverse(chosen), "entries": entries}


def _near_clusters(centres: Vectors) -> npt.NDArray[np.int64]:
    """Return for each centre the numbers of the nearest, its own first."""
    squares = np.einsum("ld,ld->l", centres, centres)
    apart = squares[:, None] + squares[None, :] - 2 * (centres @ centres.T)
    np.fill_diagonal(apart, -np.inf)
    return np.argsort(apart, axis=1, kind="stable")[:, :NEAR_CLUSTERS]


def _chosen(rows: Vectors, squares: Vectors, own: Edges, others: Edges, their: Vectors) -> Edges:
    """Return the edges that rows choose among other rows, -1 where there are fewer."""
    apart = squares[own][:, None] + squares[others][None, :] - 2 * (rows[own] @ their.T)
    apart[own[:, None] == others[None, :]] = np.inf
    width = min(CANDIDATES, len(others))
    first = np.argpartition(apart, width - 1, axis=1)[:, :width]
    by_distance = np.argsort(np.take_along_axis(apart, first, axis=1), axis=1, kind="stable")
    first = np.take_along_axis(first, by_distance, axis=1)
    distance = np.take_along_axis(apart, first, axis=1)
    picked = their[first]
    picked_squares = squares[others[first]]
    between = np.matmul(picked, picked.transpose(0, 2, 1))
    between = picked_squares[:, :, None] + picked_squares[:, None, :] - 2 * between
    kept = np.zeros(first.shape, dtype=np.bool_)
    room = np.full(len(own), CHOSEN)
    for index in range(width):
        covered = (kept & (SLACK * between[:, :, index] < distance[:, index, None])).any(axis=1)
        take = ~covered & (room > 0) & np.isfinite(distance[:, index])
        kept[:, index] = take
        room -= take
    # Kept ones first, in order of distance.
    places = np.argsort(~kept, axis=1, kind="stable")[:, :CHOSEN]
    edges = np.where(
        np.take_along_axis(kept, places, axis=1),
        others[first[:, :]][np.arange(len(own))[:, None], places],
        -1,
    )
    out = np.full((len(own), CHOSEN), -1, dtype=np.int32)
    out[:, : edges.shape[1]] = edges
    return out


def with_reverse(chosen: Edges) -> Edges:
    """Return edges in both directions, a row's own choices first, at most `DEGREE` of them.

    Shape:
        [n, CHOSEN] -> [n, DEGREE]; -1 where there are fewer.
    """
    count = len(chosen)
    graph = np.full((count, DEGREE), -1, dtype=np.int32)
    graph[:, :CHOSEN] = chosen
    source = np.repeat(np.arange(count, dtype=np.int64), CHOSEN)
    rank = np.tile(np.arange(CHOSEN), count)
    target = chosen.ravel().astype(np.int64)
    # An edge that its target chose, too, is there already.
    forward = np.sort((source * count + target)[target >= 0])
    keep = target >= 0
    backward = target * count + source
    at = np.minimum(np.searchsorted(forward, backward), max(len(forward) - 1, 0))
    keep[keep] &= forward[at[keep]] != backward[keep]
    source, target, rank = source[keep], target[keep], rank[keep]
    order = np.lexsort((source, rank, target))
    source, target = source[order], target[order]
    begins = np.searchsorted(target, np.arange(count))
    place = np.arange(len(target)) - begins[target] + (graph[:, :CHOSEN] >= 0).sum(axis=1)[target]
    fits = place < DEGREE
    graph[target[fits], place[fits]] = source[fits]
    return graph
