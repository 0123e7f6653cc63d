"""The guarantees of a segment, and that all kernels return the same bits."""

from __future__ import annotations

import functools
import itertools
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.core.progress import Silent
from broadsheet.core.seeds import SeedTree
from broadsheet.index.compact import Bits, Built, Segment, build_segment, native
from broadsheet.index.compact.graph import with_reverse

KERNELS = (*native.supported(), "numpy")


def world(count: int, dim: int, seed: int) -> npt.NDArray[np.float32]:
    """Rows around a few centres, of many lengths, with duplicates and zero rows."""
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((max(1, count // 40), dim))
    rows = centres[generator.integers(len(centres), size=count)]
    rows = rows + 0.7 * generator.standard_normal((count, dim))
    rows *= generator.uniform(0.3, 2, size=(count, 1))
    if count > 4:
        rows[generator.integers(count, size=count // 8)] = rows[0]
        rows[generator.integers(count, size=1 + count // 50)] = 0
    return rows.astype(np.float32)


def build(rows: npt.NDArray[np.float32]) -> Built:
    return build_segment(rows, seeds=SeedTree(5), graph=False, progress=Silent())


@functools.cache
def built_world(count: int, dim: int, seed: int) -> Built:
    return build(world(count, dim, seed))


def open_with(kernels: str, built: Built) -> Segment:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(native.CHOICE, kernels)
        return Segment(built.arrays, built.facts)


def exact(built: Built, query: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    scores: npt.NDArray[np.float32] = built.arrays["rows"] @ query
    return scores


SIZES = [(0, 5), (1, 1), (5, 3), (300, 7), (700, 65), (2500, 20), (2600, 130)]


@settings(max_examples=80)
@given(st.data())
def test_never_outside_never_fewer_and_equal_bits(data: st.DataObject) -> None:
    count, dim = data.draw(st.sampled_from(SIZES))
    built = built_world(count, dim, 1)
    generator = np.random.default_rng(data.draw(st.integers(0, 1000)))
    query = generator.standard_normal(dim) * data.draw(st.sampled_from([0.0, 1e-3, 1.0, 50.0]))
    query = query.astype(np.float32)
    mask = generator.random(count) < data.draw(st.sampled_from([0.0, 0.002, 0.03, 0.3, 1.0]))
    if data.draw(st.booleans()):  # whole stretches of positions, so that clusters are empty
        mask &= (np.arange(count) // 97) % 3 == 1
    k = data.draw(st.sampled_from([1, 3, 10, 100, 5000]))
    recall = data.draw(st.sampled_from([0.5, 0.95, 1.0]))
    allowed: Any = Bits.from_mask(mask)
    if data.draw(st.booleans()):
        allowed = np.flatnonzero(mask).astype(np.int32)
    found = [open_with(name, built).search(query, k, allowed, recall=recall) for name in KERNELS]
    for one in found:
        assert mask[one.positions].all()
        assert len(one) == len(set(one.positions.tolist())) == min(k, int(mask.sum()))
        keys = list(zip((-one.scores).tolist(), one.positions.tolist(), strict=True))
        assert keys == sorted(keys)
        assert one.plan.matches == mask.sum()
        assert one.plan.explain().startswith(one.plan.path)
    scores = exact(built, query)[found[0].positions]
    assert np.allclose(found[0].scores, scores, rtol=1e-4, atol=1e-4 * (1 + np.abs(query).sum()))
    for one in found[1:]:
        assert one.positions.tobytes() == found[0].positions.tobytes()
        assert one.scores.tobytes() == found[0].scores.tobytes()
        assert one.plan == found[0].plan


@pytest.mark.parametrize("kernels", KERNELS)
def test_clusters_path_equals_numpy(kernels: str) -> None:
    """The property test rarely leaves the ids path: here it is forced away from it."""
    built = built_world(2600, 130, 1)
    facts = {**built.facts, "costs": {**built.facts["costs"], "ids_row": 1e9, "ids_base": 1e9}}
    built = Built(order=built.order, arrays=built.arrays, facts=facts)
    segment, reference = open_with(kernels, built), open_with("numpy", built)
    generator = np.random.default_rng(3)
    paths = set()
    for density, k, recall in itertools.product((1, 0.4, 0.06), (1, 10, 60), (0.9, 0.95, 1.0)):
        query = generator.standard_normal(130).astype(np.float32)
        bits = Bits.from_mask(generator.random(2600) < density) if density < 1 else None
        one = segment.search(query, k, bits, recall=recall)
        other = reference.search(query, k, bits, recall=recall)
        assert one.positions.tobytes() == other.positions.tobytes()
        assert one.scores.tobytes() == other.scores.tobytes()
        assert one.plan == other.plan
        paths.add(one.plan.path)
    assert paths >= {"clusters", "scan"}


def clustered(count: int, dim: int, seed: int) -> npt.NDArray[np.float32]:
    generator = np.random.default_rng(seed)
    scale = (np.arange(dim) + 3.0) ** -0.5
    topics = generator.standard_normal((count // 50, dim)) * scale
    rows = topics[generator.integers(len(topics), size=count)]
    rows = rows + 1.2 * generator.standard_normal((count, dim)) * scale
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float32)


@functools.cache
def held_out_world() -> tuple[Built, npt.NDArray[np.float32]]:
    rows = clustered(12_000, 96, 8)
    return build(rows[:-150]), rows[-150:]


@functools.cache
def held_out_scores() -> npt.NDArray[np.float32]:
    built, queries = held_out_world()
    scores: npt.NDArray[np.float32] = queries @ built.arrays["rows"].T
    return scores


def filters_of(kind: str) -> npt.NDArray[np.bool_]:
    """One mask for each held-out query."""
    scores = held_out_scores()
    draw = np.random.default_rng(1).random(scores.shape)
    side = np.broadcast_to(scores[7], scores.shape)  # a direction that has nothing to do with it
    return {
        "all": draw < 1,
        "random": draw < 0.2,
        "rare": draw < 0.02,
        "own": scores > np.quantile(scores, 0.7, axis=1, keepdims=True),
        "other": side > np.quantile(side[0], 0.8),
        "not own": scores < np.quantile(scores, 0.9, axis=1, keepdims=True),
    }[kind]


@pytest.mark.parametrize("kind", ["all", "random", "rare", "own", "other", "not own"])
@pytest.mark.parametrize("k", [10, 50])
def test_recall_on_held_out_queries(kind: str, k: int) -> None:
    built, queries = held_out_world()
    segment = Segment(built.arrays, built.facts)
    shares = []
    use = slice(None) if segment.kernels != "numpy" else slice(40)
    for query, mask, near in zip(queries[use], filters_of(kind), held_out_scores(), strict=False):
        found = segment.search(query, k, Bits.from_mask(mask))
        scores = np.where(mask, near, -np.inf)
        threshold = np.partition(scores, len(scores) - k)[len(scores) - k]
        shares.append((scores[found.positions] >= threshold - 1e-6).mean())
    assert np.mean(shares) >= 0.95


@functools.cache
def graph_world() -> tuple[Built, npt.NDArray[np.float32]]:
    rows = clustered(4000, 48, 4)
    built = build_segment(rows[:-60], seeds=SeedTree(5), graph=True, progress=Silent())
    return built, rows[-60:]


def always_walk(built: Built) -> Built:
    """A cost model by which a walk is nearly free and all else dear."""
    costs = {**built.facts["costs"], "ids_row": 1e3, "ids_base": 1e3}
    costs |= {"results": (10, 100), "densities": (1.0, 0.1), "table": ((1e3, 1e3), (1e3, 1e3))}
    costs |= {"graph": ((1.0, 1.0), (1.0, 1.0)), "ef": (120, 200)}
    facts = {**built.facts, "costs": costs}
    return Built(order=built.order, arrays=built.arrays, facts=facts)


def test_graph_has_edges_in_both_directions_and_none_to_itself() -> None:
    built, _ = graph_world()
    graph = built.arrays["graph"]
    edges = {(row, int(to)) for row in range(len(graph)) for to in graph[row] if to >= 0}
    assert all(row != to for row, to in edges)
    assert len(edges) == int((graph >= 0).sum())  # none twice
    both = sum((to, row) in edges for row, to in edges)
    assert both > 0.8 * len(edges)
    starts = built.arrays["starts"]
    assert ((built.arrays["entries"] >= starts[:-1]) & (built.arrays["entries"] < starts[1:])).all()


def test_reverse_edges_fill_the_room() -> None:
    chosen = np.full((3, 16), -1, dtype=np.int32)
    chosen[0, :2] = [1, 2]
    chosen[1, 0] = 0
    both = with_reverse(chosen)
    assert [row[row >= 0].tolist() for row in both] == [[1, 2], [0], [0]]


@pytest.mark.parametrize("kernels", KERNELS)
def test_walks_equal_numpy_and_hold_the_guarantees(kernels: str) -> None:
    built, queries = graph_world()
    built = always_walk(built)
    segment, reference = open_with(kernels, built), open_with("numpy", built)
    generator = np.random.default_rng(2)
    paths = []
    for query, density in zip(queries[:12], itertools.cycle((1.0, 0.6, 0.2, 0.02)), strict=False):
        mask = generator.random(segment.size) < density
        if density == 0.6:  # nothing near the query
            mask = exact(built, query) < np.quantile(exact(built, query), 0.6)
        for k in (1, 10, 60):
            one = segment.search(query, k, Bits.from_mask(mask))
            other = reference.search(query, k, Bits.from_mask(mask))
            assert one.positions.tobytes() == other.positions.tobytes()
            assert one.scores.tobytes() == other.scores.tobytes()
            assert one.plan == other.plan
            assert mask[one.positions].all()
            assert len(one) == min(k, int(mask.sum()))
            paths.append(one.plan.path)
    assert {"graph", "clusters"} <= set(paths)


def test_walks_find_the_nearest() -> None:
    built, queries = graph_world()
    built = always_walk(built)
    segment = Segment(built.arrays, built.facts)
    shares = []
    for query in queries:
        found = segment.search(query, 10)
        assert found.plan.path == "graph"
        shares.append((found.scores >= np.sort(exact(built, query))[-10] - 1e-6).mean())
    assert np.mean(shares) >= 0.95


def test_full_recall_finds_nearly_everything_and_more_than_half_recall() -> None:
    built, queries = held_out_world()
    facts = {**built.facts, "costs": {**built.facts["costs"], "ids_row": 1e9, "ids_base": 1e9}}
    segment = Segment(built.arrays, facts)
    found = {0.5: 0, 1.0: 0}
    work = {0.5: 0, 1.0: 0}
    for query in queries[:30]:
        threshold = np.sort(exact(built, query))[-10] - 1e-6
        for recall in found:
            one = segment.search(query, 10, recall=recall)
            found[recall] += int((one.scores >= threshold).sum())
            work[recall] += one.plan.clusters
            assert one.plan.path == ("scan" if recall == 1 else "clusters")
    assert found[0.5] <= found[1.0]
    assert found[1.0] >= 0.97 * 300
    assert work[0.5] < work[1.0] == 30 * segment.facts["lists"]


def test_batch_equals_single() -> None:
    built, queries = held_out_world()
    segment = Segment(built.arrays, built.facts)
    bits = Bits.from_mask(np.arange(segment.size) % 3 == 0)
    filters = [None, bits, np.arange(0, 900, 7, dtype=np.int32)]
    for allowed in (None, bits, filters):
        many = segment.search_many(queries[:3], 9, allowed)  # type: ignore[arg-type]
        each = allowed if isinstance(allowed, list) else [allowed] * 3
        for query, one, found in zip(queries, each, many, strict=False):
            alone = segment.search(query, 9, one)
            assert alone.positions.tobytes() == found.positions.tobytes()
            assert alone.scores.tobytes() == found.scores.tobytes()
            assert alone.plan == found.plan
    assert segment.search_many(queries[:0], 9) == []
    with pytest.raises(BadInput, match="one filter for each query"):
        segment.search_many(queries[:3], 9, filters[:2])  # type: ignore[arg-type]


def test_threads_do_not_disturb_each_other() -> None:
    built, queries = held_out_world()
    segment = Segment(built.arrays, built.facts)
    bits = Bits.from_mask(np.arange(segment.size) % 5 == 2)
    tasks = list(itertools.product(range(30), (3, 40, 90), (None, bits)))

    def found(task: tuple[int, int, Bits | None]) -> bytes:
        return segment.search(queries[task[0]], task[1], task[2]).positions.tobytes()

    alone = [found(task) for task in tasks]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(found, tasks)) == alone


def test_mapped_arrays_give_the_same_results(tmp_path: Path) -> None:
    built, queries = held_out_world()
    mapped = {}
    for name, array in built.arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
        mapped[name] = np.load(tmp_path / f"{name}.npy", mmap_mode="r")
    facts = pickle.loads(pickle.dumps(built.facts))
    one, other = Segment(built.arrays, built.facts), Segment(mapped, facts)
    for query in queries[:5]:
        a, b = one.search(query, 20), other.search(query, 20)
        assert a.positions.tobytes() == b.positions.tobytes()
        assert a.scores.tobytes() == b.scores.tobytes()


def test_results_name_the_rows_given() -> None:
    rows = world(700, 65, 2)
    built = build(rows)
    assert sorted(built.order.tolist()) == list(range(700))
    assert np.array_equal(built.arrays["rows"], rows[built.order])


def test_same_seed_same_arrays() -> None:
    rows = world(2500, 20, 1)
    one, other = build(rows), built_world(2500, 20, 1)
    for name, array in one.arrays.items():
        assert array.tobytes() == other.arrays[name].tobytes(), name


def test_equal_scores_are_ordered_by_position() -> None:
    rows = np.ones((3000, 8), dtype=np.float32)
    segment = Segment((built := build(rows)).arrays, built.facts)
    found = segment.search(rows[0], 10, Bits.from_mask(np.arange(3000) >= 17))
    assert found.positions.tolist() == list(range(17, 27))


def test_bad_input() -> None:
    good = world(300, 7, 1)
    for bad in (np.nan, np.inf):
        rows = good.copy()
        rows[123, 4] = bad
        with pytest.raises(BadInput, match=r"not finite.*row 123"):
            build(rows)
    with pytest.raises(BadInput, match="matrix"):
        build(good[0])
    built = built_world(300, 7, 1)
    for name in KERNELS:
        segment = open_with(name, built)
        query = good[0]
        with pytest.raises(BadInput, match="7 numbers"):
            segment.search(query[:3], 1)
        with pytest.raises(BadInput, match="not finite"):
            segment.search(np.where(np.arange(7) == 3, np.float32(np.nan), query), 1)
        with pytest.raises(BadInput, match="at least 1"):
            segment.search(query, 0)
        with pytest.raises(BadInput, match="recall"):
            segment.search(query, 1, recall=0.0)
        with pytest.raises(BadInput, match="over 299 rows"):
            segment.search(query, 1, Bits.from_mask(np.ones(299, dtype=np.bool_)))
        for ids in ([3, 2], [3, 3], [-1], [300]):
            with pytest.raises(BadInput, match="ascending"):
                segment.search(query, 1, np.array(ids, dtype=np.int32))
    with pytest.raises(BadInput, match="bitmap"):
        Bits(np.zeros(4, dtype=np.uint64), 300)
    with pytest.raises(BadInput, match="beyond its end"):
        Bits(np.full(5, 2**64 - 1, dtype=np.uint64), 300)


def test_arrays_that_do_not_fit_are_refused() -> None:
    built = built_world(300, 7, 1)
    with pytest.raises(BadInput, match="another layout"):
        Segment(built.arrays, {**built.facts, "layout": 0})
    with pytest.raises(BadInput, match="another type"):
        Segment({**built.arrays, "codes": built.arrays["codes"].astype(np.int64)}, built.facts)
    with pytest.raises(BadInput, match="another shape"):
        Segment({**built.arrays, "offsets": built.arrays["offsets"][:-1]}, built.facts)


def test_unknown_kernels_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(native.CHOICE, "mmx")
    with pytest.raises(UsageError, match="mmx"):
        native.instruction_set()
