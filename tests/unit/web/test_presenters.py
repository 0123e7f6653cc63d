"""Small things that pages are made of."""

from __future__ import annotations

import re

import pytest
from starlette.datastructures import URL

from broadsheet.core.errors import UsageError
from broadsheet.papers.model import Author, Signal, Work
from broadsheet.papers.results import EditionEntry
from broadsheet.web import manual
from broadsheet.web.pages import to_json
from broadsheet.web.paging import LAST_PAGE, Pages, page_number
from broadsheet.web.presenters import (
    excerpt,
    facts_of,
    is_web_address,
    links_of,
    present,
    present_entries,
)
from broadsheet.web.rendering import asset_address, count, long_day, short_day, signed
from broadsheet.web.routes.desk import _bars, _labels


@pytest.mark.parametrize("words", [1, 5, 12, 40, 1000])
def test_excerpts_are_short_and_begin_like_the_text(words: int) -> None:
    text = "Readers skim. They look at titles, then at figures, and leave. " * 5
    cut = excerpt(text.strip(), words)
    assert len(cut.split()) <= max(words, 1)
    assert text.startswith(cut.rstrip("…"))
    assert excerpt("", words) == ""


def test_excerpts_of_one_long_sentence_end_with_an_ellipsis() -> None:
    assert excerpt("one, two, three four", 2) == "one, two…"


@pytest.mark.parametrize(
    ("address", "good"),
    [
        ("https://example.org/a", True),
        ("http://example.org", True),
        ("javascript:alert(1)", False),
        ("data:text/html,x", False),
        ("//example.org", False),
        ("https://[broken", False),
        ("https:///path", False),
        ("", False),
    ],
)
def test_only_web_addresses_become_links(address: str, good: bool) -> None:
    assert is_web_address(address) is good
    links = links_of(Work(id="a", links={"code": address}))
    assert bool(links) is good


def test_links_prefer_known_places_to_given_ones() -> None:
    work = Work(
        id="a",
        ids={"arxiv": "2401.00001", "doi": "10.1/a?b"},
        links={"abs": "https://arxiv.org/abs/2401.00001v9", "pdf": "https://arxiv.org/pdf/x"},
    )
    assert links_of(work) == (
        ("arXiv", "https://arxiv.org/abs/2401.00001"),
        ("DOI", "https://doi.org/10.1/a%3Fb"),
        ("PDF", "https://arxiv.org/pdf/x"),
    )
    assert links_of(Work(id="a", links={"abs": "https://x.org/p"})) == (
        ("Source", "https://x.org/p"),
    )


def test_facts_take_the_latest_count() -> None:
    signals = (
        Signal(day="2025-01-02", source="hf", name="upvotes", value=1200),
        Signal(day="2025-01-01", source="hf", name="upvotes", value=3),
        Signal(day="2025-01-01", source="hf", name="stars", value=1),
    )
    work = Work(id="a", signals=signals, version=2, flags=frozenset({"withdrawn"}))
    assert facts_of(work) == ("withdrawn", "version 2", "1,200 upvotes", "1 star")


def test_bylines_name_the_first_authors() -> None:
    work = Work(id="a", authors=tuple(Author(full=f"A {n}") for n in range(3000)))
    paper = present(work)
    assert paper.byline == ("A 0", "A 1", "A 2", "A 3")
    assert paper.unnamed == 2996


def test_entries_whose_work_is_gone_keep_their_title() -> None:
    entry = EditionEntry(work_id="gone", title="A <b>", rank=1, score=0.0, terms=())
    shown = present_entries([entry], {})
    assert str(shown[0].title) == "A &lt;b&gt;"
    assert shown[0].address == "/p/gone"


def test_numbers_and_dates_for_people() -> None:
    assert long_day("") == short_day("") == ""
    assert count(0, "paper") == "0 papers"
    assert signed(-0.0004) == "−0.0004"
    assert signed(0.0) == "0"


def test_pages_know_their_neighbours() -> None:
    pages = Pages(URL("http://h/search?q=a&page=2"), 2, 20, 45)
    assert (pages.offset, pages.count) == (20, 3)
    assert pages.previous == "/search?q=a&page=1"
    assert pages.next == "/search?q=a&page=3"
    assert Pages(URL("http://h/x"), 3, 20, 45).next == ""
    assert Pages(URL("http://h/x"), LAST_PAGE, 20, 10**9).next == ""
    assert Pages(URL("http://h/x"), 1, 20, 0).count == 1
    for number in (0, -1, LAST_PAGE + 1):
        with pytest.raises(UsageError, match="no such page"):
            page_number(number)


def test_help_lists_the_keys_that_the_script_knows() -> None:
    from importlib.resources import files

    script = (files("broadsheet.web") / "static" / "reader.js").read_text(encoding="utf-8")
    table = script[script.index("const KEYS = {") : script.index("function onKey")]
    single = set(re.findall(r'^    "?([a-z/?])"?:', table, re.MULTILINE))
    places = set(re.findall(r"(\w): \"/", script[script.index("const GO") :]))
    assert single - {"g"} == {keys[0] for keys, _ in manual.KEYS if len(keys) == 1}
    assert places == {keys[1] for keys, _ in manual.KEYS if len(keys) == 2}


def test_charts_of_months_stay_inside() -> None:
    days = [(f"20{year:02d}-{month:02d}-01", month) for year in range(30) for month in range(1, 13)]
    bars = _bars(days)
    assert len(bars) == 120
    assert max(bar.x + bar.width for bar in bars) <= 960
    assert min(bar.y for bar in bars) >= 0
    assert [year for _, year in _labels(bars)] == [f"20{year}" for year in range(20, 30)]
    assert _bars([]) == []


def test_json_refuses_what_it_does_not_know() -> None:
    with pytest.raises(TypeError, match="object has no JSON form"):
        to_json(object())


def test_assets_change_their_address_with_their_content() -> None:
    assert re.fullmatch(r"/static/page\.css\?v=[0-9a-f]{10}", asset_address("page.css"))
    assert asset_address("page.css") != asset_address("print.css")
