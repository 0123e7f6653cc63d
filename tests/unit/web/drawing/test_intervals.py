"""The strip of a claim: margin read from its words, effect and interval in place."""

from __future__ import annotations

import math
import re

import pytest

from broadsheet.core.report import ClaimResult, Verdict
from broadsheet.web.drawing.intervals import WIDTH, claimed_side, draw_interval


def claim(expected: str, low: float, seen: float, high: float, verdict: Verdict) -> ClaimResult:
    return ClaimResult(
        id="c",
        expected=expected,
        observed=seen,
        interval=(low, high),
        level=0.95,
        p=None,
        test="bootstrap",
        correction="",
        verdict=verdict,
    )


@pytest.mark.parametrize(
    ("words", "ends"),
    [
        (">= 10", (10.0, math.inf)),
        ("> -2", (-2.0, math.inf)),
        ("<= 0.45", (-math.inf, 0.45)),
        ("< 8 %", (-math.inf, 8.0)),
        ("within 2", (-2.0, 2.0)),
        ("positive", None),
    ],
)
def test_margins_are_read(words: str, ends: tuple[float, float] | None) -> None:
    assert claimed_side(words) == ends


def test_the_claimed_side_is_shaded_and_the_margin_marked() -> None:
    drawing = draw_interval(claim(">= 10", 11.0, 14.0, 17.0, "held"))
    shade = next(mark for mark in drawing.marks if mark.style == "claimed")
    margin = next(mark for mark in drawing.marks if mark.style == "margin")
    reach = next(mark for mark in drawing.marks if mark.style == "reach held")
    assert float(shade.place["x"]) == float(margin.place["x1"])
    assert float(shade.place["x"]) + float(shade.place["width"]) == pytest.approx(WIDTH - 10)
    assert float(reach.place["x1"]) > float(margin.place["x1"])
    assert "held. Observed 14 [11, 17]; >= 10" in drawing.label


def test_an_interval_over_the_margin_is_drawn_over_it() -> None:
    drawing = draw_interval(claim("within 2", -1.0, 0.7, 2.6, "underpowered"))
    margins = [float(m.place["x1"]) for m in drawing.marks if m.style == "margin"]
    reach = next(mark for mark in drawing.marks if mark.style == "reach open")
    assert float(reach.place["x1"]) < margins[1] < float(reach.place["x2"])
    dot = next(mark for mark in drawing.marks if mark.style == "seen open")
    x = float(re.findall(r"[\d.]+", str(dot.place["d"]))[0])
    assert float(reach.place["x1"]) < x < float(reach.place["x2"])


@pytest.mark.parametrize("values", [(-math.inf, 1.0, math.inf), (math.nan,) * 3, (0.0, 0.0, 0.0)])
def test_odd_numbers_do_no_harm(values: tuple[float, float, float]) -> None:
    drawing = draw_interval(claim("positive", *values, "underpowered"))
    assert all("nan" not in str(mark.place) for mark in drawing.marks)
