"""Fit the stop rule and the cost model to a segment, on its own rows as held-out queries.

A row asks for its nearest among all others, without a filter and under filters of several kinds;
the exact answers come from a matrix product.
"""

from __future__ import annotations

import bisect
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from broadsheet.core.progress import Progress
from broadsheet.core.seeds import SeedTree
from broadsheet.index.compact import native
from broadsheet.index.compact.clusters import Clusters
from broadsheet.index.compact.layout import TAIL_BINS, Bits, Vectors
from broadsheet.index.compact.planner import Costs, Stops
from broadsheet.index.compact.reference import EF_MOST, TAIL_BINS_PER_UNIT, TAIL_FROM, Call
from broadsheet.index.compact.scanning import Search, open_search, view_of
from broadsheet.index.compact.walking import LEVELS, level_of

#: Held-out rows used as queries.
QUERIES = 128
#: Smaller segments are not calibrated: every match is scored.
FEWEST = 2000
#: Ranks whose scores serve as thresholds of the tail table.
RANKS = (10, 30, 100, 300, 1000, 3000, 10000, 30000)
#: Shares of the rule's own estimate that may be missing, the boldest first.
FACTORS = (5.6, 4.0, 2.8, 2.0, 1.4, 1.0, 0.7, 0.5, 0.35, 0.25, 0.15, 0.08)
#: Widths of estimates, in units of factor * |q - c|; their standard error is about .6.
SLACKS = (1.1, 1.3, 1.5, 1.8)
#: The recall that the factor is chosen for, and how much more is asked of the held-out queries.
TARGET, SPARE = 0.95, 0.015
#: Filters that leave little near the query differ more than the kinds tried here.
SPARE_FEW = 0.02
#: Held-out queries that a kind of filter must have to be looked at: the mean of fewer is less
#: certain than `SPARE` is wide, and the least of several uncertain means is too careful.
FEWEST_IN_GROUP = 32
#: Allowed rows kept on a walk that are tried.
WIDTHS = (12, 16, 24, 32, 48, 64, 96, 128, 160, 224, 320, 448, 640)
#: More is asked of walks: a row left out still lies where its neighbours' edges cross, so it is
#: found more easily than a new query (measured: .02 to .04 of recall).
GRAPH_SPARE = 0.035
_BATCH = 32
_DENSITIES = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003)


@dataclass(slots=True, kw_only=True)
class _Held:
    """A held-out row, its score with every row (itself: minus infinity), and the centres'."""

    position: int
    query: Vectors
    scores: Vectors
    near: Vectors


