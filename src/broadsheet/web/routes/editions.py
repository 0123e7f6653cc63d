"""The front page: the edition of a day, and of today."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter
from starlette.requests import Request

from broadsheet.core import clock
from broadsheet.core.errors import NotFound
from broadsheet.papers import calendar
from broadsheet.papers.library import Library
from broadsheet.papers.model import Work
from broadsheet.papers.results import Edition, EditionEntry
from broadsheet.papers.sections import LEAD, REST
from broadsheet.web import rankings
from broadsheet.web.pages import LIST_TWINS, Answer, page, site_of
from broadsheet.web.presenters import Paper, present, present_entries
from broadsheet.web.rendering import long_day
from broadsheet.web.shapes import EditionPage

router = APIRouter()

#: Papers with a headline of their own; more stand below as titles.
STORIES = 60

#: Stories from which the printed excerpts are cut short, so that all fit on one side of A3.
DENSE_FROM = 43

#: Titles below the stories; a longer day is read on /new.
TITLES = 240

#: Words of the excerpt of the first story, the second, ... and of every later one.
EXCERPTS = (150, 60, 60, 40)


@page(router, "/", twins=LIST_TWINS, shape=EditionPage, twin_path="/today")
def today(request: Request, library: Library) -> Answer:
    """Today's edition, or the latest one."""
    days = [day for day, _ in rankings.days(site_of(request))]
    this_day = clock.today().isoformat()
    past = [day for day in days if day <= this_day]
    shown = past[-1] if past else days[0] if days else ""
    if not shown:
        return Answer(template="empty.html", title="Broadsheet", path="/today", status=200)
    stale = ""
    if shown != this_day:
        why = calendar.why_empty(this_day, days)
        stale = (
            f"There is no edition of today, {long_day(this_day)} ({why}). "
            f"This is the latest one, of {long_day(shown)}."
        )
    return _edition(request, shown, printing=None, stale=stale, path="/today")


@page(router, "/d/{day}", twins=LIST_TWINS, shape=EditionPage)
def day(request: Request, library: Library, day: str, printing: int | None = None) -> Answer:
    """The edition of a day."""
    calendar.parse_day(day)
    try:
        return _edition(request, day, printing=printing, path=f"/d/{day}")
    except NotFound:
        if printing is not None:
            raise
        return _no_edition(request, day)


def _edition(
    request: Request, day: str, *, printing: int | None, stale: str = "", path: str
) -> Answer:
    site = site_of(request)
    library = site.library
    edition = rankings.edition(site, day, printing)
    published = [held for held in library.store.edition_days() if held[0] == day]
    works = works_of(library, edition.entries)
    printed = tuple(works[e.work_id] for e in edition.entries if e.work_id in works)
    shown = {work.id for work in printed}
    late = tuple(w for w in library.store.works_between(day, day) if w.id not in shown)
    return Answer(
        template="edition.html",
        title=f"Broadsheet of {long_day(day)}",
        path=path,
        works=printed,
        data=EditionPage(edition=edition, published=bool(published), works=printed, late=late),
        values={
            "nav": "today",
            "edition": edition,
            "published": bool(published),
            "printing_name": printing_name(edition.printing),
            "printings": [(number, printing_name(number)) for _, number, _ in published],
            "stale": stale,
            "late": [present(work, words=0) for work in late[:TITLES]],
            **_layout(edition, works),
            **_neighbours(request, day),
        },
    )


def works_of(library: Library, entries: Sequence[EditionEntry]) -> dict[str, Work]:
    """Return the works of entries by the id printed, also of those merged since into another."""
    works = {work.id: work for work in library.works(entry.work_id for entry in entries)}
    for entry in entries:
        if entry.work_id not in works and (found := library.works([entry.work_id])):
            works[entry.work_id] = found[0]
    return works


def _layout(edition: Edition, works: dict[str, Work]) -> dict[str, object]:
    stories = present_entries(edition.entries[:STORIES], works, words=EXCERPTS)
    sections: dict[str, list[Paper]] = {}
    for entry, paper in zip(edition.entries, stories, strict=False):
        sections.setdefault(entry.section, []).append(paper)
    lead = sections.pop(LEAD, [])
    tail = present_entries(edition.entries[STORIES : STORIES + TITLES], works, words=(0,))
    return {
        "lead": lead,
        "sections": list(sections.items()),
        "brief": REST,
        "dense_from": DENSE_FROM,
        "tail": tail,
        "papers_total": len(edition.entries),
        "more": max(0, len(edition.entries) - STORIES - TITLES),
    }


def _neighbours(request: Request, day: str) -> dict[str, str]:
    known = [held for held, _ in rankings.days(site_of(request))]
    earlier, later = calendar.neighbours(day, known)
    return {"earlier": earlier, "later": later}


def _no_edition(request: Request, day: str) -> Answer:
    known = [held for held, _ in rankings.days(site_of(request))]
    why = calendar.why_empty(day, known)
    return Answer(
        template="no_edition.html",
        title=f"No edition of {long_day(day)}",
        status=404,
        data={"day": day, "reason": why, **_neighbours(request, day)},
        values={"nav": "today", "day": day, "why": why, **_neighbours(request, day)},
    )


def printing_name(number: int) -> str:
    """Name a printing.

    Example:
        >>> printing_name(1), printing_name(2), printing_name(4)
        ('First printing', 'Late edition', 'Printing 4')
    """
    return {1: "First printing", 2: "Late edition"}.get(number, f"Printing {number}")
