"""Timing and Pareto fronts."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broadsheet.core.errors import BadInput, NotFound
from broadsheet.evals.pareto import Point, choose, front
from broadsheet.evals.timing import bytes_per_vector, time_encoding


def test_timing_divides_by_texts_and_leaves_the_warm_up_out() -> None:
    ticks = count()
    calls: list[int] = []

    def clock() -> float:
        return float(next(ticks)) ** 2

    timing = time_encoding(
        lambda texts: calls.append(len(texts)) or np.ones((len(texts), 2)),
        ["a", "b"],
        repetitions=3,
        clock=clock,
    )
    assert calls == [2, 2, 2, 2]
    # The clock shows 0 1 4 9 16 25: passes of 1, 5 and 9 seconds over two texts.
    assert timing.runs_ms == (500.0, 2500.0, 4500.0)
    assert timing.median_ms == 2500.0
    score = timing.score("abstracts")
    assert (score.metric, score.unit, score.value, score.n) == ("cpu_ms_per_text", "ms", 2500.0, 2)


def test_unusable_timings_are_refused() -> None:
    with pytest.raises(BadInput, match="timing needs"):
        time_encoding(lambda texts: np.ones((1, 1)), [])


def test_bytes_per_vector_follow_the_stored_type() -> None:
    assert bytes_per_vector(np.zeros((5, 384), np.float32)) == 1536
    with pytest.raises(BadInput):
        bytes_per_vector(np.zeros(5))


GRID = [
    Point("layer 2, 64", {"ms": 1.0, "bytes": 64.0}, 60.0),
    Point("layer 2, 384", {"ms": 1.0, "bytes": 384.0}, 62.0),
    Point("layer 6, 64", {"ms": 3.0, "bytes": 64.0}, 70.0),
    Point("layer 6, 384", {"ms": 3.0, "bytes": 384.0}, 80.0),
    Point("detour", {"ms": 2.0, "bytes": 384.0}, 61.0),
]


def test_the_front_leaves_out_what_another_point_beats() -> None:
    assert [point.name for point in front(GRID)] == [
        "layer 2, 64",
        "layer 2, 384",
        "layer 6, 64",
        "layer 6, 384",
    ]
    twin = Point("twin", GRID[0].costs, GRID[0].quality)
    assert twin in front([*GRID, twin])
    assert front([]) == ()


POINTS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12
)


@settings(max_examples=60, deadline=None)
@given(POINTS)
def test_every_point_is_on_the_front_or_beaten_by_one_that_is(rows: list) -> None:
    points = [Point(str(n), {"a": a, "b": b}, q) for n, (a, b, q) in enumerate(rows)]
    kept = front(points)
    assert kept
    assert not any(a.dominates(b) for a in kept for b in kept)
    for point in points:
        assert point in kept or any(best.dominates(point) for best in kept)


def test_the_best_point_within_a_budget_is_chosen() -> None:
    assert choose(GRID, {"ms": 2.0}).name == "layer 2, 384"
    assert choose(GRID, {"ms": 9.0, "bytes": 100.0}).name == "layer 6, 64"
    assert choose(GRID, {}).name == "layer 6, 384"
    dear = Point("dear", {"ms": 4.0, "bytes": 384.0}, 80.0)
    assert choose([dear, *GRID], {}).name == "layer 6, 384"


def test_an_impossible_budget_names_the_nearest_point() -> None:
    with pytest.raises(NotFound, match="layer 2, 64"):
        choose(GRID, {"ms": 0.5, "bytes": 70.0})
    with pytest.raises(BadInput, match="no such cost"):
        choose(GRID, {"watts": 3.0})


def test_unusable_points_are_refused() -> None:
    with pytest.raises(BadInput, match="same costs"):
        front([GRID[0], Point("other", {"ms": 1.0}, 1.0)])
    with pytest.raises(BadInput, match="finite"):
        front([Point("nan", {"ms": float("nan")}, 1.0)])
