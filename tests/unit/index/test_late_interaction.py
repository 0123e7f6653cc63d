"""MaxSim by blocks against MaxSim one document at a time."""

from __future__ import annotations

import numpy as np
import pytest

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.index import late_interaction
from broadsheet.index.late_interaction import LateIndex


def test_scores_are_the_mean_of_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late_interaction, "_BLOCK", 7)
    rng = np.random.default_rng(3)
    documents = {f"d{n}": rng.normal(size=(1 + n % 5, 4)).astype(np.float32) for n in range(23)}
    documents["long"] = rng.normal(size=(40, 4)).astype(np.float32)
    query = rng.normal(size=(3, 4)).astype(np.float32)
    index = LateIndex.build(documents)
    expected = {name: (query @ rows.T).max(axis=1).mean() for name, rows in documents.items()}
    found = dict(zip(index.ids, index.scores(query).tolist(), strict=True))
    assert found == pytest.approx(expected, rel=1e-5)
    best = sorted(expected, key=lambda name: -expected[name])
    assert list(index.search(query, 5)) == best[:5]
    assert list(index.search(query, 5, without=best[1])) == [best[0], *best[2:6]]


def test_equal_scores_go_by_falling_id() -> None:
    row = np.ones((1, 2), np.float32)
    assert list(LateIndex.build({"a": row, "c": row, "b": row}).search(row)) == ["c", "b", "a"]


def test_what_has_no_tokens_is_refused() -> None:
    row = np.ones((1, 2), np.float32)
    for wrong in ({}, {"a": row[:0]}, {"a": row, "b": np.ones((1, 3), np.float32)}):
        with pytest.raises(BadInput):
            LateIndex.build(wrong)
    index = LateIndex.build({"a": row})
    with pytest.raises(BadInput):
        index.search(row[:0])
    with pytest.raises(UsageError):
        index.search(row, 0)
