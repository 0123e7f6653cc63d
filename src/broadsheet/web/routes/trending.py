"""What rises: papers of the last announcement days, with the formula and every term."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request

from broadsheet.core.errors import UsageError
from broadsheet.papers import calendar
from broadsheet.papers.library import Library
from broadsheet.papers.trending.formulas import FORMULAS, SOURCES, Formula, formula_named
from broadsheet.web import rankings
from broadsheet.web.pages import LIST_TWINS, Answer, page, site_of
from broadsheet.web.paging import Pages, page_number
from broadsheet.web.presenters import present_entries
from broadsheet.web.shapes import RankedPage

router = APIRouter()

#: Papers on one page.
PAGE = 30

#: Windows offered; any number of days from 1 to 366 is taken.
WINDOWS = (("1d", "1 day"), ("3d", "3 days"), ("7d", "7 days"), ("28d", "28 days"))
_LONGEST = 366


@page(router, "/trending", twins=LIST_TWINS, shape=RankedPage)
def trending(
    request: Request,
    library: Library,
    window: str = f"{rankings.WINDOW_DAYS}d",
    rank: str = FORMULAS[0].id,
    cat: Annotated[str, Query(max_length=40)] = "",
    until: str = "",
    number: Annotated[int, Query(alias="page")] = 1,
) -> Answer:
    """Papers of the last announcement days, ranked by a published formula."""
    days = read_window(window)
    formula = formula_named(rank)
    site = site_of(request)
    last = until or rankings.latest_day(site)
    calendar.parse_day(last)
    entries = rankings.trending(site, last, days, rank, cat)
    pages = Pages(request.url, page_number(number), PAGE, len(entries))
    shown = entries[pages.offset : pages.offset + PAGE]
    works = {work.id: work for work in library.works(entry.work_id for entry in shown)}
    in_order = tuple(works[entry.work_id] for entry in shown if entry.work_id in works)
    dates = sorted(work.day for work in in_order if work.day)
    title = f"Trending{f' in {cat}' if cat else ''}"
    return Answer(
        template="trending.html",
        title=title,
        works=in_order,
        data=RankedPage(
            title=title,
            first=dates[0] if dates else "",
            last=last,
            formula=rank,
            total=len(entries),
            entries=tuple(shown),
            works=in_order,
        ),
        values={
            "nav": "trending",
            "window": days,
            "window_name": f"{days}d",
            "windows": WINDOWS
            if any(days == int(name[:-1]) for name, _ in WINDOWS)
            else (*WINDOWS, (f"{days}d", f"{days} days")),
            "rank": rank,
            "ranks": [item.id for item in FORMULAS],
            "cat": cat,
            "until": last,
            "formula": formula_lines(formula),
            "papers": present_entries(shown, works, words=(35,)),
            "papers_total": len(entries),
            "pages": pages,
        },
    )


def read_window(text: str) -> int:
    """Read a number of announcement days.

    Raises:
        UsageError: It is not one, or too long.

    Example:
        >>> read_window("7d"), read_window("28")
        (7, 28)
    """
    digits = text.removesuffix("d")
    days = int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 4 else 0
    if not 1 <= days <= _LONGEST:
        raise UsageError("not a window of days", received=text, hint="7d, at most 366d")
    return days


def formula_lines(formula: Formula) -> list[str]:
    """Return what is printed about a formula: itself, its weights, its note, its source."""
    lines = [sentence.rstrip(".") + "." for sentence in formula.text.split(". ")]
    if formula.weights:
        weights = ", ".join(f"{name} {value:g}" for name, value in formula.weights.items())
        lines.append(f"Weights: {weights}.")
    if formula.note:
        lines.append(f"Note: {formula.note}.")
    if formula.id in SOURCES:
        lines.append(f"Source: {SOURCES[formula.id]}.")
    return lines
