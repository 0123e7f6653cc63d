"""Systems and leaderboard: cards and reports as pages, linked with the papers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lxml import html
from pydantic import TypeAdapter
from starlette.testclient import TestClient

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.papers.ingest import ingest
from broadsheet.papers.library import Library
from broadsheet.papers.model import Work
from broadsheet.papers.sample import sample_path
from broadsheet.web.experiments import Experiments
from broadsheet.web.leaderboard import Leaderboard, front, ordered, read_leaderboard
from broadsheet.web.pages import Document
from broadsheet.web.reading import duration
from broadsheet.web.routes.systems import SystemPage, SystemSummary, paper_of


@pytest.fixture
def published(golden: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Invented cards and reports in a folder of their own."""
    for name in ("systems", "reports"):
        shutil.copytree(golden / name, tmp_path / name)
    monkeypatch.setattr("broadsheet.core.card.systems_folder", lambda: tmp_path / "systems")
    monkeypatch.setattr("broadsheet.core.report.results_folder", lambda: tmp_path / "reports")
    monkeypatch.setattr("broadsheet.web.leaderboard.results_folder", lambda: tmp_path / "reports")
    return tmp_path


@pytest.fixture
def site(
    client: TestClient, published: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    """The reader, over the invented systems."""
    app: Any = client.app
    monkeypatch.setattr(app.state.site, "experiments", Experiments(look_again_s=0))
    return client


def read(client: TestClient, path: str, status: int = 200) -> html.HtmlElement:
    answer = client.get(path)
    assert answer.status_code == status, answer.text[:500]
    tree: html.HtmlElement = html.fromstring(answer.text)
    return tree


def text_of(tree: html.HtmlElement, selector: str) -> str:
    return " ".join(" ".join(part.text_content().split()) for part in tree.cssselect(selector))


def test_the_catalogue_goes_by_wing(site: TestClient) -> None:
    page = read(site, "/systems")
    assert [head.text for head in page.cssselect(".section h2")] == ["Text", "Retrieval"]
    assert "3 systems, 1 with a report" in text_of(page, ".pagehead")
    said = text_of(page, ".catalogue")
    assert "2 held, 1 not held, 1 underpowered" in said
    assert "not run yet" in said
    assert page.cssselect('nav a[aria-current="page"]')[0].text == "Systems"


def test_a_system_shows_the_effect_before_the_chance(site: TestClient) -> None:
    page = read(site, "/systems/slow_walk")
    claims = page.cssselect(".claims > li")
    first = " ".join(claims[0].text_content().split())
    assert first.index("held") < first.index("14.2") < first.index("p < .001")
    assert "14.2 [11.9 to 16.4]" in first
    assert "expected >= 10, difference of Spearman x 100" in first
    assert "95 % interval" in first
    assert "Holm over 4" in first
    assert "The shallow losses pull" in claims[1].text_content()
    assert len(page.cssselect(".claims svg.strip")) == 4
    assert "expected more than before, smiles" in " ".join(claims[4].text_content().split())
    assert not claims[4].cssselect("svg")


def test_figures_are_drawn_and_can_be_read_as_tables(site: TestClient) -> None:
    page = read(site, "/systems/slow_walk")
    plots = page.cssselect(".plot")
    assert len(plots) == 4
    for plot in plots:
        (svg,) = plot.cssselect("svg[role=img]")
        assert svg.get("aria-label")
        assert plot.cssselect("table tbody tr")
    assert not page.cssselect("main script")
    assert "style=" not in site.get("/systems/slow_walk").text  # the policy forbids it


def test_measurements_cost_and_provenance_are_told(site: TestClient) -> None:
    page = read(site, "/systems/slow_walk")
    assert "72.62 ± 0.49" in text_of(page, ".measured")
    assert "84 min" in text_of(page, ".figures")
    assert "22.7 M" in text_of(page, ".figures")
    assert "0123abc" in text_of(page, ".facts")
    assert "broadsheet systems run slow_walk --preset laptop --seeds 5" in text_of(page, "pre")
    assert "nothing trained on it is shipped" in text_of(page, "main")
    assert "keeps <few> numbers" in text_of(page, ".pagehead")
    assert "slow-walk (MIT)" in text_of(page, ".pagehead")
    assert "javascript" not in site.get("/systems/slow_walk").text


def test_presets_can_be_switched(site: TestClient) -> None:
    page = read(site, "/systems/slow_walk?preset=smoke")
    assert "1 held, 0 not held (at smoke size" in text_of(page, ".tally")
    assert not page.cssselect(".plot")
    missing = read(site, "/systems/slow_walk?preset=gpu", 404)
    assert "one of laptop, smoke" in text_of(missing, "main")
    read(site, "/systems/nothing", 404)


def test_a_smoke_report_is_shown_only_when_asked_for(site: TestClient, published: Path) -> None:
    (published / "reports/slow_walk/laptop.json").unlink()
    page = read(site, "/systems/slow_walk")
    assert page.cssselect(".ask-to-run")
    assert [a.get("href") for a in page.cssselect('nav[aria-label="Presets"] a')] == [
        "?preset=smoke"
    ]
    assert read(site, "/systems/slow_walk?preset=smoke").cssselect(".claims svg")


def test_without_a_report_the_page_says_what_to_run(site: TestClient) -> None:
    page = read(site, "/systems/counting_cost")
    assert "broadsheet systems run counting_cost --preset laptop" in text_of(page, ".ask-to-run")
    assert text_of(page, ".claims .verdict") == "cheaper"


@pytest.mark.parametrize(
    ("reference", "slug", "said"),
    [
        ("2508.10001", "slow_walk", "2 held, 1 not held, 1 underpowered"),  # by arXiv id
        ("2508.10002", "counting_cost", "have not run it yet"),  # by title
    ],
)
def test_papers_and_systems_lead_to_each_other(
    site: TestClient, reference: str, slug: str, said: str
) -> None:
    address = site.get(f"/p/{reference}").headers["location"]
    paper = read(site, address)
    assert said in text_of(paper, ".ran")
    link = paper.cssselect(".ran a")[0].get("href")
    assert link == f"/systems/{slug}"
    system = read(site, link)
    assert address in [a.get("href") for a in system.cssselect(".switch a")]


def test_other_papers_and_systems_stand_alone(site: TestClient, paper_id: str) -> None:
    assert not read(site, f"/p/{paper_id}").cssselect(".ran")
    links = [a.get("href") for a in read(site, "/systems/unread_paper").cssselect(".switch a")]
    assert links == ["https://arxiv.org/abs/2001.00001"]


def test_a_damaged_report_never_hides_a_paper(site: TestClient, published: Path) -> None:
    (published / "reports/slow_walk/laptop.json").write_text("{")
    address = site.get("/p/2508.10001").headers["location"]
    assert not read(site, address).cssselect(".ran")
    assert "can't be read" in text_of(read(site, "/systems", 500), "main")


def test_a_new_report_is_seen(published: Path) -> None:
    experiments = Experiments(look_again_s=0)
    assert not experiments.named("counting_cost").reports
    folder = published / "reports/counting_cost"
    folder.mkdir()
    document = json.loads((published / "reports/slow_walk/smoke.json").read_text())
    (folder / "smoke.json").write_text(json.dumps({**document, "slug": "counting_cost"}))
    assert experiments.named("counting_cost").presets == ("smoke",)
    assert experiments.named("counting_cost").main is None  # smoke says nothing about a paper
    assert Experiments(look_again_s=60).named("slow_walk").presets == ("laptop", "smoke")


def test_versions_of_an_arxiv_id_do_not_matter(published: Path) -> None:
    card = published / "systems/text/slow_walk/card.toml"
    card.write_text(card.read_text().replace("2508.10001", "arXiv:2508.10001v3"))
    work = Work(id="x", title="Renamed", title_text="Renamed", ids={"arxiv": "2508.10001"})
    (found,) = Experiments().of_work(work)
    assert found.slug == "slow_walk"


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/systems.json", tuple[SystemSummary, ...]),
        ("/systems/slow_walk.json", SystemPage),
        ("/systems/counting_cost.json", SystemPage),
        ("/leaderboard.json", Leaderboard),
    ],
)
def test_twins_have_their_shapes(site: TestClient, path: str, shape: Any) -> None:
    answer = site.get(path)
    assert answer.status_code == 200
    TypeAdapter(Document[shape]).validate_json(answer.content)
    described = site.get("/openapi.json").json()["paths"]
    assert path.replace("slow_walk", "{slug}").replace("counting_cost", "{slug}") in described


