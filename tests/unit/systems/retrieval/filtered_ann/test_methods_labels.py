"""Label-aware pruning, UNG's graph of label sets, CAPS's trees and posting lists."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.data.worlds.attributes import Attributes, Labels
from broadsheet.index.predicates import AllOf, Contains
from broadsheet.systems.retrieval.filtered_ann.methods.beams import gap_to
from broadsheet.systems.retrieval.filtered_ann.methods.caps import pick_leaves, split_off
from broadsheet.systems.retrieval.filtered_ann.methods.clusters import Partition, assign
from broadsheet.systems.retrieval.filtered_ann.methods.ivf_squared import IvfSquared
from broadsheet.systems.retrieval.filtered_ann.methods.label_graphs import (
    FilteredVamana,
    spread_entries,
)
from broadsheet.systems.retrieval.filtered_ann.methods.label_pruning import (
    prune_labelled,
    shared_labels,
)
from broadsheet.systems.retrieval.filtered_ann.methods.labelspace import LabelSpace
from broadsheet.systems.retrieval.filtered_ann.methods.ung import LabelSets, Ung

Vectors = npt.NDArray[np.float32]
SETS = st.lists(st.frozensets(st.sampled_from("abcdef"), max_size=4), min_size=1, max_size=25)


def _units(rows: int, dim: int = 8, seed: int = 0) -> Vectors:
    vectors = np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _space(sets: list[frozenset[str]]) -> LabelSpace:
    return LabelSpace.of(Attributes({"cat": Labels.of([tuple(one) for one in sets])}), ("cat",))


def _random_sets(rows: int, seed: int) -> list[frozenset[str]]:
    draw = np.random.default_rng(seed)
    return [frozenset(draw.choice(list("abcdef"), draw.integers(1, 4))) for _ in range(rows)]


@given(SETS)
@settings(max_examples=60, deadline=None)
def test_shared_labels_are_the_bits_of_the_intersection(sets: list[frozenset[str]]) -> None:
    space = _space(sets)
    for owner, mine in enumerate(sets):
        for row, other in enumerate(sets):
            bits = shared_labels(space.starts, space.codes, owner, row)
            found = {one for place, one in enumerate(sorted(mine)) if bits >> place & 1}
            assert found == mine & other


@pytest.mark.parametrize("limit", [3, 30])
def test_filtered_prune_agrees_with_its_definition(limit: int) -> None:
    sets = _random_sets(60, 1)
    space, vectors, slack = _space(sets), _units(60, seed=1), np.float32(1.44)
    gaps = np.array([gap_to(vectors, row, vectors[0]) for row in range(1, 60)], np.float32)
    order = np.argsort(gaps)
    gaps, rows = gaps[order], (np.arange(1, 60)[order]).astype(np.int32)
    kept: list[int] = []
    for gap, row in zip(gaps, rows, strict=True):
        beaten = any(
            slack * gap_to(vectors, other, vectors[row]) <= gap
            and sets[row] & sets[0] <= sets[other]
            for other in kept
        )
        if not beaten and len(kept) < limit:
            kept.append(int(row))
    blind = sum(not sets[row] & sets[0] for row in kept)
    assert len(kept) > 2
    assert blind <= 1 or limit == 30
    found = prune_labelled(vectors, space.starts, space.codes, 0, gaps, rows, limit, slack)
    assert found.tolist() == kept


def test_entries_hold_their_label_and_are_spread() -> None:
    space = _space([frozenset("abcdef")] * 40)
    entries = spread_entries(space, 20, np.random.default_rng(2))
    assert len(set(entries.tolist())) == 6
    sets = _random_sets(50, 3)
    space = _space(sets)
    for code, entry in enumerate(spread_entries(space, 5, np.random.default_rng(4))):
        assert entry in space.rows_with(code)


def test_every_row_of_a_label_is_within_reach_of_its_entry() -> None:
    labels = Labels.of([tuple(one) for one in _random_sets(300, 5)])
    vectors = _units(300, seed=5)
    method = FilteredVamana(SeedTree(1), degree=24, width=30)
    method.fit(vectors, Attributes({"cat": labels}))
    for value in "abcdef":
        found = method.search(vectors[0], Contains("cat", value), 300, 300)
        assert len(found) >= 0.99 * len(labels.rows_with(value))


@given(SETS)
@settings(max_examples=60, deadline=None)
def test_ung_links_a_set_to_its_minimal_supersets(sets: list[frozenset[str]]) -> None:
    graph = LabelSets.of(_space(sets))
    names = sorted({label for one in sets for label in one})
    groups = [frozenset(names[code] for code in graph.labels(g)) for g in range(len(graph.members))]
    assert set(groups) == {one for one in sets if one}
    for group, rows in zip(groups, graph.members, strict=True):
        assert [row for row, one in enumerate(sets) if one == group] == rows.tolist()

    def minimal(found: set[frozenset[str]]) -> set[frozenset[str]]:
        return {one for one in found if not any(other < one for other in found)}

    for place, group in enumerate(groups):
        expected = minimal({one for one in groups if group < one})
        assert {groups[child] for child in graph.children(place)} == expected
    for first in names:
        for second in names:
            wanted = frozenset((first, second))
            codes = np.array(sorted(names.index(one) for one in wanted), np.int32)
            expected = minimal({one for one in groups if wanted <= one})
            assert {groups[entry] for entry in graph.entries(codes)} == expected


def test_ung_reaches_all_matching_rows_and_no_other() -> None:
    sets = _random_sets(300, 6)
    vectors = _units(300, seed=6)
    method = Ung(SeedTree(1), degree=6, width=20, crossing=2)
    method.fit(vectors, Attributes({"cat": Labels.of([tuple(one) for one in sets])}))
    for wanted in ("a", "f", "ab", "cde"):
        predicate = AllOf(tuple(Contains("cat", one) for one in wanted))
        expected = {row for row, one in enumerate(sets) if set(wanted) <= one}
        assert set(method.search(vectors[0], predicate, 300, 300).tolist()) == expected


def test_caps_leaves_are_the_frequent_values_and_skip_what_cannot_match() -> None:
    sets = _random_sets(80, 7)
    space = _space(sets)
    keys, leaves = split_off(space, np.arange(80, dtype=np.int32), 3)
    left = set(range(80))
    names = sorted({label for one in sets for label in one})
    for key, leaf in zip(keys, leaves, strict=False):
        counts = {name: sum(name in sets[row] for row in left) for name in names}
        assert counts[names[key]] == max(counts.values())
        assert set(leaf.tolist()) == {row for row in left if names[key] in sets[row]}
        left -= set(leaf.tolist())
    assert set(leaves[-1].tolist()) == left
    firsts = np.array([0, len(leaves)], np.int64)
    table = np.array([*keys, -1], np.int32)
    one = np.zeros(1, np.int32)
    for code, name in enumerate(names):
        chosen = pick_leaves(firsts, table, one, code, False)
        rows = {row for leaf in chosen for row in leaves[leaf].tolist()}
        assert {row for row, own in enumerate(sets) if name in own} <= rows
    assert pick_leaves(firsts, table, one, keys[1], False).tolist() == [0, 1]
    assert pick_leaves(firsts, table, one, keys[1], True).tolist() == [1]


def test_lists_hold_every_row_at_its_nearest_centre() -> None:
    vectors = _units(500, seed=8)
    part = Partition.of(vectors, 12, SeedTree(3))
    assert sorted(part.rows.tolist()) == list(range(500))
    for place in range(12):
        rows = part.rows[part.starts[place] : part.starts[place + 1]]
        assert (assign(vectors[rows], part.centres) == place).all() if len(rows) else True
    scores = part.centres @ vectors[0]
    assert part.nearest(vectors[0], 4).tolist() == np.argsort(-scores)[:4].tolist()
    assert part.nearest(vectors[0], 99).tolist() == np.argsort(-scores).tolist()


def test_ivf_squared_answers_an_and_of_frequent_labels_from_its_lists() -> None:
    sets = _random_sets(900, 9)
    vectors = _units(900, seed=9)
    method = IvfSquared(SeedTree(1), long=100, list_size=20, few=10)
    method.fit(vectors, Attributes({"cat": Labels.of([tuple(one) for one in sets])}))
    predicate = AllOf((Contains("cat", "a"), Contains("cat", "b")))
    match = np.array([{"a", "b"} <= one for one in sets])
    assert match.sum() > 10
    truth = np.argsort(-np.where(match, vectors @ vectors[0], -9))[:10]
    assert method.search(vectors[0], predicate, 10, 1000).tolist() == truth.tolist()
    few = method.search(vectors[0], predicate, 10, 5)
    assert match[few].all()
    assert len(few) < 10


def test_a_row_with_too_many_labels_is_refused() -> None:
    labels = Labels.of([tuple(str(code) for code in range(63))])
    with pytest.raises(BadInput, match="62 labels"):
        LabelSpace.of(Attributes({"cat": labels}), ("cat",))
