"""The search in numpy: slow, portable, and bit for bit what the native code returns.

The native code does the same steps with the same arithmetic (`arithmetic`), so the two agree in
every bit; a test compares them on every instruction set that the machine has.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from broadsheet.core.errors import BadInput
from broadsheet.index.compact.arithmetic import (
    Query,
    eight_dots,
    lane_sum,
    prepare,
    sign_sums,
)
from broadsheet.index.compact.arithmetic import dots as dots
from broadsheet.index.compact.layout import (
    BLOCK,
    TAIL_BINS,
    Bits,
    Positions,
    Vectors,
)
from broadsheet.index.compact.walking import Near, Walk, look_near

#: Positions looked at between two looks at the threshold.
CHUNK = 128
#: Rows beyond k up to which all matches are scored exactly at once.
FEW = 32
NOT_FINITE = "the query has a number that is not finite"
NOT_ASCENDING = "positions must be ascending, without repetition, and within the rows"
#: Allowed rows kept while walking the graph, at most.
EF_MOST = 1024
#: Results pretended to have been found and expected when the two are compared.
PRIOR = 2.0
#: Distance at the first bin of the tail table, and bins per unit of distance.
TAIL_FROM = -4.0
TAIL_BINS_PER_UNIT = 8.0
TAIL_SHIFT = np.float32(-TAIL_FROM * TAIL_BINS_PER_UNIT)

Floats = Vectors


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The arrays of a segment and the numbers that hold for all its searches.

    Attributes:
        arrays: As in `layout`.
        reach: Spreads added to a centre's score for the order of visits.
        row_step: Root mean square rounding error of a number of an 8-bit row.
        row_norm: Root mean square length of a row, over sqrt(12).
    """

    arrays: dict[str, npt.NDArray[Any]]
    reach: float
    row_step: float
    row_norm: float
    prior: float = PRIOR


@dataclass(slots=True)
class Call:
    """One search.

    Attributes:
        query: float32 [dim].
        k: Results wanted.
        bits: Rows allowed; None for all.
        ids: Rows allowed as a list of positions, ascending, instead of `bits`.
        ids_limit: Matches up to which all are scored in 8 bits.
        slack: Width of an estimate, in units of factor * |q - c|.
        stops: Share of k that may be expected missing at the end, where few, some and many of the
            rows near the query are allowed (`walking.BORDERS`); below 0: visit all clusters.
        sparse: Codes are skipped in clusters with less than one match in so many rows.
        graph_from: Matches from which a graph, if there is one, is walked, and matches in
            proportion there must be in the nearest clusters.
        ef: Allowed rows kept while walking, at most `EF_MOST`; 0 without a graph.
        barred: A row that no walk may enter, for calibration; negative: none.
    """

    query: Vectors
    k: int
    bits: Bits | None = None
    ids: Positions | None = None
    ids_limit: int = 0
    slack: float = 1.1
    stops: tuple[float, float, float] = (0.03, 0.03, 0.03)
    sparse: int = 16
    graph_from: int = 0
    ef: int = 0
    barred: int = -1


@dataclass(slots=True)
class Answer:
    """Positions and scores, best first, and what was done."""

    positions: Positions
    scores: Vectors
    path: int = 0
    matches: int = 0
    clusters: int = 0
    codes: int = 0
    reranked: int = 0
    exact: int = 0
    near_rows: int = 0
    near_matches: int = 0


NOTHING = Answer(np.zeros(0, np.int32), np.zeros(0, np.float32))


