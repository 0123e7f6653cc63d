"""Search, and the lists that are searches: of an author, a category, a venue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter
from fastapi import Query as Param
from starlette.requests import Request
from starlette.responses import Response

from broadsheet.core.errors import UsageError
from broadsheet.papers.feeds import FEED_FORMATS
from broadsheet.papers.library import Library
from broadsheet.papers.query import Query, filter_text, parse
from broadsheet.papers.results import SearchPage
from broadsheet.papers.search.ranking import DEPTH
from broadsheet.runtime import models
from broadsheet.web.pages import LIST_TWINS, Answer, Document, page, site_of, to_json
from broadsheet.web.paging import Pages, page_number
from broadsheet.web.presenters import present_hit
from broadsheet.web.rendering import address, respond
from broadsheet.web.shapes import Completion

router = APIRouter()

#: Results on one page, longest query, completions offered.
PAGE = 20
MAX_QUERY = 500
COMPLETIONS = 8

MODES = (("hybrid", "words and meaning"), ("words", "words"), ("dense", "meaning"))
SORTS = (("best", "best first"), ("new", "newest first"))
_FACETS = {
    "year": "Year",
    "venue": "Venue",
    "cat": "Category",
    "author": "Author",
    "has": "Has",
}
EXAMPLES = (
    "late interaction retrieval",
    '"mixture of experts" -vision',
    "topic segmentation venue:acl",
    "embeddings year:2023..2025",
    "has:code benchmark",
)

Text = Annotated[str, Param(max_length=MAX_QUERY)]
Choice = Annotated[str, Param(max_length=16)]
PageNumber = Annotated[int, Param(alias="page")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A value of a facet, with the address that adds or removes it."""

    label: str
    count: int
    address: str
    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Facet:
    """A facet as shown."""

    label: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a list page is about: a fixed filter with a heading."""

    kind: str = ""
    name: str = ""
    term: str = ""
    path: str = "/search"
    sort: str = "best"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What the reader asks."""

    q: str
    mode: str
    sort: str
    page: int
    rerank: bool


@page(router, "/search", twins=LIST_TWINS, shape=SearchPage)
def search(
    request: Request,
    library: Library,
    q: Text = "",
    mode: Choice = "",
    sort: Choice = "",
    number: PageNumber = 1,
    rerank: bool = False,
) -> Answer:
    """Papers that match a query."""
    return _found(
        request, library, Scope(), Ask(q=q, mode=mode, sort=sort, page=number, rerank=rerank)
    )


@page(router, "/author/{name:path}", twins=LIST_TWINS, shape=SearchPage)
def author(
    request: Request,
    library: Library,
    name: str,
    q: Text = "",
    mode: Choice = "",
    sort: Choice = "",
    number: PageNumber = 1,
) -> Answer:
    """Papers of an author, newest first."""
    scope = _scope("Author", "author", name)
    return _found(
        request, library, scope, Ask(q=q, mode=mode, sort=sort, page=number, rerank=False)
    )


@page(router, "/cat/{name:path}", twins=LIST_TWINS, shape=SearchPage)
def category(
    request: Request,
    library: Library,
    name: str,
    q: Text = "",
    mode: Choice = "",
    sort: Choice = "",
    number: PageNumber = 1,
) -> Answer:
    """Papers of a category, newest first."""
    scope = _scope("Category", "cat", name)
    return _found(
        request, library, scope, Ask(q=q, mode=mode, sort=sort, page=number, rerank=False)
    )


@page(router, "/venue/{name:path}", twins=LIST_TWINS, shape=SearchPage)
def venue(
    request: Request,
    library: Library,
    name: str,
    q: Text = "",
    mode: Choice = "",
    sort: Choice = "",
    number: PageNumber = 1,
) -> Answer:
    """Papers of a venue, newest first."""
    scope = _scope("Venue", "venue", name)
    return _found(
        request, library, scope, Ask(q=q, mode=mode, sort=sort, page=number, rerank=False)
    )


@router.get(
    "/complete",
    response_model=None,
    response_class=Response,
    responses={200: {"model": Document[tuple[Completion, ...]]}},
)
def complete(request: Request, q: Text = "") -> Response:
    """Words of the corpus that begin like the one being typed."""
    word = q.strip()
    library = site_of(request).library
    found = library.complete(word, limit=COMPLETIONS) if len(word) >= 2 else []
    data = [Completion(word=text, papers=papers) for text, papers in found]
    return respond(request, to_json(data), "application/json")


