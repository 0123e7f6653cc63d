"""Bars that lie, so that long names stay readable; the value stands at the end of each."""

from __future__ import annotations

import math

from broadsheet.core.report import Figure
from broadsheet.web.drawing import marks as m
from broadsheet.web.drawing.scales import from_zero, number_text

WIDTH = 640.0
_TOP, _BOTTOM, _BAR, _GAP = 26.0, 46.0, 19.0, 10.0
_MOST_NAME = 200.0


def draw_bars(figure: Figure) -> m.Drawing:
    """Draw a group of bars for each label, one bar for each series that has it."""
    known = {
        name: {str(x): y for x, y in points if math.isfinite(y)}
        for name, points in figure.series.items()
    }
    labels = list(dict.fromkeys(label for points in known.values() for label in points))
    left = max((m.text_width(m.shortened(x, _MOST_NAME)) for x in labels), default=0.0) + 16.0
    several = len(known) > 1
    widest = max(map(m.text_width, known), default=0.0) if several else 0.0
    right = WIDTH - 70.0 - min(widest, _MOST_NAME)
    scale = from_zero((y for points in known.values() for y in points.values()), left, right)
    drawn = [m.letters("axis", 2, 14, figure.x)]
    y, named = _TOP, set[str]()
    for label in labels:
        begin = y
        for number, (name, points) in enumerate(known.items()):
            if label not in points:
                continue
            value = points[label]
            ends = sorted((scale.at(0.0), scale.at(value)))
            title = f"{name}, {label}: {number_text(value)}"
            style = f"block {m.series_class(number)}"
            drawn.append(m.rect(style, ends[0], y, ends[1] - ends[0], _BAR - 3, title))
            text = number_text(value)
            if several and name not in named:  # a series is named at its first bar
                text, named = f"{text}, {m.shortened(name, _MOST_NAME)}", named | {name}
            drawn.append(m.letters(f"name {m.series_class(number)}", ends[1] + 6, y + 13, text))
            y += _BAR
        name = m.shortened(label, _MOST_NAME)
        drawn.append(m.letters("value", left - 9, (begin + y) / 2 + 3, name, "end"))
        y += _GAP
    foot = y - _GAP + 4
    drawn.append(m.line("base", scale.at(0.0), _TOP - 4, scale.at(0.0), foot))
    for mark in scale.marks:
        drawn.append(m.line("tick", scale.at(mark), foot, scale.at(mark), foot + 5))
        drawn.append(m.letters("value", scale.at(mark), foot + 19, number_text(mark), "middle"))
    drawn.append(m.letters("axis", (left + right) / 2, foot + 38, figure.y, "middle"))
    label = f"{figure.title}. {figure.y} by {figure.x}: " + ", ".join(labels)
    return m.Drawing(width=WIDTH, height=foot + _BOTTOM, label=label, marks=tuple(drawn))
