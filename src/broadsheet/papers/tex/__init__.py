"""TeX in titles and abstracts: as plain Unicode (`to_plain`) or as safe HTML (`to_html`)."""

from broadsheet.papers.tex.markup import to_html
from broadsheet.papers.tex.plain import to_plain

__all__ = ["to_html", "to_plain"]
