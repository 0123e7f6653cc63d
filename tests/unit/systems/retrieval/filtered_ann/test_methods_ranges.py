"""SeRF's intervals and the segment tree's pieces, against graphs built for one range."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broadsheet.systems.retrieval.filtered_ann.methods.beams import gaps_to
from broadsheet.systems.retrieval.filtered_ann.methods.pruning import prune
from broadsheet.systems.retrieval.filtered_ann.methods.range_tree import (
    build_tower,
    decompose,
    gather_links,
    heights,
)
from broadsheet.systems.retrieval.filtered_ann.methods.ranks import Ranked
from broadsheet.systems.retrieval.filtered_ann.methods.serf import SegmentGraph
from broadsheet.systems.retrieval.filtered_ann.methods.serf_graph import batches, build_segments

Vectors = npt.NDArray[np.float32]


def _units(rows: int, dim: int = 6, seed: int = 0) -> Vectors:
    vectors = np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("leap", [0.0, 0.5, 1.0])
def test_serf_links_at_a_prefix_are_those_of_the_graph_of_that_prefix(leap: float) -> None:
    vectors = _units(140, seed=1)
    settings_ = {"degree": 4, "width": 12, "pool": 40, "leap": leap}
    graph = SegmentGraph.build(Ranked.of(vectors, np.arange(140)), **settings_)
    ended = graph.segments[:, 3]
    assert (ended < 140).any()
    for last in (1, 2, 17, 60, 61, 99, 139):
        _, own, back = build_segments(vectors[: last + 1].copy(), 4, 12, 40, leap)
        for row in range(last + 1):
            alone = np.concatenate((own[row], back[row]))
            expected = np.unique(alone[alone >= 0])
            assert graph.links_at(row, 0, last).tolist() == expected.tolist(), (last, row)


def test_serf_links_stay_inside_the_range() -> None:
    graph = SegmentGraph.build(
        Ranked.of(_units(90, seed=2), np.arange(90)), degree=4, width=12, pool=40, leap=0.5
    )
    linked = 0
    for low, high in ((0, 89), (10, 50), (40, 89), (70, 75)):
        for row in range(low, high + 1):
            targets = graph.links_at(row, low, high)
            linked += len(targets)
            assert ((low <= targets) & (targets <= high) & (targets != row)).all()
    assert linked > 300


def test_serf_has_room_for_every_link() -> None:
    count, degree = 400, 2  # few links a row: most are ended, and each end is a link more
    table, own, _ = build_segments(_units(count, dim=2, seed=4), degree, 30, 200, 0.0)
    assert len(table) > 2 * count * degree
    owners, targets = table[:, 0], table[:, 1]
    assert ((owners >= 0) & (owners < count) & (targets >= 0) & (targets < count)).all()
    first = table[(table[:, 2] == 0) & (targets < owners) & (table[:, 4] == count)]
    links = {(int(row), int(target)) for row, target, *_ in first}
    assert {(row, int(t)) for row in range(count) for t in own[row] if t >= 0} <= links


@pytest.mark.parametrize("low", range(0, 40, 3))
def test_serf_batches_without_leaps_are_the_pruned_candidates_of_each_left_end(low: int) -> None:
    vectors = _units(41, seed=3)
    rows = np.arange(40, dtype=np.int32)
    gaps = gaps_to(vectors, rows, vectors[40])
    order = np.argsort(gaps)
    gaps, rows = gaps[order], rows[order]
    found, size = batches(vectors, gaps, rows, 5, 0.0)
    target, left, bound = found[:size].T
    held = set(target[(left <= low) & (low <= bound)].tolist())
    inside = rows >= low
    assert held == set(prune(vectors, gaps[inside], rows[inside], 5, np.float32(1)).tolist())


@given(st.integers(1, 300), st.integers(1, 40), st.data())
@settings(max_examples=120, deadline=None)
def test_pieces_make_up_the_range_exactly(ranks: int, leaf: int, data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, ranks))
    end = data.draw(st.integers(begin, ranks))
    pieces = decompose(begin, end, ranks, leaf)
    covered = [rank for _, low, high in pieces for rank in range(low, high)]
    assert covered == list(range(begin, end))
    for height, low, high in pieces:
        size = leaf << height
        assert low // size == (high - 1) // size
        if height:
            assert low % size == 0
            assert high == min(low + size, ranks)
    assert len(pieces) <= 2 * heights(ranks, leaf)


def test_tree_links_stay_in_their_block_and_in_the_range() -> None:
    vectors = _units(200, seed=4)
    leaf, degree = 16, 6
    levels = heights(200, leaf)
    tower = build_tower(vectors, levels, leaf, degree, 20)
    assert leaf << (levels - 1) >= 200 > leaf << (levels - 2)
    for height in range(levels):
        size = leaf << height
        for rank in range(200):
            links = tower[height, rank]
            links = links[links >= 0]
            assert len(set(links.tolist())) == len(links)
            assert (links // size == rank // size).all()
            assert rank not in links
    near = np.empty(degree, np.int32)
    for begin, end in ((0, 200), (3, 190), (30, 50), (64, 128)):
        for rank in range(begin, end):
            taken = near[: gather_links(tower, leaf, rank, begin, end, near)]
            assert ((begin <= taken) & (taken < end)).all()
            assert len(set(taken.tolist())) == len(taken)
            if (begin, end) == (64, 128):  # a whole block: exactly its own graph
                own = tower[2, rank]
                assert taken.tolist() == own[own >= 0].tolist()


def test_equal_numbers_are_in_a_range_together() -> None:
    ranked = Ranked.of(_units(6), np.array([4, 2, 4, 4, 1, 2]))
    assert ranked.rows.tolist() == [4, 1, 5, 0, 2, 3]
    assert ranked.numbers.tolist() == [1, 2, 2, 4, 4, 4]
