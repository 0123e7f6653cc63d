"""Weeks, months and the calendar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from fastapi import APIRouter
from starlette.requests import Request

from broadsheet.core import clock
from broadsheet.papers import calendar, editions
from broadsheet.papers.editions import Period
from broadsheet.papers.library import Library
from broadsheet.papers.results import CalendarDay
from broadsheet.web import rankings
from broadsheet.web.pages import DATA_TWINS, LIST_TWINS, Answer, page, site_of
from broadsheet.web.presenters import paper_address, present, present_entries
from broadsheet.web.rendering import address, long_day, short_day
from broadsheet.web.routes.editions import works_of
from broadsheet.web.shapes import MonthCalendar, RankedPage

router = APIRouter()

#: Papers on the page of a week or a month, and titles under each of its days.
BEST = 25
TITLES_A_DAY = 4

#: Titles of papers whose day nobody says.
UNDATED = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Title:
    """A title that links to its paper."""

    title: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A day of the period with its first titles."""

    day: str
    papers: int
    top: tuple[Title, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """The period before or after."""

    label: str
    address: str


@page(router, "/w")
def this_week(request: Request, library: Library) -> Answer:
    """The week of the latest edition."""
    year, week, _ = _latest(request).isocalendar()
    return Answer(see=f"/w/{year}-W{week:02d}")


@page(router, "/m")
def this_month(request: Request, library: Library) -> Answer:
    """The month of the latest edition."""
    return Answer(see=f"/m/{_latest(request):%Y-%m}")


@page(router, "/calendar")
def this_calendar(request: Request, library: Library) -> Answer:
    """The calendar of the latest edition's month."""
    return Answer(see=f"/calendar/{_latest(request):%Y-%m}")


@page(router, "/w/{week}", twins=LIST_TWINS, shape=RankedPage)
def week(request: Request, library: Library, week: str) -> Answer:
    """The best papers of a week, and its days."""
    period = rankings.week(site_of(request), week)
    values = {"kind": "Week", "nav": "week"} | {
        name: Neighbour(label=week_name(other), address=f"/w/{other}") if other else None
        for name, other in (("previous", period.earlier), ("next", period.later))
    }
    return _answer(library, period, week_name(week), values)


@page(router, "/m/{month}", twins=LIST_TWINS, shape=RankedPage)
def month(request: Request, library: Library, month: str) -> Answer:
    """The best papers of a month, and its days."""
    period = rankings.month(site_of(request), month)
    values = {"kind": "Month", "nav": "month"} | {
        name: Neighbour(label=long_day(other), address=f"/m/{other}") if other else None
        for name, other in (("previous", period.earlier), ("next", period.later))
    }
    return _answer(library, period, long_day(month), values)


def _answer(library: Library, period: Period, title: str, values: Mapping[str, object]) -> Answer:
    best = period.entries[:BEST]
    works = works_of(library, best)
    ranked = tuple(works[entry.work_id] for entry in best if entry.work_id in works)
    undated = library.works(period.undated[:UNDATED])
    total = len(period.entries) + len(period.undated)
    return Answer(
        template="period.html",
        title=title,
        works=(*ranked, *undated),
        data=RankedPage(
            title=title,
            first=period.first,
            last=period.last,
            formula=editions.FORMULA,
            total=total,
            entries=best,
            works=ranked,
        ),
        values={
            "papers_total": total,
            "spread": f"{short_day(period.first)} to {short_day(period.last)}",
            "best": present_entries(best, works),
            "days": _days(period),
            "undated": [present(work, words=0) for work in undated],
            "undated_total": len(period.undated),
            "undated_more": address("/search", q=f"date:{period.name}", sort="new")
            if len(period.undated) > UNDATED
            else "",
            **values,
        },
    )


def _days(period: Period) -> list[Day]:
    titles: dict[str, list[Title]] = {}
    for entry in period.entries:
        of_day = titles.setdefault(entry.section, [])
        if len(of_day) < TITLES_A_DAY:
            of_day.append(Title(title=entry.title, address=paper_address(entry.work_id)))
    return [
        Day(day=day.day, papers=day.papers, top=tuple(titles.get(day.day, ())))
        for day in period.days
        if day.papers
    ]


def week_name(week: str) -> str:
    """Name an ISO week.

    Example:
        >>> week_name("2025-W06")
        'Week 6, 2025'
    """
    return f"Week {int(week[6:])}, {week[:4]}"


@page(router, "/calendar/{month}", twins=DATA_TWINS, shape=MonthCalendar)
def month_calendar(request: Request, library: Library, month: str) -> Answer:
    """The days of a month: how many papers each has, and why some have none."""
    first, last = calendar.month_range(month)
    days = library.calendar(month)
    return Answer(
        template="calendar.html",
        title=f"Calendar of {long_day(month)}",
        data=MonthCalendar(month=month, days=tuple(days)),
        values={
            "nav": "calendar",
            "month": month,
            "today": clock.today().isoformat(),
            "weeks": _weeks(days, first.weekday()),
            "papers_total": sum(day.papers for day in days),
            "days_held": sum(1 for day in days if day.papers),
            "previous": f"{first - timedelta(days=1):%Y-%m}",
            "next": f"{last + timedelta(days=1):%Y-%m}",
        },
    )


def _weeks(days: list[CalendarDay], leading: int) -> list[list[CalendarDay | None]]:
    cells: list[CalendarDay | None] = [None] * leading + list(days)
    cells += [None] * (-len(cells) % 7)
    return [cells[start : start + 7] for start in range(0, len(cells), 7)]


def _latest(request: Request) -> date:
    return date.fromisoformat(rankings.latest_day(site_of(request)))
