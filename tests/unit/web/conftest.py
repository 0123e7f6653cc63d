"""A small real library of invented papers, published as it would be, and a client to read it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from broadsheet.papers import editions
from broadsheet.papers.ingest import ingest
from broadsheet.papers.library import Library
from broadsheet.web.app import create_app

ADDRESS = "http://127.0.0.1:8000"
TODAY = "2025-09-02"
PAPER = "2508.30001"
LATECOMER = {
    "day": "2025-08-29",
    "id": "2508.40001",
    "title": "The Late Paper",
    "authors": ["Lena Tardy"],
    "abstract": "It came after the edition was printed.",
    "published": "2025-08-29T00:00:00",
    "upvotes": 1,
}


@pytest.fixture(scope="session")
def web_home(golden: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library: seven days, all but the last published, one paper late, one late edition."""
    home = tmp_path_factory.mktemp("web") / "home"
    late = tmp_path_factory.mktemp("late") / "late.jsonl"
    with Library(home, create=True) as library:
        ingest(library.store, [str(golden / "web")])
        for day, _ in library.store.days():
            if day < TODAY:
                editions.publish(library.store, day)
        other = {**LATECOMER, "day": "2025-08-28", "id": "2508.40002", "title": "Another Late One"}
        late.write_text(f"{json.dumps(LATECOMER)}\n{json.dumps(other)}\n", encoding="utf-8")
        ingest(library.store, [str(late)])
        editions.publish(library.store, "2025-08-28", late=True)
        library.refresh()
    return home


@pytest.fixture(scope="session")
def reader(web_home: Path) -> Iterator[TestClient]:
    """A reader that does not follow redirects."""
    app = create_app(web_home)
    with TestClient(app, base_url=ADDRESS, follow_redirects=False) as client:
        yield client


@pytest.fixture
def client(reader: TestClient, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """The reader on the day of the last papers."""
    monkeypatch.setenv("BROADSHEET_NOW", f"{TODAY}T12:00:00+00:00")
    return reader


@pytest.fixture
def paper_id(client: TestClient) -> str:
    """The id of the paper that has two versions."""
    return library_of(client).find(f"arXiv:{PAPER}").id


def library_of(client: TestClient) -> Library:
    """The library that a client reads."""
    library = client.app.state.site.library  # type: ignore[attr-defined]
    assert isinstance(library, Library)
    return library
