"""Ranges by ladder are the documents of those ranks, whatever lies without a position."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from broadsheet.index.ladders import RUNGS, Ladder


@given(st.integers(0, 5 * RUNGS), st.integers(0, 2**32 - 1), st.data())
def test_a_range_holds_the_documents_of_its_ranks(
    count: int, seed: int, data: st.DataObject
) -> None:
    generator = np.random.default_rng(seed)
    places = generator.permutation(count).astype(np.int32)
    places[generator.random(count) < 0.1] = -1
    ladder = Ladder(places, count)
    for _ in range(5):
        first = data.draw(st.integers(0, count))
        last = data.draw(st.integers(first, count))
        expected = places[first:last]
        found = ladder.between(first, last).ids().tolist()
        assert found == sorted(expected[expected >= 0].tolist())
