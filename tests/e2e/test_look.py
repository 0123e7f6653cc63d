"""How pages look: accessible, fitting at every width, one sheet on paper; many at once."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe

from broadsheet.papers.ingest import ingest

pytestmark = pytest.mark.browser

Open = Callable[..., Any]

PAGES = [
    "/",
    "/d/2025-08-27",
    "/d/2025-08-30",
    "/w/2025-W36",
    "/m/2025-08",
    "/calendar/2025-08",
    "/trending",
    "/new",
    "/search",
    "/search?q=models",
    "/search?q=xyzzy+year:2025",
    "/p/2508.30001",
    "/p/2508.20001",
    "/p/2508.10001",
    "/author/Ada%20Umber",
    "/systems",
    "/systems/slow_walk",
    "/systems/counting_cost",
    "/leaderboard",
    "/sources",
    "/stats",
    "/help",
    "/about",
    "/nothing",
]


@pytest.mark.parametrize("path", PAGES)
def test_accessible_by_axe(open_page: Open, path: str) -> None:
    axe = Axe()
    page = open_page(path, strict=False, bypass_csp=True)
    closed = page.locator("details:not([open]) > summary")
    for _ in range(min(2, closed.count())):
        closed.first.click()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found = axe.run(page, options={"resultTypes": ["violations"]})
        assert found.violations_count == 0, f"{scheme}: {found.generate_report()}"


@pytest.mark.parametrize("path", PAGES)
def test_nothing_overflows(open_page: Open, path: str) -> None:
    page = open_page(path, strict=False)
    for width in (320, 360, 768, 1280, 1920):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, width


@pytest.mark.parametrize(
    "path",
    ["/", "/search?q=models", "/trending", "/calendar/2025-08", "/systems", "/systems/slow_walk"],
)
def test_targets_are_large_enough_for_fingers(open_page: Open, path: str) -> None:
    page = open_page(path, viewport={"width": 360, "height": 800}, has_touch=True)
    small = page.evaluate(
        """() => [...document.querySelectorAll("nav a, button, select, input, .folio a, .facets a,"
             + " .calendar td a, summary, .button")]
          .filter((item) => item.offsetParent !== null && item.type !== "checkbox")
          .map((item) => [item.outerHTML.slice(0, 80), item.getBoundingClientRect().height])
          .filter(([, height]) => height < 43.5)"""
    )
    assert small == []


def test_still_where_motion_is_not_wanted(open_page: Open) -> None:
    page = open_page("/", reduced_motion="reduce")
    lasting = page.evaluate("getComputedStyle(document.querySelector('main a')).transitionDuration")
    assert lasting == "0s"


def test_math_is_laid_out_by_the_browser(open_page: Open) -> None:
    page = open_page("/p/2508.20001")
    box = page.locator("h1 math").first.bounding_box()
    assert box["width"] > 10
    assert box["height"] > 10


def sheets(page: Any, paper: str) -> int:
    """Print and count the sheets."""
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", page.pdf(format=paper)))


def test_an_edition_prints_as_a_newspaper(open_page: Open) -> None:
    page = open_page("/d/2025-09-02")
    assert sheets(page, "A3") == 1
    assert sheets(page, "A4") <= 2
    page.emulate_media(media="print")
    assert not page.locator(".bar").is_visible()
    assert not page.locator(".colophon").is_visible()
    assert page.locator(".nameplate").is_visible()
    columns = page.evaluate("getComputedStyle(document.querySelector('.columns')).columnCount")
    assert int(columns) >= 4
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == "rgb(255, 255, 255)"


def test_a_dark_reader_prints_on_white(open_page: Open) -> None:
    page = open_page("/", color_scheme="dark")
    page.keyboard.press("t")
    page.keyboard.press("t")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"


def test_twenty_readers_while_papers_arrive(served: Any, tmp_path: Path) -> None:
    """Readers never see an error or wait long while records come in and are indexed."""
    paths = ["/", "/search?q=models", "/trending", "/d/2025-08-27", "/search.json?q=arrival"]
    done = threading.Event()

    def arrive() -> None:
        for part in range(6):
            file = tmp_path / f"{part}.jsonl"
            rows = [
                {
                    "day": "2025-08-28",
                    "id": f"2507.{10000 + part * 40 + row}",
                    "title": f"Arrival {part} of Paper {row}",
                    "authors": ["Nora Late"],
                    "abstract": "It arrives while others read.",
                    "published": "2025-08-28T00:00:00",
                }
                for row in range(40)
            ]
            file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
            ingest(served.library.store, [str(file)])
            served.library.refresh()
        done.set()

    def read(number: int) -> list[int]:
        statuses = []
        with httpx.Client(base_url=served.address, timeout=30) as client:
            while not done.is_set() or len(statuses) < 5:
                statuses.append(client.get(paths[(number + len(statuses)) % 5]).status_code)
        return statuses

    with ThreadPoolExecutor(21) as readers:
        writer = readers.submit(arrive)
        results = [readers.submit(read, number) for number in range(20)]
        seen = [status for result in results for status in result.result(120)]
        writer.result(120)
    assert len(seen) >= 100
    assert set(seen) == {200}
    total = httpx.get(f"{served.address}/search.json?q=arrival&mode=words").json()["data"]["total"]
    assert total == 240