def _scope(kind: str, field: str, name: str) -> Scope:
    path = f"/{field}/{name}"
    return Scope(kind=kind, name=name, term=filter_text(field, name), path=path, sort="new")


def _found(request: Request, library: Library, scope: Scope, ask: Ask) -> Answer:
    mode = _chosen("mode", ask.mode or "hybrid", MODES)
    sort = _chosen("sort", ask.sort or _usual_sort(request, scope), SORTS)
    text = f"{scope.term} {ask.q}".strip()
    everything = ask.sort == "new" and not text
    title = scope.name or (f"Search: {ask.q}" if ask.q else "Search")
    values: dict[str, object] = {
        "nav": "search",
        "q": ask.q,
        "mode": mode,
        "sort": sort,
        "modes": MODES,
        "sorts": sorted(SORTS, key=lambda item: item[0] != scope.sort),
        "heading": scope.name,
        "heading_kind": scope.kind,
        "form_action": quote(request.url.path),
        "examples": EXAMPLES,
    }
    if not text and not everything:
        nothing = SearchPage(query="", hits=(), total=0, offset=0, limit=PAGE, mode=mode, sort=sort)
        return Answer(
            template="search.html", title=title, data=nothing, values={**values, "result": None}
        )
    offset = (page_number(ask.page) - 1) * PAGE
    result = library.search(
        text,
        mode=mode,
        sort=sort,
        limit=PAGE,
        offset=offset,
        explain=True,
        rerank=ask.rerank,
    )
    reachable = min(result.total, DEPTH) if result.sort == "best" else result.total
    pages = Pages(request.url, ask.page, PAGE, reachable)
    query = parse(text)
    return Answer(
        template="search.html",
        title=title,
        data=result,
        works=[hit.work for hit in result.hits],
        values={
            **values,
            "result": result,
            "papers": [present_hit(hit) for hit in result.hits],
            "facets": _facets(result, query, mode, sort),
            "pages": pages,
            "mode_used": _mode_used(result, mode),
            "dropped": [] if result.hits else _wider(query, mode),
            "rerank_address": _rerank_address(request, library, result, ask),
        },
    )


def _usual_sort(request: Request, scope: Scope) -> str:
    """A feed is followed for what is new."""
    is_feed = request.url.path.endswith(tuple(f".{suffix}" for suffix in FEED_FORMATS))
    return "new" if is_feed else scope.sort


def _chosen(name: str, value: str, offered: Sequence[tuple[str, str]]) -> str:
    names = [known for known, _ in offered]
    if value not in names:
        raise UsageError(f"unknown {name}", received=value, hint="one of " + ", ".join(names))
    return value


def _facets(result: SearchPage, query: Query, mode: str, sort: str) -> list[Facet]:
    facets = []
    for name, label in _FACETS.items():
        values = tuple(
            Value(
                label=value.label,
                count=value.count,
                active=value.active,
                address=_ask_address(
                    query.removing(value.term) if value.active else query.adding(value.term),
                    mode,
                    sort,
                ),
            )
            for value in result.facets.get(name, ())
        )
        if values:
            facets.append(Facet(label=label, values=values))
    return facets


def _ask_address(query: Query, mode: str, sort: str) -> str:
    return address(
        "/search",
        q=str(query),
        mode="" if mode == MODES[0][0] else mode,
        sort="" if sort == SORTS[0][0] else sort,
    )


def _mode_used(result: SearchPage, asked: str) -> str:
    if result.mode == asked:
        return ""
    return f"by {dict(MODES).get(result.mode, result.mode)} only"


def _wider(query: Query, mode: str) -> list[tuple[str, str]]:
    """Return each part of a query that found nothing, with the address of the query without it."""
    parts = [str(term) for term in query.filters]
    parts += [str(Query(clauses=(clause,))) for clause in query.clauses]
    if len(parts) < 2:
        return []
    return [(f"without {part}", _ask_address(query.removing(part), mode, "")) for part in parts]


def _rerank_address(request: Request, library: Library, result: SearchPage, ask: Ask) -> str:
    """Return where the best papers are read again by a slower model; "" where that is no use."""
    useful = result.hits and result.sort == "best" and ask.q and ask.page == 1 and not ask.rerank
    if not useful or request.url.path != "/search" or not models.reranker(library.home):
        return ""
    url = request.url.include_query_params(rerank=1)
    return f"{url.path}?{url.query}"
