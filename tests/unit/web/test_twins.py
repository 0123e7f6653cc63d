"""Each page in its other formats: valid, complete, described."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import pytest
from lxml import html
from pydantic import TypeAdapter
from starlette.testclient import TestClient

from broadsheet.papers.model import Work
from broadsheet.papers.results import SearchPage
from broadsheet.web.pages import LIST_TWINS, PAPER_TWINS, TWINS, Document
from broadsheet.web.routes.desk import LiveSource, Stats
from broadsheet.web.routes.papers import VersionChange
from broadsheet.web.shapes import (
    Completion,
    DayPage,
    EditionPage,
    MonthCalendar,
    RankedPage,
    RecordSummary,
    RelatedPage,
)

LISTS = [
    "/today",
    "/d/2025-08-27",
    "/w/2025-W35",
    "/m/2025-08",
    "/trending",
    "/new",
    "/search?q=models",
    "/author/Ada Umber",
    "/cat/cs.DL",
    "/venue/acl",
    "/p/{paper}/related",
]


def with_suffix(path: str, suffix: str) -> str:
    base, mark, query = path.partition("?")
    return f"{base}.{suffix}{mark}{query}"


@pytest.mark.parametrize("suffix", LIST_TWINS)
@pytest.mark.parametrize("path", LISTS)
def test_lists_have_all_twins(client: TestClient, paper_id: str, path: str, suffix: str) -> None:
    answer = client.get(with_suffix(path.format(paper=paper_id), suffix))
    assert answer.status_code == 200, answer.text[:300]
    assert answer.headers["content-type"] == TWINS[suffix][1]
    CHECKS[suffix](answer.content)


@pytest.mark.parametrize("suffix", PAPER_TWINS)
def test_papers_have_citation_twins(client: TestClient, paper_id: str, suffix: str) -> None:
    answer = client.get(f"/p/{paper_id}.{suffix}")
    assert answer.status_code == 200
    CHECKS[suffix](answer.content)
    assert "Patient Readers" in answer.text


def _is_atom(content: bytes) -> None:
    feed = ElementTree.fromstring(content)
    space = "{http://www.w3.org/2005/Atom}"
    assert feed.tag == f"{space}feed"
    home = feed.find(f"{space}link[@rel='alternate']")
    assert home is not None
    assert ".atom" not in home.attrib["href"]


def _is_rss(content: bytes) -> None:
    assert ElementTree.fromstring(content).tag == "rss"


def _is_json_feed(content: bytes) -> None:
    assert json.loads(content)["version"].startswith("https://jsonfeed.org/version/1.1")


def _is_ours(content: bytes) -> None:
    assert json.loads(content)["schema_version"] == 1


def _is_list(content: bytes) -> None:
    assert isinstance(json.loads(content), list)


def _begins(mark: bytes) -> Callable[[bytes], None]:
    def check(content: bytes) -> None:
        assert not content or content.startswith(mark)

    return check


CHECKS: dict[str, Callable[[bytes], None]] = {
    "atom": _is_atom,
    "rss": _is_rss,
    "feed.json": _is_json_feed,
    "json": _is_ours,
    "csl.json": _is_list,
    "bib": _begins(b"@"),
    "ris": _begins(b"TY  - "),
    "md": _begins(b"- "),
}

SHAPES: list[tuple[str, Any]] = [
    ("/today.json", EditionPage),
    ("/d/2025-08-29.json", EditionPage),
    ("/w/2025-W35.json", RankedPage),
    ("/m/2025-08.json", RankedPage),
    ("/trending.json?rank=hn", RankedPage),
    ("/new.json", DayPage),
    ("/search.json?q=models", SearchPage),
    ("/search.json", SearchPage),
    ("/author/Ada Umber.json", SearchPage),
    ("/calendar/2025-08.json", MonthCalendar),
    ("/p/{paper}.json", Work),
    ("/p/{paper}/related.json", RelatedPage),
    ("/p/{paper}/versions.json", tuple[VersionChange, ...]),
    ("/p/{paper}/records.json", tuple[RecordSummary, ...]),
    ("/complete?q=segm", tuple[Completion, ...]),
    ("/sources.json", tuple[LiveSource, ...]),
    ("/stats.json", Stats),
]


@pytest.mark.parametrize(("path", "shape"), SHAPES, ids=[path for path, _ in SHAPES])
def test_json_has_the_described_shape(
    client: TestClient, paper_id: str, path: str, shape: Any
) -> None:
    answer = client.get(path.format(paper=paper_id))
    document = TypeAdapter(Document[shape]).validate_json(answer.content)
    assert document.schema_version == 1
    assert document.data is not None


def test_openapi_describes_every_json_twin(client: TestClient) -> None:
    description = client.get("/openapi.json").json()
    paths = description["paths"]
    for path, _ in SHAPES:
        assert any(_fits(path, known) for known in paths), path
    for path, operations in paths.items():
        answer = operations["get"]["responses"]["200"]
        if path.endswith(".json") and not path.endswith((".feed.json", ".csl.json")):
            schema = answer["content"]["application/json"]["schema"]
            assert schema["$ref"].startswith("#/components/schemas/Document"), path


def _fits(path: str, pattern: str) -> bool:
    asked, known = path.partition("?")[0].split("/"), pattern.split("/")
    return len(asked) == len(known) and all(
        one == other or "{" in other for one, other in zip(asked, known, strict=True)
    )


def test_edition_twin_lists_what_the_page_prints(client: TestClient) -> None:
    page = html.fromstring(client.get("/d/2025-08-27").text)
    printed = [link.get("href") for link in page.cssselect(".lead h2 a, .columns h3 a")]
    data = client.get("/d/2025-08-27.json").json()["data"]
    assert printed == [f"/p/{entry['work_id']}" for entry in data["edition"]["entries"]]
    assert data["published"] is True
    feed = client.get("/d/2025-08-27.feed.json").json()
    assert [item["url"] for item in feed["items"]] == [
        f"http://127.0.0.1:8000{path}" for path in printed
    ]


def test_pages_link_their_twins_and_announce_their_feeds(client: TestClient) -> None:
    for path in ("/", "/d/2025-08-27", "/search?q=models", f"/author/{quote('Ada Umber')}"):
        page = html.fromstring(client.get(path).text)
        feeds = page.cssselect('link[rel="alternate"]')
        assert len(feeds) == 3
        links = [link.get("href") for link in page.cssselect(".outputs a")]
        assert len(links) == len(LIST_TWINS)
        for link in [*links, *(feed.get("href") for feed in feeds)]:
            assert " " not in link
            assert client.get(link).status_code == 200, link


def test_the_feed_of_a_search_has_the_newest_first(client: TestClient) -> None:
    items = client.get("/search.feed.json?q=models").json()["items"]
    days = [item["date_published"] for item in items]
    assert days == sorted(days, reverse=True)
    ranked = client.get("/search.json?q=models").json()["data"]["sort"]
    assert ranked == "best"


def test_opml_lists_feeds_that_work(client: TestClient) -> None:
    outlines = ElementTree.fromstring(client.get("/opml").content).findall(".//outline")
    assert len(outlines) == 3
    for outline in outlines:
        assert client.get(outline.attrib["xmlUrl"]).status_code == 200
        assert client.get(outline.attrib["htmlUrl"]).status_code == 200


def test_redirects_keep_the_format(client: TestClient, paper_id: str) -> None:
    answer = client.get("/p/2508.30001.bib")
    assert (answer.status_code, answer.headers["location"]) == (307, f"/p/{paper_id}.bib")


def test_errors_come_in_the_format_asked_for(client: TestClient) -> None:
    answer = client.get("/search.json?q=colour:red")
    assert answer.status_code == 400
    assert answer.json()["data"]["received"] == "colour:red"
    missing = client.get("/p/nothing.bib")
    assert missing.status_code == 404
    assert missing.headers["content-type"].startswith("text/plain")
    assert client.get("/d/2025-08-30.json").status_code == 404
