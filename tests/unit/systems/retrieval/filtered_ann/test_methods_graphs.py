"""The shared pieces of the graphs, and ACORN's and NHQ's own rules, against slow references."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.systems.retrieval.filtered_ann.methods.acorn_graph import compress, walk_matching
from broadsheet.systems.retrieval.filtered_ann.methods.beams import (
    gap_to,
    insert,
    nearest_of,
    unit_rows,
)
from broadsheet.systems.retrieval.filtered_ann.methods.compiling import compiled
from broadsheet.systems.retrieval.filtered_ann.methods.hnsw import Hnsw, base_lines, draw_levels
from broadsheet.systems.retrieval.filtered_ann.methods.nhq import fused_gap
from broadsheet.systems.retrieval.filtered_ann.methods.pruning import link_back, prune

Vectors = npt.NDArray[np.float32]


def _units(rows: int, dim: int = 8, seed: int = 0) -> Vectors:
    vectors = np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _by_gap(
    vectors: Vectors, query: Vectors, rows: npt.NDArray[np.int64]
) -> tuple[Vectors, Vectors]:
    gaps = np.array([gap_to(vectors, row, query) for row in rows], np.float32)
    order = np.argsort(gaps, kind="stable")
    return gaps[order], rows[order].astype(np.int32)


@given(st.lists(st.integers(0, 9), max_size=30), st.integers(0, 6))
@settings(max_examples=40, deadline=None)
def test_insert_keeps_the_smallest_in_order(values: list[int], capacity: int) -> None:
    gaps, rows = np.empty(capacity, np.float32), np.empty(capacity, np.int32)
    size = 0
    for row, value in enumerate(values):
        place = insert(gaps, rows, size, np.float32(value), row)
        size = min(size + 1, capacity) if place >= 0 else size
    expected = sorted((value, row) for row, value in enumerate(values))[:capacity]
    assert list(zip(gaps[:size].tolist(), rows[:size].tolist(), strict=True)) == expected


def test_gap_is_one_minus_the_inner_product_in_float32() -> None:
    vectors = _units(5, 33)
    for row in range(5):
        expected = 1 - float(vectors[row].astype(float) @ vectors[0].astype(float))
        assert gap_to(vectors, row, vectors[0]) == pytest.approx(expected, abs=1e-6)
    assert nearest_of(vectors, np.arange(5, dtype=np.int32), vectors[3], 9)[0] == 3


def test_rows_must_be_a_table_of_unit_rows() -> None:
    for bad in (
        np.zeros((2, 2), np.float32),
        np.zeros(3, np.float32),
        np.zeros((0, 3), np.float32),
    ):
        with pytest.raises(BadInput):
            unit_rows(bad)
    frozen = _units(4)
    frozen.setflags(write=False)
    assert unit_rows(frozen).flags.writeable


@pytest.mark.parametrize("slack", [1.0, 1.44])
def test_prune_agrees_with_its_definition(slack: float) -> None:
    vectors = _units(40, seed=2)
    gaps, rows = _by_gap(vectors, vectors[0], np.arange(1, 40))
    kept: list[int] = []
    for gap, row in zip(gaps, rows, strict=True):
        if len(kept) < 6 and all(
            np.float32(slack) * gap_to(vectors, other, vectors[row]) > gap for other in kept
        ):
            kept.append(int(row))
    assert len(kept) > 1
    assert prune(vectors, gaps, rows, 6, np.float32(slack)).tolist() == kept


def test_a_link_back_is_added_once_and_pruned_when_there_is_no_room() -> None:
    vectors = _units(30, seed=3)
    links = np.full((30, 4), -1, np.int32)
    for new in (5, 9, 5, 11):
        link_back(vectors, links, 0, 0, new, 4, np.float32(1))
    assert links[0].tolist() == [5, 9, 11, -1]
    for new in range(12, 30):
        link_back(vectors, links, 0, 0, new, 4, np.float32(1))
        held = links[0][links[0] >= 0]
        assert len(set(held.tolist())) == len(held)
    gaps, rows = _by_gap(vectors, vectors[0], links[0][links[0] >= 0])
    assert prune(vectors, gaps, rows, 4, np.float32(1)).tolist() == rows.tolist()


def test_hnsw_has_the_degrees_and_levels_of_the_paper() -> None:
    vectors = _units(600, 16, seed=4)
    graph = Hnsw.build(vectors, SeedTree(1), degree=5, width=30)
    levels = draw_levels(600, 5, SeedTree(1))
    assert (graph.links[:600] >= 0).sum(axis=1).max() <= 10
    assert (graph.links[600:] >= 0).sum(axis=1).max() <= 5
    assert levels[graph.entry] == graph.top == levels.max()
    assert 0.1 < (levels > 0).mean() < 0.3
    base = base_lines(levels)
    for row in np.flatnonzero(levels):
        for level in range(1, levels[row] + 1):
            found = graph.links[base[row] + level - 1]
            assert (levels[found[found >= 0]] >= level).all()
    found = [graph.search(query, 60)[:10] for query in vectors[:40]]
    truth = np.argsort(-(vectors[:40] @ vectors.T), axis=1)[:, :10]
    assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, truth, strict=True)]) > 0.95


def test_acorn_drops_only_what_two_hops_reach() -> None:
    draw = np.random.default_rng(6)
    dropped_any = False
    for stamp in range(1, 40):
        links = np.full((80, 6), -1, np.int32)
        for row in range(80):
            some = draw.integers(1, 7)
            links[row, :some] = draw.choice(80, some, replace=False)
        candidates = draw.permutation(80)[:30].astype(np.int32)
        beta, limit, reach = 5, 25, int(draw.integers(20, 70))
        kept = compress(links, candidates, beta, limit, reach, np.zeros(80, np.int32), stamp)
        assert kept[:beta].tolist() == candidates[:beta].tolist()
        reached = {int(hop) for row in kept[beta:] for hop in links[row] if hop >= 0} | set(
            kept.tolist()
        )
        last = int(np.flatnonzero(candidates == kept[-1])[0])
        dropped = set(candidates[: last + 1].tolist()) - set(kept.tolist())
        dropped_any = dropped_any or bool(dropped)
        assert dropped <= reached
        if last + 1 < len(candidates) and len(kept) < limit:
            rest = set(candidates[last + 1 :].tolist())
            assert len(reached) >= reach or rest <= reached
    assert dropped_any


def test_acorn_opens_rows_that_do_not_match_but_returns_none() -> None:
    vectors = _units(4, seed=8)
    links = np.array([[1, -1], [2, -1], [3, -1], [-1, -1]], np.int32)  # a chain 0 - 1 - 2 - 3
    allowed = np.array([True, False, True, True])
    none = np.zeros(0, np.int64)
    entries = np.zeros(1, np.int32)
    for open_from, expected in ((0, {0, 2, 3}), (2, {0})):
        _, rows = walk_matching(
            vectors, links, none, 0, vectors[3], entries, 4, open_from, 4, allowed,
            np.zeros(4, np.int32), 1,
        )  # fmt: skip
        assert set(rows.tolist()) == expected
    outside = np.ones(1, np.int32)  # row 1 does not match: opened, not returned
    _, rows = walk_matching(
        vectors, links, none, 0, vectors[3], outside, 4, 0, 4, allowed, np.zeros(4, np.int32), 1
    )
    assert set(rows.tolist()) == {2, 3}


def test_nhq_counts_only_the_attributes_asked_for() -> None:
    vectors = _units(3, seed=9)
    values = np.array([[1, 5], [1, 6], [2, 6]], np.int32)
    plain = [float(gap_to(vectors, row, vectors[0])) for row in range(3)]
    for wanted, missed in (([1, 6], [0.5, 0, 0.5]), ([-1, 6], [1, 0, 0]), ([-1, -1], [0, 0, 0])):
        found = [
            float(
                fused_gap(vectors, values, row, vectors[0], np.array(wanted, "i4"), np.float32(2))
            )
            for row in range(3)
        ]
        assert found == pytest.approx(
            [p + 2 * m for p, m in zip(plain, missed, strict=True)], abs=1e-6
        )


def test_kernels_compile_where_no_cache_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    import numba

    plain = numba.njit

    def njit(*, cache: bool, fastmath: set[str]) -> object:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return plain(fastmath=fastmath)

    monkeypatch.setattr(numba, "njit", njit)

    @compiled
    def doubled(number: int) -> int:
        return 2 * number

    assert doubled(21) == 42
    assert doubled is not doubled.py_func  # it was compiled, not left to the interpreter
