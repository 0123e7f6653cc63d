"""Drawings hold what the data say, in place, and survive what no one would draw."""

from __future__ import annotations

import math
import re
from itertools import combinations
from pathlib import Path

import pytest

from broadsheet.core.report import Figure
from broadsheet.web.drawing import Drawing, draw_figure
from broadsheet.web.drawing.heat import STEPS
from broadsheet.web.drawing.labels import LINE, Box, beside, spread_out
from broadsheet.web.drawing.marks import COLOURS, Mark
from broadsheet.web.drawing.points import draw_scatter

Kind = pytest.mark.parametrize("kind", ["line", "scatter", "bar", "heat"])
CSS = Path(__file__).resolve().parents[4] / "src/broadsheet/web/static"


def figure(kind: str, **series: list[tuple[float | str, float]]) -> Figure:
    return Figure(
        title="A title",
        kind=kind,  # type: ignore[arg-type]
        x="size, numbers",
        y="score, x100",
        series={name: tuple(points) for name, points in series.items()},
    )


def texts(drawing: Drawing) -> list[str]:
    return [mark.text for mark in drawing.marks if mark.tag == "text"]


def bars(drawing: Drawing) -> list[Mark]:
    return [mark for mark in drawing.marks if mark.style.startswith("block")]


@Kind
def test_axes_carry_their_names_and_series_theirs(kind: str) -> None:
    drawing = draw_figure(
        figure(kind, first=[(1.0, 2.0), (2.0, 5.0)], second=[(1.0, 3.0), (2.0, -4.0)])
    ).drawing
    said = " ".join(texts(drawing))
    for name in ("size, numbers", "score, x100", "first", "second"):
        assert name in said
    assert "A title" in drawing.label


@Kind
@pytest.mark.parametrize(
    "points", [[], [(1.0, math.nan)], [(1.0, 5.0)], [("a", 0.0)], [(1.0, 1e-9), (2.0, 1e9)]]
)
def test_poor_data_are_drawn_without_complaint(
    kind: str, points: list[tuple[float | str, float]]
) -> None:
    drawn = draw_figure(figure(kind, one=points))
    for mark in drawn.drawing.marks:
        assert "nan" not in str(mark.place)
        assert "inf" not in str(mark.place)
    assert len(drawn.rows) == len(points)


@Kind
def test_everything_lies_inside_the_frame(kind: str) -> None:
    series = {f"a series of some length {n}": [(1.0, n), (9.0, n * 1.01)] for n in range(1, 12)}
    drawing = draw_figure(figure(kind, **series)).drawing  # type: ignore[arg-type]
    for mark in drawing.marks:
        for name, most in (("x", drawing.width), ("y", drawing.height)):
            for key in (name, f"{name}1", f"{name}2"):
                assert -0.5 <= float(mark.place.get(key, 0)) <= most + 0.5, mark
    assert all(width > 0 for width in (drawing.width, drawing.height))


def test_line_ends_at_the_places_of_its_values() -> None:
    drawing = draw_figure(figure("line", up=[(0.0, 0.0), (10.0, 10.0)])).drawing
    path = next(mark for mark in drawing.marks if mark.style.startswith("curve"))
    numbers = [float(n) for n in re.findall(r"-?[\d.]+", str(path.place["d"]))]
    (x1, y1), (x2, y2) = numbers[:2], numbers[2:]
    assert x1 < x2
    assert y1 > y2  # upwards is a smaller y


def test_bars_are_as_long_as_their_values() -> None:
    drawing = draw_figure(figure("bar", arm=[("a", 10.0), ("b", 5.0), ("c", -5.0)])).drawing
    a, b, c = (float(mark.place["width"]) for mark in bars(drawing))
    assert a == pytest.approx(2 * b, abs=0.3)
    assert b == pytest.approx(c, abs=0.3)
    left = [float(mark.place["x"]) for mark in bars(drawing)]
    assert left[2] < left[0] == left[1]


