"""A dot with its interval for each series of a row: rows side by side on one scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from broadsheet.web.drawing import marks as m
from broadsheet.web.drawing.scales import fitting, number_text

WIDTH = 640.0
_TOP, _BOTTOM, _LANE, _GAP = 52.0, 46.0, 11.0, 9.0
_MOST_NAME = 170.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DotRow:
    """A row of a dot plot.

    Args:
        name: At its left.
        values: Value and ends of its interval by series.
    """

    name: str
    values: Mapping[str, tuple[float, float, float]]


def draw_dots(title: str, axis: str, rows: Sequence[DotRow]) -> m.Drawing:
    """Draw rows of dots; series are told apart by colour and shape and named above.

    Args:
        title: What it shows, for those who don't see it.
        axis: Name of the scale.
        rows: From top to bottom; a series that a row lacks leaves its lane empty.
    """
    series = list(dict.fromkeys(name for row in rows for name in row.values))
    names = [m.shortened(row.name, _MOST_NAME) for row in rows]
    left = max((m.text_width(name) for name in names), default=0.0) + 16.0
    ends = [end for row in rows for value in row.values.values() for end in value]
    scale = fitting(ends, left, WIDTH - 16.0)
    foot = _TOP + len(rows) * (len(series) * _LANE + _GAP)
    drawn = [m.letters("axis", 2, 14, axis), *_key(series, left)]
    for mark in scale.marks:
        drawn.append(m.line("grid", scale.at(mark), _TOP - 6, scale.at(mark), foot))
        drawn.append(m.letters("value", scale.at(mark), foot + 19, number_text(mark), "middle"))
    y = _TOP
    for row, name in zip(rows, names, strict=True):
        middle = y + len(series) * _LANE / 2
        drawn.append(m.letters("value", left - 9, middle + 3, name, "end"))
        for number, one in enumerate(series):
            if one in row.values:
                value, low, high = row.values[one]
                lane = y + (number + 0.5) * _LANE
                style = f"reach {m.series_class(number)}"
                drawn.append(m.line(style, scale.at(low), lane, scale.at(high), lane))
                said = f"{row.name}, {one}: {_range(value, low, high)}"
                drawn.append(m.point(number, scale.at(value), lane, said, 3.8))
        y += len(series) * _LANE + _GAP
    drawn.append(m.line("base", left, foot, WIDTH - 16.0, foot))
    label = f"{title}. {axis} of " + ", ".join(row.name for row in rows)
    return m.Drawing(width=WIDTH, height=foot + _BOTTOM - 16, label=label, marks=tuple(drawn))


def _key(series: Sequence[str], left: float) -> list[m.Mark]:
    drawn: list[m.Mark] = []
    x = left
    for number, name in enumerate(series):
        drawn.append(m.point(number, x + 5, 32, name, 4.5))
        drawn.append(m.letters(f"name {m.series_class(number)}", x + 15, 36, name))
        x += m.text_width(name) + 34.0
    return drawn


def _range(value: float, low: float, high: float) -> str:
    return f"{number_text(value)} [{number_text(low)} to {number_text(high)}]"
