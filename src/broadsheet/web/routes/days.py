"""Everything of one day, unranked."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.requests import Request

from broadsheet.papers import calendar
from broadsheet.papers.library import Library
from broadsheet.papers.model import Work
from broadsheet.papers.query import filter_text
from broadsheet.papers.sections import CATEGORY_NAMES
from broadsheet.web import rankings
from broadsheet.web.pages import LIST_TWINS, Answer, page, site_of
from broadsheet.web.presenters import Paper, present
from broadsheet.web.rendering import address, long_day
from broadsheet.web.shapes import DayPage

router = APIRouter()

#: Titles of a group on the page; the rest is a search.
TITLES = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The papers of a category or venue."""

    label: str
    anchor: str
    count: int
    papers: tuple[Paper, ...]
    address: str


@page(router, "/new", twins=LIST_TWINS, shape=DayPage)
def new(request: Request, library: Library, day: str = "") -> Answer:
    """Everything dated a day (the latest by default), by category."""
    site = site_of(request)
    days = [held for held, _ in rankings.days(site)]
    day = day or rankings.latest_day(site)
    calendar.parse_day(day)
    works = library.store.works_between(day, day)
    groups: dict[tuple[str, str], list[Work]] = {}
    for work in works:
        groups.setdefault(_group_of(work), []).append(work)
    earlier, later = calendar.neighbours(day, days)
    in_order = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return Answer(
        template="new.html",
        title=f"New on {long_day(day)}",
        works=works,
        data=DayPage(day=day, works=tuple(works)),
        values={
            "nav": "new",
            "day": day,
            "papers_total": len(works),
            "groups": [_group(field, name, papers, day) for (field, name), papers in in_order],
            "earlier": earlier,
            "later": later,
        },
    )


def _group_of(work: Work) -> tuple[str, str]:
    if work.primary_category or work.categories:
        return "cat", work.primary_category or work.categories[0]
    return ("venue", work.venue) if work.venue else ("", "")


def _group(field: str, name: str, works: list[Work], day: str) -> Group:
    terms = f"date:{day}" + (f" {filter_text(field, name)}" if name else "")
    label = CATEGORY_NAMES.get(name, name) or "Without category"
    return Group(
        label=label,
        anchor="in-" + re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-"),
        count=len(works),
        papers=tuple(present(work, words=0) for work in works[:TITLES]),
        address=address("/search", q=terms, sort="new"),
    )
