"""Heat maps: a cell for each row and column, its number in it."""

from __future__ import annotations

import math

from broadsheet.core.report import Figure
from broadsheet.web.drawing import marks as m
from broadsheet.web.drawing.scales import number_text

#: Steps of the colour scale in the style sheet (.h0 the least, ...).
STEPS = 7

WIDTH = 640.0
_TOP, _ROW = 52.0, 30.0
_MOST_NAME = 180.0
_NARROWEST_WITH_NUMBER = 38.0


def draw_heat(figure: Figure) -> m.Drawing:
    """Draw the rows by name, the columns in the order of their first appearance."""
    rows = {
        name: {_text(x): y for x, y in points if math.isfinite(y)}
        for name, points in figure.series.items()
    }
    columns = list(dict.fromkeys(_text(x) for points in figure.series.values() for x, _ in points))
    values = [value for row in rows.values() for value in row.values()]
    least, most = min(values, default=0.0), max(values, default=0.0)
    left = max((m.text_width(m.shortened(name, _MOST_NAME)) for name in rows), default=0.0) + 14.0
    left = max(left, m.text_width(figure.y) + 14.0)
    cell = min(96.0, (WIDTH - left) / max(len(columns), 1))
    drawn = [
        m.letters("axis", left - 9, _TOP - 8, figure.y, "end"),
        m.letters("axis", left + cell * len(columns) / 2, 14, figure.x, "middle"),
    ]
    for place, column in enumerate(columns):
        x = left + cell * (place + 0.5)
        drawn.append(m.letters("value", x, _TOP - 8, m.shortened(column, cell), "middle"))
    for turn, (name, row) in enumerate(rows.items()):
        y = _TOP + turn * _ROW
        label = m.shortened(name, _MOST_NAME)
        drawn.append(m.letters("value", left - 9, y + _ROW / 2 + 4, label, "end"))
        for place, column in enumerate(columns):
            if column not in row:
                continue
            x, value = left + cell * place, row[column]
            step = _step(value, least, most)
            title = f"{name}, {column}: {number_text(value)}"
            drawn.append(m.rect(f"cell h{step}", x, y, cell - 2, _ROW - 2, title))
            if cell >= _NARROWEST_WITH_NUMBER:
                middle = x + cell / 2 - 1
                text = _cell_text(value)
                drawn.append(m.letters(f"on h{step}", middle, y + 19, text, "middle"))
    y = _TOP + len(rows) * _ROW + 12
    drawn += _key(left, y, least, most)
    label = f"{figure.title}. Rows: {figure.y}, columns: {figure.x}"
    return m.Drawing(width=WIDTH, height=y + 22, label=label, marks=tuple(drawn))


def _key(left: float, y: float, least: float, most: float) -> list[m.Mark]:
    """Draw the colour scale from the least to the most."""
    low = number_text(least)
    begin = left + m.text_width(low) + 6
    drawn = [m.letters("value", left, y + 11, low)]
    drawn += [m.rect(f"cell h{step}", begin + step * 18, y, 18, 14) for step in range(STEPS)]
    return [*drawn, m.letters("value", begin + STEPS * 18 + 6, y + 11, number_text(most))]


def _step(value: float, least: float, most: float) -> int:
    if most <= least:
        return STEPS // 2
    return min(STEPS - 1, int((value - least) / (most - least) * STEPS))


def _cell_text(value: float) -> str:
    text = number_text(value)
    return text if len(text) <= 5 else number_text(float(f"{value:.3g}"))


def _text(x: float | str) -> str:
    return x if isinstance(x, str) else number_text(x)
