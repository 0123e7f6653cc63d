"""Packed bits against Python's sets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadsheet.index import bitmaps
from broadsheet.index.bitmaps import Bits

sizes = st.sampled_from([1, 7, 63, 64, 65, 128, 1000])


@given(sizes, st.data())
def test_operations_are_those_of_sets(size: int, data: st.DataObject) -> None:
    members = st.sets(st.integers(0, size - 1))
    one, other = data.draw(members), data.draw(members)
    a, b = (Bits.of_ids(np.array(sorted(ids), dtype=np.int64), size) for ids in (one, other))
    for bits, expected in (
        (a & b, one & other),
        (a | b, one | other),
        (a - b, one - other),
        (~a, set(range(size)) - one),
        (~~a, one),
        (a & Bits.full(size), one),
        (a | Bits.none(size), one),
    ):
        assert bits.ids().tolist() == sorted(expected)
        assert bits.count == len(expected)
        assert np.flatnonzero(bits.mask()).tolist() == sorted(expected)
        assert bits == Bits.of_mask(bits.mask())
    asked = np.arange(size)
    assert np.flatnonzero(a.holds(asked)).tolist() == sorted(one)


def test_nothing_of_nothing() -> None:
    for empty in (Bits.none(0), Bits.full(0), Bits.of_mask(np.zeros(0, dtype=np.bool_))):
        assert empty.count == 0
        assert empty.ids().tolist() == []
        assert (~empty).count == 0


def test_bits_beyond_the_size_stay_clear() -> None:
    assert int(Bits.full(3).words[0]) == int((~Bits.none(3)).words[0]) == 0b111


def test_counting_without_a_numpy_that_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    words = np.random.default_rng(7).integers(0, 2**63, 100).astype(np.uint64)
    quick = bitmaps._counter()(words)
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    assert bitmaps._counter()(words) == quick == sum(int(word).bit_count() for word in words)
