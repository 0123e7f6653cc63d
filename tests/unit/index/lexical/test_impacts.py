"""Impacts against a dense product of rounded weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadsheet.core.errors import BadInput
from broadsheet.index.lexical.impacts import ImpactIndex, SparseRows, quantised
from broadsheet.metrics.ranking import ranked

WEIGHTS = st.dictionaries(st.integers(0, 5), st.floats(0, 3, width=32), max_size=6)


@given(st.lists(WEIGHTS, min_size=1, max_size=7), WEIGHTS)
def test_scores_are_exact_products_of_impacts(
    documents: list[dict[int, float]], query: dict[int, float]
) -> None:
    ids = [f"d{n}" for n in range(len(documents))]
    found = ImpactIndex.build(ids, SparseRows.of(documents, terms=6)).search(query)
    top = max((w for one in documents for w in one.values()), default=0.0)
    most = max(query.values(), default=0.0)
    expected = {}
    for name, one in zip(ids, documents, strict=True):
        total = sum(
            int(quantised(np.array([one[t]], np.float32), top)[0])
            * int(quantised(np.array([w], np.float32), most)[0])
            for t, w in query.items()
            if t in one
        )
        if total:
            expected[name] = float(total)
    assert found == expected
    assert list(found) == ranked(found)


def test_the_heaviest_terms_are_kept_equal_ones_by_number() -> None:
    rows = SparseRows.of([{0: 1.0, 1: 2.0, 2: 1.0}, {4: 0.5}], terms=5).heaviest(2)
    assert rows.row(0) == {1: 2.0, 0: 1.0}
    assert rows.row(1) == {4: 0.5}


def test_scaling_all_weights_changes_nothing() -> None:
    documents = [{0: 0.3, 1: 1.7}, {1: 0.9}, {0: 2.2}]
    doubled = [{t: 2 * w for t, w in one.items()} for one in documents]
    first, second = (
        ImpactIndex.build(list("abc"), SparseRows.of(some, terms=2)).search({0: 1.0, 1: 0.5})
        for some in (documents, doubled)
    )
    assert first == second


def test_what_can_t_be_indexed_is_refused() -> None:
    with pytest.raises(BadInput, match="from 0"):
        SparseRows.of([{0: -1.0}], terms=1)
    with pytest.raises(BadInput, match="one row"):
        ImpactIndex.build(["a"], SparseRows.of([], terms=1))
