"""Every page says what it should, on a real library of invented papers."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import html
from starlette.testclient import TestClient

from broadsheet.papers.ingest import ingest
from broadsheet.papers.library import Library
from broadsheet.web.app import create_app

from .conftest import ADDRESS, PAPER, library_of


def read(client: TestClient, path: str, status: int = 200) -> html.HtmlElement:
    answer = client.get(path)
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    tree: html.HtmlElement = html.fromstring(answer.text)
    return tree


def text_of(tree: html.HtmlElement, selector: str) -> str:
    return " ".join(" ".join(part.text_content().split()) for part in tree.cssselect(selector))


def test_front_page_is_today(client: TestClient) -> None:
    page = read(client, "/")
    assert "Tuesday, 2 September 2025" in text_of(page, ".ear")
    assert "Proof" in text_of(page, ".ear.right")
    assert len(page.cssselect(".lead .story")) == 3
    assert len(page.cssselect("[data-story]")) == 17
    assert "End of the edition" in text_of(page, ".end")
    assert not page.cssselect("main .notice")


def test_front_page_says_when_it_is_not_today(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROADSHEET_NOW", "2025-09-06T12:00:00+00:00")
    page = read(client, "/")
    assert "no edition of today, Saturday, 6 September 2025 (weekend" in text_of(page, ".notice")
    assert "2 September 2025" in text_of(page, ".ear")


def test_published_edition_shows_number_and_hash(client: TestClient) -> None:
    page = read(client, "/d/2025-08-27")
    assert "No. 3" in text_of(page, ".ear.right")
    assert "First printing" in text_of(page, ".ear.right")
    assert page.cssselect('a[rel="prev"]')[0].get("href") == "/d/2025-08-26"
    assert page.cssselect('a[rel="next"]')[0].get("href") == "/d/2025-08-28"


def test_latecomers_stand_under_the_edition(client: TestClient) -> None:
    page = read(client, "/d/2025-08-29")
    assert "Arrived after this edition" in text_of(page, ".late")
    assert "The Late Paper" in text_of(page, ".late")
    assert "The Late Paper" not in text_of(page, ".lead, .columns")


def test_printings_can_be_switched(client: TestClient) -> None:
    page = read(client, "/d/2025-08-28")
    switch = page.cssselect(".switch a")
    assert [link.text for link in switch] == ["First printing", "Late edition"]
    assert switch[1].get("aria-current") == "page"
    assert "Another Late One" in text_of(page, ".lead, .columns")
    first = read(client, switch[0].get("href"))
    assert "Another Late One" not in text_of(first, ".lead, .columns")
    assert "Another Late One" in text_of(first, ".late")


def test_day_without_edition_says_why(client: TestClient) -> None:
    page = read(client, "/d/2025-08-30", status=404)
    assert "weekend" in text_of(page, "main")
    assert page.cssselect('a[rel="prev"]')[0].get("href") == "/d/2025-08-29"
    assert client.get("/d/2025-08-27?printing=9").status_code == 404


@pytest.mark.parametrize("path", ["/d/2025-02-31", "/w/2025-W99", "/m/2025-13", "/calendar/x"])
def test_days_that_do_not_exist_are_refused(client: TestClient, path: str) -> None:
    page = read(client, path, status=400)
    assert "Received" in text_of(page, "main")


def test_week_and_month_and_calendar(client: TestClient) -> None:
    week = read(client, "/w/2025-W35")
    assert text_of(week, "h1") == "Week 35, 2025"
    assert [link.get("href") for link in week.cssselect(".dayhead a")] == [
        f"/d/2025-08-{day}" for day in range(25, 30)
    ]
    month = read(client, "/m/2025-08")
    assert text_of(month, "h1") == "August 2025"
    calendar = read(client, "/calendar/2025-08")
    assert "weekend" in text_of(calendar, ".calendar")
    assert len(calendar.cssselect(".calendar td.has")) == 5


@pytest.mark.parametrize(
    ("path", "target"),
    [("/w", "/w/2025-W36"), ("/m", "/m/2025-09"), ("/calendar", "/calendar/2025-09")],
)
def test_periods_without_a_name_lead_to_the_latest(
    client: TestClient, path: str, target: str
) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.headers["location"]) == (307, target)


@pytest.mark.parametrize("rank", ["trend-v1", "hn", "reddit", "lobsters", "votes"])
def test_trending_prints_formula_and_terms(client: TestClient, rank: str) -> None:
    page = read(client, f"/trending?rank={rank}&window=3d")
    assert rank in text_of(page, ".formula")
    assert "score =" in text_of(page, ".formula")
    first = page.cssselect(".list .terms")[0]
    assert "score" in first.text_content()


def test_trending_refuses_what_it_does_not_know(client: TestClient) -> None:
    assert "trend-v1" in text_of(read(client, "/trending?rank=magic", 400), "main")
    assert client.get("/trending?window=0d").status_code == 400
    assert client.get("/trending?window=abc").status_code == 400
    assert client.get("/trending?page=0").status_code == 400


def test_new_groups_papers_by_category(client: TestClient) -> None:
    page = read(client, "/new?day=2025-08-26")
    assert "cs.DL" in text_of(page, ".section")
    assert "Without category" in text_of(page, ".section")


def test_search_finds_filters_and_explains(client: TestClient) -> None:
    page = read(client, "/search?q=%22topic+segmentation%22")
    total = int(text_of(page, "#count").split()[0])
    assert total == len(page.cssselect(".list > li")) > 3
    assert page.cssselect(".why th")[-1].text == "score"
    years = page.cssselect(".facets a")[0]
    assert "year%3A2025" in years.get("href")
    narrower = read(client, years.get("href"))
    assert narrower.cssselect(".facets a[aria-current]")
    assert text_of(narrower, "#count") == text_of(page, "#count")


def test_search_keeps_what_was_asked(client: TestClient) -> None:
    page = read(client, "/search?q=models&mode=words&sort=new")
    assert page.cssselect("#find")[0].get("value") == "models"
    chosen = [option.get("value") for option in page.cssselect("option[selected]")]
    assert chosen == ["words", "new"]


def test_search_with_nothing_found_offers_wider_ones(client: TestClient) -> None:
    page = read(client, "/search?q=xyzzy+year:2025+has:code")
    assert text_of(page, "#count") == "0 papers"
    chips = page.cssselect(".chips a")
    assert [chip.text for chip in chips] == [
        "without year:2025",
        "without has:code",
        "without xyzzy",
    ]
    assert "0 papers" not in text_of(read(client, chips[2].get("href")), "#count")


def test_search_shows_errors_of_the_query(client: TestClient) -> None:
    page = read(client, "/search?q=colour:red", status=400)
    assert "no field colour:" in text_of(page, "main").lower()
    assert client.get("/search?q=" + "a" * 501).status_code == 400
    assert client.get("/search?mode=magic&q=a").status_code == 400


def test_search_without_a_question_shows_examples(client: TestClient) -> None:
    page = read(client, "/search")
    for example in page.cssselect(".chips a"):
        assert client.get(example.get("href")).status_code == 200


def test_long_lists_come_in_pages(client: TestClient) -> None:
    first = read(client, "/search?q=invented")
    assert len(first.cssselect(".list > li")) == 20
    second = read(client, first.cssselect('a[rel="next"]')[0].get("href"))
    assert second.cssselect("ol.list")[0].get("start") == "21"
    assert second.cssselect('a[rel="prev"]')


def test_author_category_and_venue_lists(client: TestClient) -> None:
    page = read(client, "/author/Ada%20Umber")
    assert text_of(page, "h1") == "Ada Umber"
    assert page.cssselect(".list > li")
    assert page.cssselect("form.ask")[0].get("action") == "/author/Ada%20Umber"
    within = read(client, "/author/Ada%20Umber?q=video")
    assert 0 < len(within.cssselect(".list > li")) < len(page.cssselect(".list > li"))
    assert text_of(read(client, "/cat/cs.DL"), "#count") == "1 paper"
    assert text_of(read(client, "/venue/nowhere"), "#count") == "0 papers"


def test_completion_is_json(client: TestClient) -> None:
    found = client.get("/complete?q=segm").json()["data"]
    assert found[0]["word"].startswith("segm")
    assert client.get("/complete?q=s").json()["data"] == []


def test_paper_page(client: TestClient, paper_id: str) -> None:
    page = read(client, f"/p/{paper_id}")
    assert text_of(page, "h1") == "Patient Readers of Long Papers"
    assert "careful account" in text_of(page, ".abstract")
    assert page.cssselect("[data-source]")[0].get("href") == "https://arxiv.org/abs/2508.30001"
    assert page.cssselect('a[href="/author/Ivo%20Umber"]')
    assert page.cssselect('a[href="/cat/cs.DL"]')


def test_paper_is_reached_by_any_of_its_names(client: TestClient, paper_id: str) -> None:
    for path in ("/p/arxiv/2508.30001", "/p/arxiv/2508.30001v2", "/p/2508.30001"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["location"]) == (307, f"/p/{paper_id}")
    assert client.get("/p/arxiv/2508.99999").status_code == 404
    assert client.get("/p/doi/10.1234/none").status_code == 404


def test_versions_show_changed_words(client: TestClient, paper_id: str) -> None:
    page = read(client, f"/p/{paper_id}/versions")
    assert text_of(page, "ins") == "of Long Papers careful"
    assert text_of(page, "del") == "rough"


def test_records_are_verbatim_with_provenance(client: TestClient, paper_id: str) -> None:
    page = read(client, f"/p/{paper_id}/records")
    assert len(page.cssselect("pre.raw")) == 2
    assert "<title>Patient Readers</title>" in page.cssselect("pre.raw")[0].text_content()
    assert "arxiv:2508.30001v2" in text_of(page, "table")


def test_related_and_cite(client: TestClient, paper_id: str) -> None:
    assert client.get(f"/p/{paper_id}/related").status_code == 200
    assert "@misc{" in text_of(read(client, f"/p/{paper_id}/cite"), "pre")


def test_desk_pages(client: TestClient) -> None:
    assert "arXiv" in text_of(read(client, "/sources"), "table")
    stats = read(client, "/stats")
    assert "50" in text_of(stats, ".figures")
    assert "up to date" in text_of(stats, "table")
    assert "No encoder is installed" in text_of(stats, "main")
    assert "author:" in text_of(read(client, "/help"), "main")
    assert "Apache" in text_of(read(client, "/about"), "main")
    assert client.get("/healthz").json() == {"ok": True}
    assert client.get("/readyz").json()["working"] == ""


def test_unknown_page_suggests_papers(client: TestClient) -> None:
    page = read(client, "/nothing/patient-readers", status=404)
    assert "Patient Readers" in text_of(page, ".titles")


def test_empty_library_says_how_to_begin(tmp_path: Path) -> None:
    Library(tmp_path / "home", create=True).close()
    with TestClient(create_app(tmp_path / "home"), base_url=ADDRESS) as reader:
        assert "broadsheet ingest" in reader.get("/").text
        for path in ("/today.json", "/new", "/trending", "/stats", "/search?q=a", "/w", "/m"):
            assert reader.get(path).status_code == 200, path


def test_a_library_that_is_not_indexed_yet_can_be_read(golden: Path, tmp_path: Path) -> None:
    with Library(tmp_path / "home", create=True) as library:
        ingest(library.store, [str(golden / "web")])
        paper = library.find(f"arXiv:{PAPER}")
    with TestClient(create_app(tmp_path / "home"), base_url=ADDRESS) as reader:
        for path in ("/", "/d/2025-08-27", f"/p/{paper.id}", "/trending", "/new", "/stats"):
            assert reader.get(path).status_code == 200, path
        assert "broadsheet index build" in reader.get("/search?q=models").text


def test_every_internal_link_leads_somewhere(client: TestClient) -> None:
    """Walk the site as a patient reader does."""
    waiting, seen = ["/"], {"/"}
    while waiting and len(seen) < 600:
        path = waiting.pop()
        answer = client.get(path)
        if answer.status_code == 307:
            links = [answer.headers["location"]]
        elif "html" in answer.headers["content-type"]:
            assert answer.status_code == 200 or "calendar" in path, (path, answer.status_code)
            tree = html.fromstring(answer.text)
            links = [link.get("href") for link in tree.cssselect("a[href], link[href]")]
            ids = {item.get("id") for item in tree.cssselect("[id]")}
            inside = [link[1:] for link in links if link.startswith("#")]
            assert set(inside) <= ids, path
        else:
            assert answer.status_code == 200, path
            links = []
        for link in links:
            target = link.partition("#")[0]
            if target.startswith("/") and target not in seen and "search?" not in target:
                seen.add(target)
                waiting.append(target)
    assert len(seen) > 300
    assert library_of(client).store.counts().works == 50
