"""A segment: an immutable set of vectors that is searched by inner product under a filter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from broadsheet.core.errors import BadInput
from broadsheet.core.progress import Progress
from broadsheet.core.seeds import SeedTree
from broadsheet.index.compact import native, reference
from broadsheet.index.compact.calibration import FEWEST, TARGET, calibrate
from broadsheet.index.compact.clusters import cluster_rows
from broadsheet.index.compact.codes import encode, to_eights
from broadsheet.index.compact.graph import build_graph
from broadsheet.index.compact.layout import (
    LAYOUT_VERSION,
    TAIL_BINS,
    Arrays,
    Bits,
    Positions,
    Vectors,
    checked_arrays,
    padded,
)
from broadsheet.index.compact.planner import PATHS, Costs, Plan, Stops
from broadsheet.index.compact.rotation import draw_signs
from broadsheet.index.compact.scanning import open_search, view_of

#: Rows that a search may return: a set, a list of positions, or None for all.
Filter = Bits | Positions | None
#: Share of the true results that a search aims at when nobody says otherwise.
RECALL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What `build_segment` made.

    Attributes:
        order: int32 [n], position -> row given.
        arrays: Arrays as in `layout`, `rows` (a copy in the order of positions) among them.
        facts: Numbers that can be written as JSON: sizes, calibration, cost model.
    """

    order: npt.NDArray[np.int32]
    arrays: dict[str, npt.NDArray[Any]]
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Aim:
    """What the planner settles for a number of results and a recall; see `reference.Call`."""

    ids_limit: int
    stops: tuple[float, float, float]
    graph_from: int = 0
    ef: int = 0


class Found:
    """Results of a search, best first; equal scores by position.

    Attributes:
        positions: int32 [m], m <= k.
        scores: float32 [m], inner products.
    """

    __slots__ = ("_answer", "_k", "_segment", "positions", "scores")

    def __init__(self, segment: Segment, k: int, answer: reference.Answer) -> None:
        self._segment = segment
        self._k = k
        self._answer = answer
        self.positions = answer.positions
        self.scores = answer.scores

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def plan(self) -> Plan:
        """Return how the search was carried out."""
        return self._segment.plan_of(self._k, self._answer)


def build_segment(
    vectors: Vectors,
    *,
    seeds: SeedTree,
    graph: bool,
    progress: Progress,
    threads: int = 1,
) -> Built:
    """Build a segment of vectors: cluster, encode, calibrate.

    Args:
        vectors: float32 [n, dim], any lengths, finite.
        seeds: Randomness of the clusters, the rotation and the calibration.
        graph: Also build the neighbour graph.
        progress: Shows the stages.
        threads: Threads of the clustering.

    Raises:
        BadInput: Not a matrix, or a number that is not finite.
    """
    rows_given = _checked_rows(vectors)
    count, dim = rows_given.shape
    clusters = cluster_rows(
        rows_given, seeds=seeds.child("clusters"), progress=progress, threads=threads
    )
    rows = rows_given[clusters.order]
    signs = draw_signs(padded(dim), seeds.child("rotation"))
    centres, eights = to_eights(clusters.centres), to_eights(rows)
    arrays: dict[str, npt.NDArray[Any]] = {
        "starts": clusters.starts,
        "centres": centres.codes,
        "centre_scales": centres.scales,
        "centre_norms": np.einsum("ld,ld->l", clusters.centres, clusters.centres),
        "signs": signs,
        "rows8": eights.codes,
        "row_scales": eights.scales,
        "rows": rows,
        "tail": np.zeros(TAIL_BINS, dtype=np.float32),
        **encode(rows, clusters, signs, progress.start("encoding rows", count, "rows")),
    }
    if graph and count > FEWEST:
        arrays |= build_graph(rows, clusters, progress=progress, threads=threads)
    facts: dict[str, Any] = {
        "layout": LAYOUT_VERSION,
        "rows": count,
        "dim": dim,
        "lists": len(clusters.centres),
        "row_step": float(np.sqrt(np.mean(eights.scales**2) / 12)) if count else 0.0,
        "row_norm": float(np.sqrt(np.einsum("nd,nd->", rows, rows) / count / 12)) if count else 0.0,
    }
    calibrate(arrays, facts, clusters, seeds.child("calibration"), progress)
    return Built(order=clusters.order, arrays=arrays, facts=facts)