@dataclass(slots=True)
class _Pool:
    """Rows scored in 8 bits so far: the k-th best score, and all that may end among the k best."""

    k: int
    margin: np.float32
    best: Floats = field(default_factory=lambda: np.zeros(0, np.float32))
    scores: Floats = field(default_factory=lambda: np.zeros(0, np.float32))
    positions: Positions = field(default_factory=lambda: np.zeros(0, np.int32))
    threshold: np.float32 = field(default_factory=lambda: np.float32(-np.inf))

    def offer(self, positions: Positions, scores: Floats) -> None:
        """Take in a chunk of rows."""
        kept = scores >= self.threshold - self.margin
        self.scores = np.concatenate([self.scores, scores[kept]])
        self.positions = np.concatenate([self.positions, positions[kept]])
        self.best = -np.sort(-np.concatenate([self.best, scores]))[: self.k]
        if len(self.best) == self.k:
            self.threshold = self.best[-1]
        limit = pool_limit(self.k)
        if len(self.scores) > limit:
            self._shrink(limit // 2)

    def _shrink(self, limit: int) -> None:
        kept = self.scores >= self.threshold - self.margin
        self.scores, self.positions = self.scores[kept], self.positions[kept]
        if len(self.scores) > limit:
            first = np.lexsort((self.positions, -self.scores))[:limit]
            self.scores, self.positions = self.scores[first], self.positions[first]

    def final(self) -> Positions:
        """Return the rows worth an exact score."""
        self._shrink(len(self.scores))
        return self.positions


def pool_limit(k: int) -> int:
    """Return how many candidates are kept at most between two chunks."""
    return 4 * k + 4096


def search(view: View, call: Call) -> Answer:
    """Search a segment.

    Raises:
        BadInput: A number of the query is not finite, or positions not ascending.
    """
    arrays = view.arrays
    if not np.isfinite(call.query).all():
        raise BadInput(NOT_FINITE)
    count = len(arrays["rows"])
    if call.ids is not None and len(call.ids):
        outside = call.ids[0] < 0 or call.ids[-1] >= count
        if outside or not (np.diff(call.ids) > 0).all():
            raise BadInput(NOT_ASCENDING)
    matches = len(call.ids) if call.ids is not None else count
    if call.bits is not None:
        matches = call.bits.count
    if not matches:
        return replace(NOTHING)
    query = prepare(call.query, view.arrays["signs"])
    if matches <= call.k + FEW or call.ids is not None or matches <= call.ids_limit:
        return _by_ids(view, call, query, matches)
    near = look_near(view.arrays, query, call.bits)
    walked = None
    if call.ef and matches >= call.graph_from:
        walked = _by_graph(view, call, query, matches, near)
    return walked or _by_clusters(view, call, query, matches, near)


def _margin(view: View, query: Query) -> np.float32:
    rows = np.float32(view.row_step) * query.norm
    other = query.step * np.float32(view.row_norm)
    margin: np.float32 = np.float32(4) * np.sqrt(rows * rows + other * other)
    return margin


def _finish(view: View, call: Call, query: Query, answer: Answer, chosen: Positions) -> Answer:
    """Score the chosen rows in full and keep the k best."""
    scores = dots(view.arrays["rows"][chosen], query.exact)
    first = np.lexsort((chosen, -scores))[: call.k]
    answer.positions, answer.scores = chosen[first], scores[first]
    answer.exact = len(chosen)
    return answer


def _by_ids(view: View, call: Call, query: Query, matches: int) -> Answer:
    answer = Answer(np.zeros(0, np.int32), np.zeros(0, np.float32), 0, matches)
    ids = call.ids
    if ids is None:
        every = np.arange(len(view.arrays["rows"]), dtype=np.int32)
        ids = every if call.bits is None else call.bits.positions()
    if matches <= call.k + FEW:
        return _finish(view, call, query, answer, ids)
    pool = _Pool(call.k, _margin(view, query))
    for start in range(0, len(ids), CHUNK):
        part = ids[start : start + CHUNK]
        pool.offer(part, _eights(view, query, part))
    answer.reranked = len(ids)
    return _finish(view, call, query, answer, pool.final())


def _eights(view: View, query: Query, positions: Positions) -> Vectors:
    arrays = view.arrays
    return eight_dots(arrays["rows8"][positions], arrays["row_scales"][positions], query)


def _by_graph(view: View, call: Call, query: Query, matches: int, near: Near) -> Answer | None:
    """Walk the graph; None where few of the rows near the query are allowed, or too few found."""
    arrays = view.arrays
    if near.matches * len(arrays["rows"]) < call.graph_from * near.rows:
        return None
    mask = None if call.bits is None else call.bits.mask()
    pool = _Pool(call.k, _margin(view, query))
    answer = Answer(pool.positions, pool.scores, 3, matches)
    answer.near_rows, answer.near_matches = near.rows, near.matches

    def score(rows: Positions) -> Floats:
        answer.reranked += len(rows)
        return _eights(view, query, rows)

    walk = Walk(arrays, mask, call.ef, score, pool.offer)
    walk.run(arrays["entries"][near.nearest], call.barred)
    if len(pool.best) < call.k:
        return None
    return _finish(view, call, query, answer, pool.final())


def _by_clusters(view: View, call: Call, query: Query, matches: int, near: Near) -> Answer:
    arrays = view.arrays
    starts = arrays["starts"].astype(np.int64)
    mask = None if call.bits is None else call.bits.mask()
    sizes = np.diff(starts)
    held = sizes if mask is None else np.add.reduceat(mask.astype(np.int64), starts[:-1])
    bound = near.scores + np.float32(view.reach) * (query.norm * arrays["spreads"])
    order = np.lexsort((np.arange(len(bound)), -bound))
    order = order[held[order] > 0]
    pool = _Pool(call.k, _margin(view, query))
    answer = Answer(pool.positions, pool.scores, 1 if call.stops[0] >= 0 else 2, matches)
    answer.near_rows, answer.near_matches = near.rows, near.matches
    stop = _Stop(view, near, query, held.astype(np.float32), call)
    visits = _Visits(view, call, query, mask, pool, answer)
    due = 1
    for visited, cluster in enumerate(order, start=1):
        visits.visit(int(cluster), near.scores[cluster])
        stop.visit(int(cluster))
        answer.clusters = visited
        if visited >= due:
            visits.flush(0)
            due = visited + 1 + visited // 4
            if call.stops[0] >= 0 and np.isfinite(pool.threshold) and stop.enough(pool.threshold):
                break
    visits.flush(0)
    return _finish(view, call, query, answer, pool.final())


class _Visits:
    """Offers the rows of clusters that are allowed and may be among the k best."""

    def __init__(
        self,
        view: View,
        call: Call,
        query: Query,
        mask: npt.NDArray[np.bool_] | None,
        pool: _Pool,
        answer: Answer,
    ) -> None:
        self._arrays = view.arrays
        self._view, self._call, self._query = view, call, query
        self._mask, self._pool, self._answer = mask, pool, answer
        self._pending = np.zeros(0, np.int32)

    def flush(self, most: int) -> None:
        """Offer pending rows, in chunks, until at most `most` are left."""
        while len(self._pending) > most:
            self._offer(self._pending[:CHUNK])
            self._pending = self._pending[CHUNK:]

    def visit(self, cluster: int, near: np.float32) -> None:
        """Take in one cluster, whose centre has the score `near`."""
        starts = self._arrays["starts"]
        low, high = int(starts[cluster]), int(starts[cluster + 1])
        inside = np.arange(low, high, dtype=np.int32)
        allowed = inside if self._mask is None else inside[self._mask[low:high]]
        if len(allowed) * self._call.sparse < high - low:
            self._pending = np.concatenate([self._pending, allowed])
            self.flush(CHUNK - 1)
            return
        self.flush(0)
        apart2 = self._query.norm2 + self._arrays["centre_norms"][cluster]
        apart2 -= np.float32(2) * near
        slack = np.float32(self._call.slack) * np.sqrt(np.maximum(apart2, np.float32(0)))
        # Chunks are whole blocks of codes; the first and the last may reach into other clusters.
        for start in range(low // BLOCK * BLOCK, high, CHUNK):
            end = min(start + CHUNK, -(-high // BLOCK) * BLOCK)
            part = np.arange(max(start, low), min(end, high), dtype=np.int32)
            upper = self._upper(start, end, part, near, slack)
            kept = upper > self._pool.threshold
            if self._mask is not None:
                kept &= self._mask[part]
            if kept.any():
                self._offer(part[kept])
        self._answer.codes += high - low

    def _upper(
        self, start: int, end: int, part: Positions, near: np.float32, slack: np.float32
    ) -> Floats:
        """Return optimistic estimates of the scores of these positions."""
        arrays = self._arrays
        sums = sign_sums(arrays["codes"][start // BLOCK : end // BLOCK], self._query.whole)
        width = self._query.whole_step * sums[part - start].astype(np.float32) + slack
        upper: Floats = (near + arrays["offsets"][part]) + arrays["factors"][part] * width
        return upper

    def _offer(self, part: Positions) -> None:
        self._answer.reranked += len(part)
        self._pool.offer(part, _eights(self._view, self._query, part))


class _Stop:
    """Expected number of missed results among the rows of the clusters not visited yet."""

    def __init__(self, view: View, near: Near, query: Query, held: Floats, call: Call) -> None:
        inverse = np.float32(1) / np.maximum(query.norm, np.float32(1e-30))
        self._near = _widened(near.scores)
        self._inverse = _widened(view.arrays["sharpness"] * inverse)
        self._left = _widened(held)
        self._seen = np.zeros_like(self._left)
        self._tail = view.arrays["tail"]
        self._prior = np.float32(view.prior)
        self._k = np.float32(call.k)
        self._stop = np.float32(call.stops[near.level])

    def visit(self, cluster: int) -> None:
        """Move a cluster from those left to those seen."""
        self._seen[cluster] = self._left[cluster]
        self._left[cluster] = 0

    def enough(self, threshold: np.float32) -> bool:
        """Tell whether few enough results can be missing."""
        bins = (threshold - self._near) * self._inverse + TAIL_SHIFT
        bins = np.minimum(np.maximum(bins, np.float32(0)), np.float32(TAIL_BINS - 1))
        share = self._tail[bins.astype(np.int32)]
        left, seen = lane_sum(self._left * share), lane_sum(self._seen * share)
        k = self._k
        # More found than expected: more is missing, too. Fewer: nearer rows are not allowed, which
        # says nothing about those further off.
        allowed = (self._stop * k) * (min(seen, k) + self._prior)
        return bool(left * (k + self._prior) <= allowed)


def _widened(numbers: Floats) -> Floats:
    wide = np.zeros(-(-len(numbers) // 16) * 16, np.float32)
    wide[: len(numbers)] = numbers
    return wide
