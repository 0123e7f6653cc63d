"""Merging the hits of shards is sorting all of them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from broadsheet.scale.merging import NOTHING, Hits, merged

pairs = st.lists(st.tuples(st.integers(0, 10**12), st.integers(-3, 3)), max_size=12)


@given(st.lists(pairs, max_size=5), st.integers(1, 20))
def test_the_best_of_all_shards_by_score_and_number(
    shards: list[list[tuple[int, int]]], k: int
) -> None:
    answers = [
        Hits(
            np.array([number for number, _ in one], dtype=np.int64),
            np.array([score for _, score in one], dtype=np.float32),
            len(one),
        )
        for one in shards
    ]
    everything = sorted(((-score, number) for one in shards for number, score in one))[:k]
    best = merged(answers, k)
    assert best.numbers.tolist() == [number for _, number in everything]
    assert best.scores.tolist() == [-score for score, _ in everything]
    assert best.matches == sum(map(len, shards))


def test_no_shard_at_all_gives_nothing() -> None:
    assert len(merged([], 3)) == len(merged([NOTHING], 3)) == 0
