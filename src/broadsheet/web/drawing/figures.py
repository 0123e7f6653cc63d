"""A figure of a report as a drawing, and as the table behind it."""

from __future__ import annotations

from dataclasses import dataclass

from broadsheet.core.report import Figure
from broadsheet.web.drawing.bars import draw_bars
from broadsheet.web.drawing.heat import draw_heat
from broadsheet.web.drawing.marks import Drawing
from broadsheet.web.drawing.points import draw_lines, draw_scatter
from broadsheet.web.drawing.scales import number_text

_KINDS = {"line": draw_lines, "scatter": draw_scatter, "bar": draw_bars, "heat": draw_heat}


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnFigure:
    """A figure as a page shows it.

    Args:
        title: What it shows.
        drawing: The picture.
        columns: Heads of the table: series, x, y.
        rows: Its numbers, for those who read rather than look.
    """

    title: str
    drawing: Drawing
    columns: tuple[str, str, str]
    rows: tuple[tuple[str, str, str], ...]


def draw_figure(figure: Figure) -> DrawnFigure:
    """Draw a figure by its kind.

    Example:
        >>> figure = Figure(title="t", kind="bar", x="arm", y="s", series={"a": (("x", 2.0),)})
        >>> draw_figure(figure).rows
        (('a', 'x', '2'),)
    """
    rows = tuple(
        (name, x if isinstance(x, str) else number_text(x), number_text(y))
        for name, points in figure.series.items()
        for x, y in points
    )
    columns = (figure.y, figure.x, "value") if figure.kind == "heat" else ("", figure.x, figure.y)
    return DrawnFigure(
        title=figure.title, drawing=_KINDS[figure.kind](figure), columns=columns, rows=rows
    )
