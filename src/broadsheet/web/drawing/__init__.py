"""Figures as SVG, from a report's data: drawn here, coloured by the style sheet, no script."""

from broadsheet.web.drawing.figures import draw_figure
from broadsheet.web.drawing.intervals import draw_interval
from broadsheet.web.drawing.marks import Drawing

__all__ = ["Drawing", "draw_figure", "draw_interval"]