def calibrate(
    arrays: dict[str, npt.NDArray[Any]],
    facts: dict[str, Any],
    clusters: Clusters,
    seeds: SeedTree,
    progress: Progress,
) -> None:
    """Fill the `tail` array and the facts `reach`, `stops`, `slack`, `ids_only` and `costs`."""
    count = len(arrays["rows"])
    facts.update(reach=2.0, slack=1.1, ids_only=count < FEWEST)
    facts.update(stops=asdict(Stops()), costs=asdict(Costs()))
    if count < FEWEST:
        return
    generator = seeds.child("queries").numpy()
    chosen = generator.choice(count, min(QUERIES, count // 8), replace=False)
    arrays["tail"] = fit_tail(arrays, clusters, chosen, progress)
    if not native.available():
        return  # The careful defaults stay: numpy would need minutes.
    search = open_search(view_of(arrays, facts), native.instruction_set())
    stops, facts["slack"] = fit_stops(arrays, clusters, chosen[:96], search, seeds)
    facts["stops"] = asdict(stops)
    costs = fit_costs(arrays, facts, chosen[:24], search, seeds)
    if "graph" in arrays:
        costs = fit_graph(arrays, clusters, chosen, search, costs)
    facts["costs"] = asdict(costs)


def _held_out(
    arrays: dict[str, npt.NDArray[Any]], clusters: Clusters, chosen: npt.NDArray[np.int64]
) -> Iterator[_Held]:
    rows = arrays["rows"]
    for start in range(0, len(chosen), _BATCH):
        part = chosen[start : start + _BATCH]
        queries = rows[part]
        scores = queries @ rows.T
        near = queries @ clusters.centres.T
        for index, position in enumerate(part):
            scores[index, position] = -np.inf
            yield _Held(
                position=int(position),
                query=queries[index],
                scores=scores[index],
                near=near[index],
            )


def fit_tail(
    arrays: dict[str, npt.NDArray[Any]],
    clusters: Clusters,
    chosen: npt.NDArray[np.int64],
    progress: Progress,
) -> npt.NDArray[np.float32]:
    """Return the share of rows above a threshold, by its distance from the centre's score.

    The thresholds are scores of several ranks of each held-out row among all others; the distance
    is in spreads of the cluster.

    Shape:
        [TAIL_BINS]
    """
    count, lists = len(arrays["rows"]), len(clusters.centres)
    ranks = [rank for rank in RANKS if rank < count // 4]
    owner = np.repeat(np.arange(lists), np.diff(clusters.starts))
    sizes = np.diff(clusters.starts).astype(np.float64)
    above, total = np.zeros(TAIL_BINS), np.zeros(TAIL_BINS)
    advance = progress.start("calibrating the stop rule", len(chosen), "queries")
    for held in _held_out(arrays, clusters, chosen):
        spread = np.maximum(np.linalg.norm(held.query) * arrays["spreads"], 1e-30)
        top = np.argpartition(held.scores, count - ranks[-1] - 1)[count - ranks[-1] - 1 :]
        top = top[np.argsort(-held.scores[top], kind="stable")]
        for rank in ranks:
            hits = np.bincount(owner[top[:rank]], minlength=lists)
            distance = (held.scores[top[rank]] - held.near) / spread
            bins = np.clip((distance - TAIL_FROM) * TAIL_BINS_PER_UNIT, 0, TAIL_BINS - 1)
            bins = bins.astype(np.int64)
            above += np.bincount(bins, weights=hits, minlength=TAIL_BINS)
            total += np.bincount(bins, weights=sizes, minlength=TAIL_BINS)
        advance(1)
    return _falling(above, total)


@dataclass(slots=True, kw_only=True)
class _Trial:
    """A held-out row under a filter: what it asks and the score of its k-th result."""

    name: str
    query: Vectors
    bits: Bits
    k: int
    threshold: float
    level: int = 0


def fit_stops(
    arrays: dict[str, npt.NDArray[Any]],
    clusters: Clusters,
    chosen: npt.NDArray[np.int64],
    search: Search,
    seeds: SeedTree,
) -> tuple[Stops, float]:
    """Return the boldest stops, and the width of estimates, that reach the target.

    They must reach it under every kind of filter, separately for searches that find few, some
    and many allowed rows near the query.
    """
    trials = _make_trials(arrays, clusters, chosen, seeds)

    def least(factor: float, slack: float, trials: list[_Trial]) -> float:
        """Return the mean recall of the group that comes off worst."""
        shares: dict[str, list[float]] = {}
        for one in trials:
            stop = (1 - TARGET) * factor
            call = Call(query=one.query, k=one.k, bits=one.bits, slack=slack)
            call.stops = (stop, stop, stop)
            answer = search(call)
            one.level = level_of(answer.near_matches, answer.near_rows)
            # Scores from a matrix product and from the search differ in their last bits.
            floor = one.threshold - 2e-6 * (abs(one.threshold) + 1e-6)
            found = float((answer.scores >= floor).sum())
            shares.setdefault(f"{one.name} {one.k}", []).append(min(found / one.k, 1.0))
        enough = [group for group in shares.values() if len(group) >= FEWEST_IN_GROUP]
        return min((float(np.mean(group)) for group in enough), default=0.0)

    # What a careful stop misses, the estimates have lost.
    careful = (one for one in SLACKS if least(FACTORS[-1], one, trials) >= TARGET + 2 * SPARE)
    slack = next(careful, SLACKS[-1])

    def boldest(k: int, level: int) -> float:
        some = [one for one in trials if one.k == k and one.level == level]
        goal = TARGET + (SPARE if level else SPARE_FEW)
        # Recall falls with the factor, so half of what is left is ruled out each time.
        first = bisect.bisect_left(FACTORS, True, key=lambda f: least(f, slack, some) >= goal)
        return FACTORS[min(first, len(FACTORS) - 1)]

    few, some, many = (tuple(boldest(k, level) for k in Stops().results) for level in range(LEVELS))
    return Stops(few=few, some=some, many=many), slack


def _make_trials(
    arrays: dict[str, npt.NDArray[Any]],
    clusters: Clusters,
    chosen: npt.NDArray[np.int64],
    seeds: SeedTree,
) -> list[_Trial]:
    generator = seeds.child("masks").numpy()
    trials = []
    for held in _held_out(arrays, clusters, chosen):
        for name, mask in _masks(held, clusters, generator):
            mask[held.position] = False
            inside = held.scores[mask]
            bits = Bits.from_mask(mask)
            for k in Stops().results:
                if len(inside) > 4 * k:
                    threshold = float(np.partition(inside, len(inside) - k)[len(inside) - k])
                    trials.append(
                        _Trial(name=name, query=held.query, bits=bits, k=k, threshold=threshold)
                    )
    return trials


def _masks(
    held: _Held, clusters: Clusters, generator: np.random.Generator
) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    """Yield filters by name: none, at random, by clusters, and what is not near in four ways."""
    count, lists = len(held.scores), len(clusters.centres)
    yield "all", np.ones(count, dtype=np.bool_)
    yield "half", generator.random(count, dtype=np.float32) < 0.5
    yield "random", generator.random(count, dtype=np.float32) < 0.1
    yield "rare", generator.random(count, dtype=np.float32) < 0.01
    sizes = np.diff(clusters.starts)
    yield "clusters", np.repeat(generator.random(lists) < 0.2, sizes)
    elsewhere = clusters.centres @ clusters.centres[generator.integers(lists)]
    yield "elsewhere", np.repeat(elsewhere >= np.quantile(elsewhere, 0.95), sizes)
    far = np.ones(lists, dtype=np.bool_)
    far[np.argsort(-held.near)[: max(1, lists // 20)]] = False
    yield "far", np.repeat(far, sizes)
    shares = np.where(far, np.float32(0.6), np.float32(0.2))
    yield "thinned", generator.random(count, dtype=np.float32) < np.repeat(shares, sizes)
    hole = min(3 * count // lists, count // 2)
    yield "hole", held.scores < np.partition(held.scores, count - hole)[count - hole]
    yield "below", held.scores < np.partition(held.scores, count - count // 10)[count - count // 10]


def fit_costs(
    arrays: dict[str, npt.NDArray[Any]],
    facts: dict[str, Any],
    chosen: npt.NDArray[np.int64],
    search: Search,
    seeds: SeedTree,
) -> Costs:
    """Time both paths and return the cost model; the only part that differs between two builds."""
    rows, stops = arrays["rows"], Stops.of(facts["stops"])
    count = len(rows)
    queries = [rows[position].copy() for position in chosen]
    generator = seeds.child("costs").numpy()

    def spent(k: int, density: float, limit: int) -> float:
        # A mask for each query: what one leaves in the caches must not serve the next.
        masks = [
            Bits.from_mask(generator.random(count, dtype=np.float32) < density) for _ in queries
        ]
        times = []
        for _ in range(2):
            for index, query in enumerate(queries):
                call = Call(query=query, k=k, bits=masks[index], ids_limit=limit)
                call.stops = stops.at(k, TARGET)
                call.slack = float(facts["slack"])
                begun = time.thread_time_ns()
                search(call)
                times.append((time.thread_time_ns() - begun) / 1e3)
        return float(np.median(times[len(queries) :]))

    few, many = min(256, count // 4), min(4096, count // 2)
    short, long = spent(10, few / count, count), spent(10, many / count, count)
    per_row = max((long - short) / (many - few), 1e-3)
    densities = [one for one in _DENSITIES if one * count >= 400]
    table = [[max(spent(k, one, 0), 1.0) for one in densities] for k in (10, 100)]
    return Costs(
        ids_base=max(short - per_row * few, 1.0),
        ids_row=per_row,
        eight=per_row,
        densities=tuple(densities),
        table=tuple(tuple(row) for row in table),
    )


def fit_graph(
    arrays: dict[str, npt.NDArray[Any]],
    clusters: Clusters,
    chosen: npt.NDArray[np.int64],
    search: Search,
    costs: Costs,
) -> Costs:
    """Return the model with the walk's width for the target, and what walking costs."""
    count = len(arrays["rows"])
    generator = np.random.default_rng(len(chosen))
    masks = [generator.random(count) < share for share in (1.0, 0.5)]
    trials: list[tuple[int, int, Call, float]] = []
    for held in _held_out(arrays, clusters, chosen):
        for index, mask in enumerate(masks):
            scores, bits = np.where(mask, held.scores, -np.inf), Bits.from_mask(mask)
            for k in costs.results:
                # A new query is no node of the graph, so the row itself must not lead the way.
                call = Call(query=held.query, k=k, bits=bits, barred=held.position)
                threshold = float(np.partition(scores, count - k)[count - k])
                trials.append((k, index, call, threshold))

    def least(k: int, width: int) -> float:
        """Return the mean recall of walks for k results under the mask that comes off worst."""
        shares: dict[int, list[float]] = {}
        for wanted, index, call, threshold in trials:
            if wanted == k:
                call.ef = width
                found = float((search(call).scores >= threshold - 1e-5).sum())
                shares.setdefault(index, []).append(min(found / k, 1.0))
        return min(float(np.mean(group)) for group in shares.values())

    ef = tuple(
        next((w for w in WIDTHS if w >= k and least(k, w) >= TARGET + GRAPH_SPARE), EF_MOST)
        for k in costs.results
    )
    table = tuple(
        tuple(
            _time_walks(arrays, chosen[:24], Bits.from_mask(mask), k, width, search)
            for mask in (generator.random(count) < density for density in costs.densities[:2])
        )
        for k, width in zip(costs.results, ef, strict=True)
    )
    return replace(costs, ef=ef, graph=table)


def _time_walks(
    arrays: dict[str, npt.NDArray[Any]],
    chosen: npt.NDArray[np.int64],
    bits: Bits,
    k: int,
    ef: int,
    search: Search,
) -> float:
    times = []
    for _ in range(2):
        for position in chosen:
            call = Call(query=arrays["rows"][position].copy(), k=k, bits=bits, ef=ef)
            call.barred = int(position)
            begun = time.thread_time_ns()
            search(call)
            times.append((time.thread_time_ns() - begun) / 1e3)
    return max(float(np.median(times[len(chosen) :])), 1.0)


def _falling(
    above: npt.NDArray[np.float64], total: npt.NDArray[np.float64]
) -> npt.NDArray[np.float32]:
    """Return falling shares: neighbours that rise are pooled (isotonic regression)."""
    blocks: list[list[float]] = []
    for hits, size in zip(above, total, strict=True):
        blocks.append([float(hits), float(size), 1.0])
        while len(blocks) > 1 and _share(blocks[-2]) <= _share(blocks[-1]):
            last = blocks.pop()
            blocks[-1] = [one + other for one, other in zip(blocks[-1], last, strict=True)]
    parts = [np.full(int(block[2]), _share(block)) for block in blocks]
    return np.concatenate(parts).astype(np.float32)


def _share(block: list[float]) -> float:
    return (block[0] + 1e-3) / (block[1] + 1e-3)
