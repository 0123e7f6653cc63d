"""Lines and scattered points over two axes, each series named where it is drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from broadsheet.core.report import Figure
from broadsheet.web.drawing import marks as m
from broadsheet.web.drawing.labels import Box, beside, spread_out
from broadsheet.web.drawing.scales import Scale, fitting, number_text

WIDTH, HEIGHT = 640.0, 380.0
_LEFT, _TOP, _BOTTOM = 58.0, 34.0, 48.0
_MOST_NAME = 170.0

#: A name that would lie on other things by more than this share of its area is left out.
_MOST_COVERED = 0.15


@dataclass(frozen=True, slots=True)
class Points:
    """The points of a series, placed, with the values they stand for."""

    name: str
    number: int
    places: tuple[tuple[float, float], ...]
    values: tuple[tuple[float | str, float], ...]

    def title(self, item: int) -> str:
        """Return what a pointer over a point shows."""
        x, y = self.values[item]
        first = x if isinstance(x, str) else number_text(x)
        return f"{self.name}: {first}, {number_text(y)}"


def draw_lines(figure: Figure) -> m.Drawing:
    """Draw a line for each series, with its name at its right end."""
    names = [m.shortened(name, _MOST_NAME) for name in figure.series]
    room = max((m.text_width(name) for name in names), default=0.0) + 22.0
    drawn, series = _frame(figure, WIDTH - room)
    ends = [item.places[-1][1] for item in series]
    heights = spread_out(ends, _TOP, HEIGHT - _BOTTOM)
    for item, height in zip(series, heights, strict=True):
        drawn.append(m.curve(item.number, item.places))
        drawn += _markers(item)
        end_x, end_y = item.places[-1]
        text_x = WIDTH - room + 14.0
        if abs(height - end_y) > 3 or text_x - end_x > 24:
            drawn.append(m.line("leader", end_x + 6, end_y, text_x - 3, height))
        style = f"name {m.series_class(item.number)}"
        name = m.shortened(item.name, _MOST_NAME)
        drawn.append(m.letters(style, text_x, height + m.LETTER * 0.35, name))
    return _finished(figure, drawn)


def draw_scatter(figure: Figure, front: Sequence[str] = ()) -> m.Drawing:
    """Draw the points of each series, named beside one of them.

    Args:
        figure: What to draw.
        front: Names of series of one point each that a line joins, from left to right.
    """
    drawn, series = _frame(figure, WIDTH - 24.0)
    steps = _steps(sorted(item.places[0] for item in series if item.name in front))
    if len(steps) > 1:
        drawn.append(m.path("front", m.joined(steps)))
    taken = [
        Box(x1 - 3, min(y1, y2) - 3, x2 + 3, max(y1, y2) + 3)
        for (x1, y1), (x2, y2) in pairwise(steps)
    ]
    taken += [Box(x - 6, y - 6, x + 6, y + 6) for item in series for x, y in item.places]
    frame = Box(_LEFT, _TOP - 14, WIDTH, HEIGHT - _BOTTOM)
    for item in series:
        drawn += _markers(item)
    for item in sorted(series, key=lambda item: item.name not in front):
        own = {tuple(place) for place in item.places}
        x, y = max(item.places)
        name = m.shortened(item.name, 220.0)
        others = [box for box in taken if (box.left + 6, box.top + 6) not in own]
        label = beside(name, x, y, others, frame)
        crowded = label.covered > _MOST_COVERED * m.text_width(name) * m.LETTER
        if crowded and item.name not in front and len(series) > m.COLOURS:
            continue
        style = f"name {m.series_class(item.number)}"
        drawn.append(m.letters(style, label.x, label.y, name, label.anchor))
        taken.append(label.box)
    return _finished(figure, drawn)


def _steps(places: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the corners of a stepped line through places from left to right."""
    corners = list(places[:1])
    for x, y in places[1:]:
        corners += [(x, corners[-1][1]), (x, y)]
    return corners


def _finished(figure: Figure, drawn: Sequence[m.Mark]) -> m.Drawing:
    label = f"{figure.title}. {figure.y} over {figure.x}: " + ", ".join(figure.series)
    return m.Drawing(width=WIDTH, height=HEIGHT, label=label, marks=tuple(drawn))


def _markers(item: Points) -> list[m.Mark]:
    return [m.point(item.number, x, y, item.title(n)) for n, (x, y) in enumerate(item.places)]


def _frame(figure: Figure, right: float) -> tuple[list[m.Mark], list[Points]]:
    """Draw the axes and place every point that is a number."""
    points = {
        name: [p for p in some if math.isfinite(p[1]) and _known(p[0])]
        for name, some in figure.series.items()
    }
    all_points = [point for some in points.values() for point in some]
    y_scale = fitting((y for _, y in all_points), HEIGHT - _BOTTOM, _TOP)
    words = list(dict.fromkeys(str(x) for x, _ in all_points if isinstance(x, str)))
    x_scale = fitting((float(x) for x, _ in all_points if not isinstance(x, str)), _LEFT, right)
    step = (right - _LEFT) / max(len(words), 1)

    def across(x: float | str) -> float:
        if words:
            return _LEFT + step * (words.index(str(x)) + 0.5)
        return x_scale.at(float(x))

    drawn = _upright(figure, y_scale, right)
    if words:
        ticks = [(across(word), m.shortened(word, step)) for word in words]
    else:
        ticks = [(x_scale.at(mark), number_text(mark)) for mark in x_scale.marks]
    for x, text in ticks:
        drawn.append(m.line("tick", x, HEIGHT - _BOTTOM, x, HEIGHT - _BOTTOM + 5))
        drawn.append(m.letters("value", x, HEIGHT - _BOTTOM + 19, text, "middle"))
    name = figure.x + (" (log scale)" if x_scale.log and not words else "")
    drawn.append(m.letters("axis", (_LEFT + right) / 2, HEIGHT - 6, name, "middle"))
    placed = [
        Points(
            name,
            number,
            tuple((across(x), y_scale.at(y)) for x, y in points[name]),
            tuple(points[name]),
        )
        for number, name in enumerate(points)
        if points[name]
    ]
    return drawn, placed


def _upright(figure: Figure, scale: Scale, right: float) -> list[m.Mark]:
    """Draw the lines across with their values, and the name of the axis above them."""
    drawn = [m.letters("axis", 2, 14, figure.y + (" (log scale)" if scale.log else ""))]
    for mark in scale.marks:
        y = scale.at(mark)
        drawn.append(m.line("grid", _LEFT, y, right, y))
        drawn.append(m.letters("value", _LEFT - 8, y + 4, number_text(mark), "end"))
    drawn.append(m.line("base", _LEFT, HEIGHT - _BOTTOM, right, HEIGHT - _BOTTOM))
    return drawn


def _known(x: float | str) -> bool:
    return isinstance(x, str) or math.isfinite(x)