def test_the_json_names_the_paper(site: TestClient) -> None:
    data = site.get("/systems/slow_walk.json").json()["data"]
    assert f"/p/{data['work']}" == site.get("/p/2508.10001").headers["location"]
    assert data["reports"]["laptop"]["claims"][0]["verdict"] == "held"
    assert data["card"]["claims"][0]["id"] == "early-exit"


def test_the_leaderboard_has_groups_costs_and_a_front(site: TestClient) -> None:
    page = read(site, "/leaderboard")
    rows = page.cssselect(".board tbody tr")
    assert len(rows) == 9
    first = " ".join(rows[0].text_content().split())
    assert first.startswith("Large, mean removed best 86.25 a85.15 to 87.35")
    assert first.endswith("1,536104.1MIT")
    assert "share a letter" in text_of(page, "main")
    assert len(page.cssselect(".plot svg path.front")) == 2
    assert "python benchmarks/encoders.py" in text_of(page, "pre")


@pytest.mark.parametrize(
    ("by", "first"),
    [("cpu", "Table"), ("bytes", "Large, cut short"), ("ACL", "Middling"), ("name", "Large")],
)
def test_the_leaderboard_can_be_ordered(published: Path, by: str, first: str) -> None:
    assert ordered(read_leaderboard(), by)[0].name == first