def test_each_series_of_bars_is_named_once() -> None:
    drawing = draw_figure(figure("bar", one=[("a", 1.0), ("b", 2.0)], two=[("b", 3.0)])).drawing
    assert sum("one" in text for text in texts(drawing)) == 1
    assert sum("two" in text for text in texts(drawing)) == 1


def test_heat_goes_from_the_least_to_the_most() -> None:
    drawing = draw_figure(figure("heat", r=[("a", 0.0), ("b", 50.0), ("c", 100.0)])).drawing
    cells = [mark.style for mark in drawing.marks if mark.title]
    assert cells == ["cell h0", f"cell h{STEPS // 2}", f"cell h{STEPS - 1}"]


def test_a_front_is_stepped_and_its_names_are_always_shown() -> None:
    crowd = {f"point {n}": [(10.0 + n / 100, 50.0 + n / 100)] for n in range(30)}
    drawing = draw_scatter(figure("scatter", **crowd), ["point 0", "point 29"])  # type: ignore[arg-type]
    assert {"point 0", "point 29"} <= set(texts(drawing))
    assert len(texts(drawing)) < 40
    assert sum(mark.style == "front" for mark in drawing.marks) == 1


def test_names_at_line_ends_keep_their_distance() -> None:
    places = spread_out([50.0, 51.0, 49.0, 200.0, 52.0], 20.0, 300.0)
    for one, other in combinations(places, 2):
        assert abs(one - other) >= LINE - 1e-6
    assert places[3] == 200.0
    assert places[2] < places[0] < places[1] < places[4]


def test_a_label_goes_where_there_is_room() -> None:
    frame = Box(0, 0, 200, 200)
    assert beside("name", 100, 100, [], frame).anchor == "start"
    assert beside("name", 195, 100, [], frame).anchor == "end"
    assert beside("name", 100, 100, [Box(101, 60, 200, 140)], frame).anchor == "end"


def colours(scheme: int) -> dict[str, str]:
    sheets = "".join((CSS / name).read_text() for name in ("page.css", "systems.css"))
    found = re.findall(r"--(\w+): light-dark\((#\w+), (#\w+)\)", sheets)
    return {name: pair[scheme] for name, *pair in found}


def luminance(colour: str) -> float:
    def linear(part: str) -> float:
        value = int(part, 16) / 255
        return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)

    r, g, b = (linear(colour[at : at + 2]) for at in (1, 3, 5))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1])
def test_names_of_series_are_readable_on_the_page(scheme: int) -> None:
    known = colours(scheme)
    for series in range(COLOURS):
        assert contrast(known[f"s{series}"], known["paper"]) >= 4.5, series
    steps = [luminance(known[f"h{step}"]) for step in range(STEPS)]
    assert steps == sorted(steps, reverse=scheme == 0)
    for step in range(STEPS):
        ink = ("#111111", "#ffffff") if scheme == 0 else ("#ffffff", "#111111")
        assert contrast(known[f"h{step}"], ink[step >= 4]) >= 4.5, step


@pytest.mark.parametrize("scheme", [0, 1])
def test_series_differ_for_the_colour_blind(scheme: int) -> None:
    """Simulated with the matrices of Machado, Oliveira and Fernandes (2009), severity 1."""
    known = colours(scheme)
    for matrix in (
        ((0.367, 0.861, -0.228), (0.280, 0.673, 0.047), (-0.012, 0.043, 0.969)),
        ((0.152, 1.053, -0.205), (0.115, 0.786, 0.099), (-0.004, -0.048, 1.052)),
    ):
        seen = [_simulated(known[f"s{series}"], matrix) for series in range(COLOURS)]
        for (a, one), (b, other) in combinations(enumerate(seen), 2):
            assert math.dist(one, other) >= 0.2, (a, b)


def _simulated(
    colour: str, matrix: tuple[tuple[float, float, float], ...]
) -> tuple[float, float, float]:
    r, g, b = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    x, y, z = (row[0] * r + row[1] * g + row[2] * b for row in matrix)
    return x, y, z
