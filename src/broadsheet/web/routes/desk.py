"""Pages about the library itself: sources, counts, help, about, feeds, health."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, tostring

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from broadsheet import __version__
from broadsheet.papers.fields import FIELDS
from broadsheet.papers.library import Library
from broadsheet.papers.live import source_status
from broadsheet.papers.sources import SOURCES
from broadsheet.papers.trending.formulas import FORMULAS
from broadsheet.web import manual, rankings
from broadsheet.web.coverage import IndexState, index_states
from broadsheet.web.pages import DATA_TWINS, Answer, page, site_of
from broadsheet.web.rendering import respond
from broadsheet.web.routes.trending import formula_lines

router = APIRouter()

#: Rejects shown.
REJECTS = 50

_CHART_WIDTH, _CHART_HEIGHT, _CHART_FOOT = 960, 170, 18


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSource:
    """A live source as it stands."""

    name: str
    label: str
    late: bool
    why: str
    last_good: str
    newest_day: str
    not_before: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """How much there is, and how far the indexes have come."""

    works: int
    records: int
    rejects: int
    merged: int
    days: int
    editions: int
    revision: int
    indexes: tuple[IndexState, ...]
    working: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A bar of the chart of months."""

    month: str
    papers: int
    x: float
    y: float
    width: float
    height: float


@page(router, "/sources", twins=DATA_TWINS, shape=tuple[LiveSource, ...])
def sources(request: Request, library: Library) -> Answer:
    """Where papers come from, and how the live sources are doing."""
    live = source_status(library.home)
    return Answer(
        template="sources.html",
        title="Sources",
        data=tuple(
            LiveSource(
                name=item.name,
                label=item.label,
                late=item.late,
                why=item.why,
                last_good=item.last_good,
                newest_day=item.newest_day,
                not_before=item.not_before,
            )
            for item in live
        ),
        values={
            "live": live,
            "formats": SOURCES,
            "rejects": library.store.rejects(REJECTS),
            "rejects_total": library.store.counts().rejects,
        },
    )


@page(router, "/stats", twins=DATA_TWINS, shape=Stats)
def stats(request: Request, library: Library) -> Answer:
    """How many papers there are, and how far the indexes have come."""
    counts = library.store.counts()
    days = rankings.days(site_of(request))
    editions = len(library.store.edition_days())
    indexes = tuple(index_states(library, counts.works))
    progress = site_of(request).progress
    bars = _bars(days)
    return Answer(
        template="stats.html",
        title="Counts",
        data=Stats(
            works=counts.works,
            records=counts.records,
            rejects=counts.rejects,
            merged=counts.merged,
            days=len(days),
            editions=editions,
            revision=library.store.revision,
            indexes=indexes,
            working=progress.sentence(),
        ),
        values={
            "figures": [
                ("papers", counts.works),
                ("source records", counts.records),
                ("days with papers", len(days)),
                ("published editions", editions),
                ("merged duplicates", counts.merged),
                ("unreadable pieces", counts.rejects),
            ],
            "indexes": indexes,
            "indexes_have_encoder": any(state.encoder for state in indexes),
            "trouble": progress.trouble,
            "months": bars,
            "chart": {
                "width": _CHART_WIDTH,
                "height": _CHART_HEIGHT,
                "most": max((bar.papers for bar in bars), default=0),
                "labels": _labels(bars),
            },
        },
    )


@page(router, "/help")
def help_page(request: Request, library: Library) -> Answer:
    """How to ask, the keys, the formats and the formulas."""
    return Answer(
        template="help.html",
        title="Help",
        values={
            "language": manual.LANGUAGE,
            "fields": [(name, item.help) for name, item in FIELDS.items()],
            "formats": manual.FORMATS,
            "formulas": [{"id": item.id, "lines": formula_lines(item)} for item in FORMULAS],
        },
    )


@page(router, "/about")
def about(request: Request, library: Library) -> Answer:
    """What this is."""
    return Answer(template="about.html", title="About", values={"version": __version__})


@router.get("/opml", summary="Feeds worth following, as OPML.", response_class=Response)
def opml(request: Request) -> Response:
    """Feeds worth following, as OPML."""
    base = str(request.base_url).rstrip("/")
    root = Element("opml", {"version": "2.0"})
    SubElement(SubElement(root, "head"), "title").text = "Broadsheet"
    body = SubElement(root, "body")
    for title, path in (("Today's edition", "/today"), ("Trending", "/trending"), ("New", "/new")):
        SubElement(
            body,
            "outline",
            {
                "type": "rss",
                "text": f"Broadsheet: {title}",
                "xmlUrl": f"{base}{path}.atom",
                "htmlUrl": base + ("/" if path == "/today" else path),
            },
        )
    document = b'<?xml version="1.0" encoding="utf-8"?>\n' + tostring(root)
    return respond(request, document, "text/x-opml; charset=utf-8")


@router.get("/healthz", summary="Is the process alive?")
def healthz() -> JSONResponse:
    """Tell that the process answers."""
    return JSONResponse({"ok": True})


@router.get("/readyz", summary="Can it answer questions, and what is it doing besides?")
def readyz(request: Request) -> JSONResponse:
    """Tell whether the store answers, and what goes on in the background."""
    site = site_of(request)
    progress = site.progress
    return JSONResponse(
        {
            "ok": True,
            "revision": site.library.store.revision,
            "working": progress.sentence(),
            "trouble": progress.trouble,
        }
    )


def _bars(days: list[tuple[str, int]]) -> list[Bar]:
    """Lay out the last months that have papers; at most as many as are told apart."""
    papers: Counter[str] = Counter()
    for day, count in days:
        papers[day[:7]] += count
    months = sorted(papers)[-120:]
    if not months:
        return []
    most = max(papers[month] for month in months)
    step = min(_CHART_WIDTH / len(months), 48.0)
    room = _CHART_HEIGHT - _CHART_FOOT
    bars = []
    for place, month in enumerate(months):
        height = max(1.0, room * papers[month] / most)
        bars.append(
            Bar(
                month=month,
                papers=papers[month],
                x=round(place * step, 1),
                y=round(room - height, 1),
                width=round(step * 0.82, 1),
                height=round(height, 1),
            )
        )
    return bars


def _labels(bars: list[Bar]) -> list[tuple[float, str]]:
    """Label the first bar of each year."""
    labels: dict[str, float] = {}
    for bar in bars:
        labels.setdefault(bar.month[:4], bar.x)
    return [(x, year) for year, x in labels.items()]