def test_orders_that_do_not_exist_are_refused(site: TestClient, published: Path) -> None:
    with pytest.raises(UsageError, match="no such order"):
        ordered(read_leaderboard(), "beauty")
    assert site.get("/leaderboard?by=beauty").status_code == 400
    assert ordered(read_leaderboard(), "ACL")[-1].name == "Table, cut"  # has no score there


def test_without_the_comparison_the_page_says_what_to_run(
    site: TestClient, published: Path
) -> None:
    (published / "reports/bench/encoders.json").unlink()
    said = text_of(read(site, "/leaderboard"), ".ask-to-run")
    assert "python benchmarks/encoders.py" in said
    (published / "reports/bench/encoders.json").write_text('{"results": {}}')
    with pytest.raises(BadInput, match="can't be read"):
        read_leaderboard()


def test_nothing_on_the_front_is_beaten() -> None:
    points = [("a", 1.0, 5.0), ("b", 1.0, 6.0), ("c", 2.0, 6.0), ("d", 3.0, 9.0), ("e", 4.0, 8.0)]
    assert front(points) == ["b", "d"]


def test_real_cards_and_reports_can_be_shown(client: TestClient) -> None:
    for summary in client.get("/systems.json").json()["data"]:
        assert client.get(f"/systems/{summary['slug']}").status_code == 200
    assert client.get("/leaderboard").status_code == 200


def test_durations_are_written_for_people() -> None:
    assert [duration(s) for s in (0.4, 89, 91, 5400, 7200)] == [
        "0 s",
        "89 s",
        "2 min",
        "1 h 30 min",
        "2 h",
    ]


def test_every_rebuilt_paper_of_the_sample_leads_to_its_system(tmp_path: Path) -> None:
    experiments = Experiments().all()
    with Library(tmp_path / "home", create=True) as library:
        ingest(library.store, [str(sample_path())])
        for experiment in experiments:
            work = paper_of(library, experiment.card)
            if experiment.card.arxiv:
                assert work is not None, experiment.slug
                assert experiment in Experiments().of_work(work)
