"""Batches are a pure function of seeds and step, whole epochs, without doubles, in proportion."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

from broadsheet.core.errors import UsageError
from broadsheet.core.seeds import SeedTree
from broadsheet.data.batches import Batches, BatchSettings, Mixture

SEEDS = SeedTree(7)


def distinct(count: int) -> list[tuple[str, str]]:
    return [(f"a{n}", f"b{n}") for n in range(count)]


def rows(batches: Batches, epoch: int) -> list[list[int]]:
    steps = range(epoch * batches.per_epoch, (epoch + 1) * batches.per_epoch)
    return [batches.at(step).tolist() for step in steps]


@pytest.mark.parametrize("buckets", [1, 3])
def test_an_epoch_holds_every_item_once_and_the_next_is_shuffled_anew(buckets: int) -> None:
    batches = Batches(distinct(60), BatchSettings(size=5, buckets=buckets), SEEDS)
    first, second = rows(batches, 0), rows(batches, 1)
    for epoch in (first, second):
        assert sorted(place for row in epoch for place in row) == list(range(60))
    assert first != second


def test_any_step_in_any_order_from_any_object() -> None:
    settings_ = BatchSettings(size=4, buckets=2)
    one = Batches(distinct(30), settings_, SEEDS)
    forth = [one.at(step).tolist() for step in range(40)]
    two = Batches(distinct(30), settings_, SEEDS)
    back = [two.at(step).tolist() for step in reversed(range(40))]
    assert forth == back[::-1]
    assert Batches(distinct(30), settings_, SeedTree(8)).at(0).tolist() != forth[0]


@settings(max_examples=150)
@given(
    items=st.lists(
        st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("ijklmnopqrs")),
        min_size=8,
        max_size=60,
    ),
    size=st.integers(1, 6),
    buckets=st.integers(1, 3),
)
def test_no_text_is_in_a_batch_twice(items: list[tuple[str, str]], size: int, buckets: int) -> None:
    batches = Batches(items, BatchSettings(size=size, buckets=buckets), SEEDS)
    # Whatever a batch begins with, it can be filled to half of the largest set without doubles.
    graph = csr_matrix([[(a, b) in items for b in "ijklmnopqrs"] for a in "abcdefgh"])
    if (maximum_bipartite_matching(graph) >= 0).sum() < 2 * size:
        with suppress(UsageError):
            rows(batches, 0)
        return
    for row in rows(batches, 0):
        texts = [text for place in row for text in items[place]]
        assert len(set(texts)) == len(texts) == 2 * size


def test_a_text_that_returns_often_is_spread_and_all_items_are_used() -> None:
    items = [("same", f"b{n}") for n in range(10)] + distinct(90)
    batches = Batches(items, BatchSettings(size=5), SEEDS)
    epoch = rows(batches, 0)
    assert all(sum(place < 10 for place in row) <= 1 for row in epoch)
    used = {place for row in epoch for place in row}
    assert len(used) >= 98


def test_doubles_are_allowed_when_asked() -> None:
    items = [("same", "text")] * 6
    with pytest.raises(UsageError, match="too few different texts"):
        Batches(items, BatchSettings(size=3), SEEDS).at(0)
    assert Batches(items, BatchSettings(size=3, unique=False), SEEDS).at(0).shape == (3,)


def test_buckets_hold_like_lengths() -> None:
    texts = [("x" * (1 + n * 7919 % 500),) for n in range(512)]
    lengths = np.array([len(text) for (text,) in texts])

    def spread(buckets: int) -> float:
        batches = Batches(texts, BatchSettings(size=16, buckets=buckets, unique=False), SEEDS)
        return float(np.mean([lengths[batches.at(n)].std() for n in range(batches.per_epoch)]))

    assert spread(16) < 0.2 * spread(1)
    batches = Batches(texts, BatchSettings(size=16, buckets=32, unique=False), SEEDS)
    means = [lengths[batches.at(n)].mean() for n in range(32)]
    assert means != sorted(means)  # but not from short to long


def test_mixtures_keep_their_proportions() -> None:
    parts = {
        name: Batches(distinct(40), BatchSettings(size=4), SEEDS.child(name)) for name in "abc"
    }
    mixture = Mixture(parts, {"a": 1, "b": 1, "c": 1}, SEEDS)
    assert sorted(mixture.shares.values()) == [333, 333, 334]
    drawn = [mixture.at(step) for step in range(2000)]
    assert Counter(name for name, _ in drawn) == {n: 2 * s for n, s in mixture.shares.items()}
    for name, part in parts.items():  # Each set walks through its own epochs without a gap.
        own = [places.tolist() for which, places in drawn if which == name]
        assert own == [part.at(step).tolist() for step in range(len(own))]
    assert [name for name, _ in drawn[:50]] != ["a"] * 50
    again = Mixture(parts, {"a": 1, "b": 1, "c": 1}, SEEDS)
    assert [again.at(step)[0] for step in (1999, 3)] == [drawn[1999][0], drawn[3][0]]


def test_a_weight_of_nothing_never_comes() -> None:
    parts = {name: Batches(distinct(4), BatchSettings(size=2), SEEDS) for name in "ab"}
    mixture = Mixture(parts, {"a": 0.0, "b": 0.2}, SEEDS)
    assert {mixture.at(step)[0] for step in range(100)} == {"b"}


def test_a_weight_too_small_is_not_rounded_away() -> None:
    parts = {name: Batches(distinct(4), BatchSettings(size=2), SEEDS) for name in "ab"}
    with pytest.raises(UsageError, match=r"never be drawn from.*Received: b"):
        Mixture(parts, {"a": 1.0, "b": 0.0001}, SEEDS)


@pytest.mark.parametrize("weights", [{"a": 1}, {"a": 0, "b": 0}, {"a": -1, "b": 2}])
def test_impossible_mixtures(weights: dict[str, float]) -> None:
    parts = {name: Batches(distinct(4), BatchSettings(size=2), SEEDS) for name in "ab"}
    with pytest.raises(UsageError, match="needs a weight"):
        Mixture(parts, weights, SEEDS)


def test_impossible_batches() -> None:
    with pytest.raises(UsageError, match="fewer items"):
        Batches(distinct(3), BatchSettings(size=4), SEEDS)
    with pytest.raises(UsageError, match="at least one item"):
        Batches(distinct(3), BatchSettings(size=0), SEEDS)
    with pytest.raises(UsageError, match="count from 0"):
        Batches(distinct(3), BatchSettings(size=1), SEEDS).at(-1)
