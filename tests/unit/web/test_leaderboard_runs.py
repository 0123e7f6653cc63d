"""The page /leaderboard with search runs: rows, letters, a drawing, and nothing that is private."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lxml import html
from starlette.testclient import TestClient

from broadsheet.metrics.trec_runs import write_run
from broadsheet.papers.leaderboard.submissions import submit
from broadsheet.papers.leaderboard.tasks import RunTask
from broadsheet.web.drawing.dots import DotRow, draw_dots

TASK = RunTask(
    name="tiny",
    documents=frozenset({"good", "poor"}),
    queries=frozenset({"qa", "qb", "qc"}),
    qrels={query: {"good": 1} for query in ("qa", "qb", "qc")},
)

NAMES = ("First run", "Second", "bm25_flat")


@pytest.fixture
def site(client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """The reader with two runs and a reference row, and without a comparison of encoders."""
    monkeypatch.setattr("broadsheet.core.report.results_folder", lambda: tmp_path / "results")
    monkeypatch.setattr("broadsheet.web.leaderboard.results_folder", lambda: tmp_path / "results")
    app: Any = client.app
    home = tmp_path / "home"
    monkeypatch.setattr(app.state.site.library, "home", home)
    for name, best in (("First run", "good"), ("Second", "poor")):
        scores = {"good": 1.0, "poor": 2.0 if best == "poor" else 0.5}
        write_run(dict.fromkeys(TASK.qrels, scores), tmp_path / "x.run", name="x")
        submit(tmp_path / "x.run", TASK, name, home)
    document = {
        "command": "python -m rows",
        "queries": {"tiny": ["qa", "qb", "qc"]},
        "rows": [{"name": "bm25_flat", "seeds": 5, "ndcg": {"tiny": [0.1, 0.7, 0.4]}}],
    }
    (tmp_path / "results/bench").mkdir(parents=True)
    (tmp_path / "results/bench/search_rows.json").write_text(json.dumps(document))
    return client


def rows_of(client: TestClient, address: str) -> list[str]:
    answer = client.get(address)
    assert answer.status_code == 200, answer.text[:300]
    page = html.fromstring(answer.text)
    return [
        " ".join(row.text_content().split())
        for row in page.cssselect("section[aria-labelledby=search-runs] .board tbody tr")
    ]


def test_runs_stand_beside_reference_rows(site: TestClient) -> None:
    rows = rows_of(site, "/leaderboard")
    assert [row.startswith(name) for row, name in zip(rows, NAMES, strict=True)] == [True] * 3
    assert "100" in rows[0]
    assert "63.09" in rows[1]
    assert "mean of 5 seeds" in rows[2]
    page = html.fromstring(site.get("/leaderboard").text)
    assert len(page.cssselect(".plot svg path.point, .plot svg .point")) >= 3
    assert "leaderboard submit" in page.text_content()


def test_orders(site: TestClient) -> None:
    assert rows_of(site, "/leaderboard?runs=name")[0].startswith("bm25_flat")
    assert site.get("/leaderboard?runs=beauty").status_code == 400


def test_the_twin_holds_the_table_and_no_judgement(site: TestClient) -> None:
    answer = site.get("/leaderboard.json")
    runs = answer.json()["data"]["runs"]
    assert runs["tasks"] == [{"name": "tiny", "queries": 3}]
    assert runs["rows"][0]["scores"]["tiny"]["letters"]
    for private in ("qa", "good", "sha256"):
        assert f'"{private}"' not in answer.text


def test_dots_show_every_value_and_name() -> None:
    rows = [
        DotRow(name="one", values={"a": (50.0, 40.0, 60.0), "b": (20.0, 10.0, 30.0)}),
        DotRow(name="two", values={"b": (70.0, 65.0, 75.0)}),
    ]
    drawing = draw_dots("Runs", "nDCG", rows)
    said = [mark.text for mark in drawing.marks if mark.tag == "text"]
    assert {"nDCG", "one", "two", "a", "b"} <= set(said)
    titles = [mark.title for mark in drawing.marks if mark.title]
    assert "two, b: 70 [65 to 75]" in titles
    reaches = [mark for mark in drawing.marks if mark.style.startswith("reach")]
    assert len(reaches) == 3
    assert all(0 <= float(mark.place["x1"]) <= drawing.width for mark in reaches)
