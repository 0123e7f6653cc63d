"""Exact search over recent rows: the scores and order of a full sort, ties included."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from broadsheet.index.compact.exact import nearest
from broadsheet.index.compact.reference import dots
from broadsheet.index.compact.updates import ENTRY, Recent


@given(st.integers(0, 2**16), st.integers(1, 40), st.integers(1, 12), st.floats(0.05, 1.0))
def test_it_is_a_full_sort(seed: int, count: int, k: int, share: float) -> None:
    draw = np.random.default_rng(seed)
    matrix = draw.standard_normal((count, 33)).astype(np.float32)
    matrix[draw.integers(0, count, count // 2)] = matrix[0]  # ties
    entries = np.zeros(count, dtype=ENTRY)
    entries["number"] = draw.permutation(500)[:count]
    entries["row"] = np.arange(count)
    recent = Recent(entries, matrix)
    chosen = np.flatnonzero(draw.random(count) < share)
    query = draw.standard_normal(33).astype(np.float32)
    numbers, scores = nearest(recent, chosen, query, k)
    every = dots(matrix[recent.rows[chosen]], query)
    order = np.lexsort((recent.numbers[chosen], -every))[:k]
    assert numbers.tolist() == recent.numbers[chosen][order].tolist()
    assert scores.tolist() == every[order].tolist()
