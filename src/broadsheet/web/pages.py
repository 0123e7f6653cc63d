"""One view, many formats: how a page is declared together with its twins.

A view is a function that returns an `Answer`: what there is to say, not how it is drawn. `page`
registers it as HTML under its path, and as each twin under the path with a suffix: `/d/2025-09-02`,
`/d/2025-09-02.json`, `/d/2025-09-02.atom`.
"""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from broadsheet.papers.citation import CITATION_FORMATS
from broadsheet.papers.feeds import FEED_FORMATS, FeedInfo, entry_of
from broadsheet.papers.model import Work
from broadsheet.web.rendering import render, respond
from broadsheet.web.site import Site

#: Suffix -> (label, media type) of the formats beside HTML, the longer suffix first.
TWINS: Mapping[str, tuple[str, str]] = {
    "feed.json": ("JSON Feed", FEED_FORMATS["feed.json"].media_type),
    "csl.json": ("CSL", CITATION_FORMATS["csl.json"].media_type),
    "json": ("JSON", "application/json"),
    **{
        suffix: (known[suffix].label, known[suffix].media_type)
        for suffix, known in (
            ("atom", FEED_FORMATS),
            ("rss", FEED_FORMATS),
            ("bib", CITATION_FORMATS),
            ("ris", CITATION_FORMATS),
            ("md", CITATION_FORMATS),
        )
    },
}

#: Twins of a page that lists papers, of a page about one paper, and of a page of numbers.
LIST_TWINS = tuple(TWINS)
PAPER_TWINS = ("csl.json", "json", "bib", "ris", "md")
DATA_TWINS = ("json",)

SCHEMA_VERSION = 1

T = TypeVar("T")


class Document(BaseModel, Generic[T]):
    """Every JSON twin: a version of the shape, and the data."""

    schema_version: int = SCHEMA_VERSION
    data: T


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a page says.

    Args:
        template: The HTML template.
        title: For the title bar, the feeds and the exports.
        values: What the template needs.
        data: What the JSON twin holds under "data".
        works: The papers listed, for feeds and citations.
        path: The canonical path, without suffix; "" is the path asked for.
        see: A path to redirect to instead, without suffix.
        status: HTTP status.
    """

    template: str = ""
    title: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    data: object = None
    works: Sequence[Work] = ()
    path: str = ""
    see: str = ""
    status: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """The same answer in another format, as linked from the HTML page."""

    label: str
    address: str
    media_type: str
    feed: bool


View = TypeVar("View", bound=Callable[..., Answer])


def site_of(request: Request) -> Site:
    """Return the site that a request is for."""
    site: Site = request.app.state.site
    return site


def page(
    router: APIRouter,
    path: str,
    *,
    twins: Sequence[str] = (),
    shape: type | None = None,
    twin_path: str = "",
) -> Callable[[View], View]:
    """Declare a page: a view called as `view(request=..., library=..., <parameters>)`.

    Args:
        router: Where it is registered.
        path: Of the HTML page.
        twins: Suffixes of the other formats.
        shape: Type of the JSON twin's data, for the OpenAPI description.
        twin_path: The path that the suffixes are added to, when it is not `path`.
    """

    def declare(view: View) -> View:
        for twin in twins:
            router.add_api_route(
                f"{twin_path or path}.{twin}",
                _endpoint(view, twin, twins),
                methods=["GET"],
                response_model=None,
                response_class=Response,
                operation_id=f"{view.__name__}_{twin.replace('.', '_')}",
                summary=(view.__doc__ or "").split("\n")[0],
                responses=_documentation(twin, shape),
            )
        router.add_api_route(
            path,
            _endpoint(view, "html", twins),
            methods=["GET"],
            response_model=None,
            include_in_schema=False,
        )
        return view

    return declare


def _documentation(twin: str, shape: type | None) -> dict[int | str, dict[str, Any]]:
    if twin == "json" and shape is not None:
        return {200: {"model": Document[shape]}}  # type: ignore[valid-type]
    return {200: {"content": {TWINS[twin][1].split(";")[0]: {}}}}


def _endpoint(
    view: Callable[..., Answer], twin: str, twins: Sequence[str]
) -> Callable[..., Response]:
    def endpoint(**arguments: Any) -> Response:
        request: Request = arguments["request"]
        answer = view(library=site_of(request).library, **arguments)
        suffix = "" if twin == "html" else f".{twin}"
        if answer.see:
            path, mark, query = answer.see.partition("?")
            return RedirectResponse(f"{path}{suffix}{mark}{query}", 307)
        if twin == "html":
            return draw(request, answer, twins)
        return respond(request, write(request, answer, twin), TWINS[twin][1], answer.status)

    signature = inspect.signature(view, eval_str=True)
    seen = [item for name, item in signature.parameters.items() if name != "library"]
    endpoint.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=seen, return_annotation=Response
    )
    return functools.update_wrapper(endpoint, view, assigned=("__name__", "__doc__"), updated=())


def draw(request: Request, answer: Answer, twins: Sequence[str] = ()) -> Response:
    """Draw an answer as HTML."""
    site = site_of(request)
    path = quote(answer.path or request.url.path)
    values = {
        "title": answer.title,
        "site": site,
        "notice": site.progress.sentence(),
        "twins": [_twin(path, request.url.query, suffix) for suffix in twins],
        "nav": "",
        "q": "",
        **answer.values,
    }
    body = render(site.environment, answer.template, values)
    return respond(request, body, "text/html; charset=utf-8", answer.status)


def _twin(path: str, query: str, suffix: str) -> Twin:
    label, media_type = TWINS[suffix]
    return Twin(
        label=label,
        address=f"{path}.{suffix}" + (f"?{query}" if query else ""),
        media_type=media_type.split(";")[0],
        feed=suffix in FEED_FORMATS,
    )


def write(request: Request, answer: Answer, twin: str) -> bytes:
    """Write an answer in a format beside HTML."""
    if twin == "json":
        return to_json(answer.data)
    if twin in CITATION_FORMATS:
        return CITATION_FORMATS[twin].write(answer.works).encode()
    base = str(request.base_url).rstrip("/")
    home = base + quote(answer.path or request.url.path.removesuffix(f".{twin}"))
    query = f"?{request.url.query}" if request.url.query else ""
    info = FeedInfo(
        title=f"Broadsheet: {answer.title}",
        home_url=home + query,
        feed_url=str(request.url),
    )
    return FEED_FORMATS[twin].write(info, [entry_of(work, base) for work in answer.works])


def to_json(data: object) -> bytes:
    """Write the data of a JSON twin under its version."""
    document = {"schema_version": SCHEMA_VERSION, "data": data}
    return json.dumps(document, ensure_ascii=False, default=_jsonable).encode() + b"\n"


def _jsonable(value: Any) -> object:
    if isinstance(value, Work):
        return value.to_json()
    if is_dataclass(value):
        return {item.name: getattr(value, item.name) for item in fields(value)}
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
