"""Fusion of runs: what it leaves alone, what it can't be fooled by."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadsheet.core.errors import UsageError
from broadsheet.evals.run_fusion import fuse_ranks, fuse_scores
from broadsheet.metrics.ranking import ranked

SCORES = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(-5, 5).map(float), min_size=1)


@given(SCORES)
def test_a_run_fused_with_itself_keeps_its_order(scores: dict[str, float]) -> None:
    run = {"q": scores}
    assert list(fuse_ranks([run, run])["q"]) == ranked(scores)
    assert list(fuse_scores([run, run])["q"]) == ranked(scores)


@given(SCORES, SCORES, st.floats(0.5, 20), st.integers(-9, 9))
def test_min_max_does_not_see_scale_and_offset(
    one: dict[str, float], two: dict[str, float], scale: float, offset: int
) -> None:
    moved = {name: scale * value + offset for name, value in one.items()}
    plain, shifted = (fuse_scores([{"q": first}, {"q": two}])["q"] for first in (one, moved))
    assert shifted == pytest.approx(plain, abs=1e-6)


def test_reciprocal_ranks_by_hand() -> None:
    fused = fuse_ranks([{"q": {"a": 2.0, "b": 1.0}}, {"q": {"b": 9.0}, "r": {"c": 1.0}}])
    assert fused["q"] == pytest.approx({"b": 1 / 62 + 1 / 61, "a": 1 / 61})
    assert fused["r"] == pytest.approx({"c": 1 / 61})


def test_depth_and_weights() -> None:
    one, two = {"q": {"a": 2.0, "b": 1.0}}, {"q": {"b": 2.0, "a": 1.0}}
    assert list(fuse_scores([one, two], [0.9, 0.1], depth=1)["q"]) == ["a"]
    assert list(fuse_scores([one, two], [0.1, 0.9], depth=1)["q"]) == ["b"]
    for wrong in ([0.5], [1.0, -1.0]):
        with pytest.raises(UsageError):
            fuse_scores([one, two], wrong)
    with pytest.raises(UsageError):
        fuse_ranks([])
