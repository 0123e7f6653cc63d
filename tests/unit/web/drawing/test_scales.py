"""Scales: round ends, right places, logarithms where values lie far apart."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadsheet.web.drawing.scales import fitting, from_zero, linear, number_text

VALUES = st.lists(
    st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: round(value, 3)), min_size=1
)


@given(VALUES)
def test_every_value_lies_between_the_ends(values: list[float]) -> None:
    for scale in (linear(values, 10, 110), fitting(values, 10, 110), from_zero(values, 10, 110)):
        assert all(10 - 1e-6 <= scale.at(value) <= 110 + 1e-6 for value in values)
        assert list(scale.marks) == sorted(set(scale.marks))
        assert 2 <= len(scale.marks) <= 12


@given(st.lists(st.floats(1e-4, 1e6), min_size=2, max_size=20))
def test_order_is_kept_and_upward_scales_turn_it(values: list[float]) -> None:
    scale = fitting(values, 300, 20)
    places = [scale.at(value) for value in sorted(values)]
    assert places == sorted(places, reverse=True)


def test_far_apart_positive_values_get_a_logarithmic_scale() -> None:
    scale = fitting([0.8, 104.1], 0, 100)
    assert scale.log
    assert scale.at(10) - scale.at(1) == pytest.approx(scale.at(100) - scale.at(10))
    assert not fitting([0.0, 104.1], 0, 100).log
    assert not fitting([1.0, 40.0], 0, 100).log


def test_one_value_still_has_a_scale() -> None:
    for value in (0.0, 5.0, -3.0):
        assert math.isfinite(linear([value], 0, 100).at(value))
    assert linear([], 0, 1).marks


def test_bars_begin_at_zero() -> None:
    assert from_zero([70.0, 80.0], 0, 100).low == 0.0
    assert from_zero([-5.0], 0, 100).high == 0.0


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (-0.0, "0"), (1536.4, "1,536"), (0.374, "0.374"), (12.0, "12"), (-3.5, "−3.5")],
)
def test_numbers_are_written_shortly(value: float, text: str) -> None:
    assert number_text(value) == text
