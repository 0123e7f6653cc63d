"""Search by meaning through the compact index gives the pages of the exact search."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from broadsheet.index.compact import following, merging
from broadsheet.index.compact.following import FOLDER
from broadsheet.papers import embedding
from broadsheet.papers.embedding import follow_all
from broadsheet.papers.search import Searcher

Desk = Any  # tests/unit/papers/search/conftest.py
NEW = {
    "title": "A new image",
    "abstract": "An image of retrieval.",
    "day": "2024-05-05",
    "authors": ("Bo Li",),
    "categories": ("cs.CV",),
}
QUERIES = ("picture", "retrieval year:2024..", "search -cat:cs.CV", "translation author:stone")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "COMPACT_FROM", 4)
    monkeypatch.setattr(merging, "FEWEST", 2)
    monkeypatch.setattr(merging, "RECENT", 3)


def pages(desk: Desk) -> list[object]:
    found: list[object] = []
    for query in QUERIES:
        for mode in ("hybrid", "dense"):
            page = desk.searcher.search(query, mode=mode)
            found.append([(hit.work.id, round(hit.score, 5)) for hit in page.hits])
    for change in desk.store.changes(0, 100):
        if change.work:
            hits = desk.searcher.related(change.work.id)
            found.append([(hit.work.id, round(hit.score, 5)) for hit in hits])
    return found


def test_pages_are_those_of_the_exact_search(dense: Desk) -> None:
    folder = embedding.vectors_folder(dense.home, "tiny") / FOLDER
    assert (folder / "meta.json").exists()  # filling made it
    shutil.rmtree(folder)
    exact = pages(dense)
    follow_all(dense.home)
    assert (folder / "meta.json").exists()
    assert pages(dense) == exact
    dense.add(NEW, first=20)
    dense.searcher.refresh()  # the new paper is searched at once, outside of the segment
    with_new = pages(dense)
    assert with_new != exact
    assert dense.titles("picture", mode="dense").count("A new image") == 1
    (folder / "meta.json").unlink()
    assert pages(dense) == with_new


def test_an_explanation_says_how_vectors_were_searched(dense: Desk) -> None:
    shutil.rmtree(embedding.vectors_folder(dense.home, "tiny") / FOLDER)
    page = dense.searcher.search("picture", mode="dense", explain=True)
    assert page.how == (
        "Vectors of tiny, exact: 5 allowed rows outside of segments scored in full.",
    )
    follow_all(dense.home)
    page = dense.searcher.search("picture year:2023..", mode="dense", explain=True)
    assert len(page.how) == 1
    assert page.how[0].startswith("Vectors of tiny, ids: 3 of 5 rows allowed")
    assert page.notes == dense.searcher.search("picture", mode="dense").how == ()


def test_a_damaged_quick_index_is_left_out_and_made_anew(dense: Desk) -> None:
    follow_all(dense.home)
    expected = pages(dense)
    folder = embedding.vectors_folder(dense.home, "tiny") / FOLDER
    (folder / "meta.json").write_bytes(b"{}")
    reader = Searcher(dense.home, dense.store)
    page = reader.search("picture", mode="dense")
    assert [hit.work.title for hit in page.hits] == dense.titles("picture", mode="dense")
    assert any("searched one by one: broadsheet index build" in note for note in page.notes)
    follow_all(dense.home)
    assert reader.search("picture", mode="dense").notes == ()
    assert pages(dense) == expected