class Segment:
    """Searches the arrays of a segment, which it neither copies nor changes.

    Args:
        arrays: As in `layout`; may be memory-mapped and read-only.
        facts: As `build_segment` gave them.

    Raises:
        BadInput: The arrays do not fit together.

    Example:
        >>> from broadsheet.core.progress import Silent
        >>> rows = np.eye(3, dtype=np.float32)
        >>> built = build_segment(rows, seeds=SeedTree(1), graph=False, progress=Silent())
        >>> Segment(built.arrays, built.facts).search(rows[1], 1).positions.tolist()
        [1]
    """

    def __init__(self, arrays: Arrays, facts: Mapping[str, Any]) -> None:
        self.facts = facts
        self.arrays = checked_arrays(arrays, facts)
        self.size = int(facts["rows"])
        self.dim = int(facts["dim"])
        self._costs = Costs.of(facts["costs"])
        #: The kernels that searches use, "numpy" when there are none.
        self.kernels = native.instruction_set()
        self._search = open_search(view_of(self.arrays, facts), self.kernels)
        self._slack = float(facts["slack"])
        self._stops = Stops.of(facts["stops"])
        self._aims: dict[tuple[int, float], _Aim] = {}

    def search(
        self,
        query: Vectors,
        k: int,
        allowed: Bits | Positions | None = None,
        *,
        recall: float = RECALL,
    ) -> Found:
        """Return the k rows with the largest inner product among those allowed.

        Never a position that is not allowed; never fewer than min(k, rows allowed).

        Args:
            query: float32 [dim].
            k: How many.
            allowed: A set of positions, or a list of them, ascending without repetition; None
                for all rows.
            recall: Share of the true k nearest to aim at, on average; 1 visits every cluster.

        Raises:
            BadInput: The query has another length or a number that is not finite; k < 1; recall
                not in (0, 1]; a set over another number of rows.
        """
        call = self._call(query, k, allowed, recall)
        if not self.size:
            return Found(self, k, reference.NOTHING)
        return Found(self, k, self._search(call))

    def search_many(
        self,
        queries: Vectors,
        k: int,
        allowed: Filter | list[Filter] = None,
        *,
        recall: float = RECALL,
    ) -> list[Found]:
        """Search for several queries; the same results as one by one.

        Args:
            queries: float32 [m, dim].
            k: How many for each.
            allowed: As in `search`, for all queries, or a list with one for each.
            recall: As in `search`.

        Raises:
            BadInput: As in `search`.
        """
        each = list(allowed) if isinstance(allowed, (list, tuple)) else [allowed] * len(queries)
        if len(each) != len(queries):
            raise BadInput("one filter for each query is needed", received=len(each))
        return [
            self.search(query, k, one, recall=recall)
            for query, one in zip(queries, each, strict=True)
        ]

    def plan_of(self, k: int, answer: reference.Answer) -> Plan:
        """Return the account of a search for k results."""
        costs = self._costs
        spent = costs.eight * answer.reranked + costs.exact * answer.exact
        if answer.path == 3:
            spent = predicted = costs.of_graph(k, answer.matches / self.size)
        elif answer.path:
            spent += costs.clusters_base + costs.visit * answer.clusters + costs.code * answer.codes
            predicted = costs.of_clusters(k, answer.matches / max(self.size, 1))
        else:
            spent += costs.ids_base
            predicted = costs.of_ids(answer.matches)
        return Plan(
            path=PATHS[answer.path],
            matches=answer.matches,
            rows=self.size,
            density=answer.near_matches / max(answer.near_rows, 1),
            predicted_us=predicted,
            spent_us=spent,
            clusters=answer.clusters,
            codes=answer.codes,
            reranked=answer.reranked,
            exact=answer.exact,
        )

    def _call(
        self, query: Vectors, k: int, allowed: Bits | Positions | None, recall: float
    ) -> reference.Call:
        if query.shape != (self.dim,):
            raise BadInput(
                f"the query must have {self.dim} numbers", received=f"shape {query.shape}"
            )
        if k < 1 or not 0 < recall <= 1:
            raise BadInput("k is at least 1, recall above 0 and at most 1", received=(k, recall))
        bits: Bits | None = None
        ids: Positions | None = None
        if isinstance(allowed, Bits):
            bits = allowed
            if bits.size != self.size:
                raise BadInput(f"the filter is over {bits.size} rows", received=self.size)
        elif allowed is not None:
            ids = np.ascontiguousarray(allowed, dtype=np.int32)
        if k > self.size:
            k = self.size
        aim = self._aims.get((k, recall)) or self._aim_at(k, recall)
        call = reference.Call(query, k, bits, ids, aim.ids_limit, self._slack)
        call.stops = aim.stops
        call.graph_from, call.ef = aim.graph_from, aim.ef
        return call

    def _aim_at(self, k: int, recall: float) -> _Aim:
        """Return, and keep, where each path is the cheapest for k results, and when to stop."""
        costs, stops = self._costs, self._stops.at(k, recall)
        if self.facts["ids_only"]:
            aim = _Aim(ids_limit=self.size, stops=stops)
        else:
            graph_from = costs.graph_from(k, self.size)
            # The walk's width is fitted to one target.
            walks = graph_from <= self.size and recall <= TARGET
            aim = _Aim(
                ids_limit=costs.ids_limit(k, self.size),
                stops=stops,
                graph_from=graph_from if walks else 0,
                ef=costs.ef_of(k) if walks else 0,
            )
        self._aims[k, recall] = aim
        return aim


def _checked_rows(vectors: Vectors) -> Vectors:
    rows = np.ascontiguousarray(vectors, dtype=np.float32)
    if rows.ndim != 2 or not rows.shape[1]:
        raise BadInput("vectors must be a matrix with a column or more", received=rows.shape)
    step = 65536
    for start in range(0, len(rows), step):
        if not np.isfinite(rows[start : start + step]).all():
            bad = np.flatnonzero(~np.isfinite(rows[start : start + step]).all(axis=1))[0]
            raise BadInput(
                "a vector has a number that is not finite", received=f"row {start + bad}"
            )
    return rows
