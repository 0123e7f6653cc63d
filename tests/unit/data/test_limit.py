"""LIMIT-small: our own few lines in its layout, then the real files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from broadsheet.core.errors import BadInput
from broadsheet.data.limit import attribute_of, read_attributes, read_limit_small

PEOPLE = {"Ida Lom": ("figs", "owls"), "Bo Rask": ("owls", "chess"), "Ute Finn": ("figs", "kites")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three people and two questions, as the authors lay them out."""
    inside = tmp_path / "limit" / "limit-small"
    inside.mkdir(parents=True)
    corpus = [
        {"_id": name, "title": "", "text": f"{name} likes {' and '.join(likes)}."}
        for name, likes in PEOPLE.items()
    ]
    queries = [
        {"_id": "query_0", "text": "Who likes figs?"},
        {"_id": "query_1", "text": "Who likes owls?"},
    ]
    judged = [("query_0", "Ida Lom"), ("query_0", "Ute Finn"), ("query_1", "Bo Rask")]
    qrels = [{"query-id": query, "corpus-id": name, "score": 1} for query, name in judged]
    for name, rows in (("corpus", corpus), ("queries", queries), ("qrels", qrels)):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (inside / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    (tmp_path / "limit" / "items_to_like.txt").write_text("figs\nowls\n\nfigs\n", encoding="utf-8")
    return tmp_path


def test_people_questions_and_answers_are_read(folder: Path) -> None:
    for place in (folder, folder / "limit", folder / "limit" / "limit-small"):
        small = read_limit_small(place)
        assert list(small.documents) == list(PEOPLE)
        assert small.documents["Ida Lom"] == "Ida Lom likes figs and owls."
        assert small.qrels == {"query_0": {"Ida Lom": 1, "Ute Finn": 1}, "query_1": {"Bo Rask": 1}}


def test_each_attribute_is_read_once(folder: Path) -> None:
    assert read_attributes(folder) == read_attributes(folder / "limit") == ("figs", "owls")


def test_what_is_missing_or_empty_is_said(folder: Path, tmp_path: Path) -> None:
    (folder / "limit" / "items_to_like.txt").write_text("\n", encoding="utf-8")
    with pytest.raises(BadInput, match="empty"):
        read_attributes(folder)
    (folder / "limit" / "limit-small" / "corpus.jsonl").unlink()
    with pytest.raises(BadInput, match="not here"):
        read_limit_small(folder)


def test_only_questions_of_limit_ask_for_an_attribute() -> None:
    assert attribute_of("Who likes the Houston Astros?") == "the Houston Astros"
    for text in ("Who hates figs?", "Who likes figs"):
        with pytest.raises(BadInput):
            attribute_of(text)


@pytest.mark.data
def test_the_real_files_have_the_paper_s_shape(data_folder: Path) -> None:
    small = read_limit_small(data_folder)
    assert (len(small.documents), len(small.queries)) == (46, 1000)
    assert {len(judged) for judged in small.qrels.values()} == {2}
    pairs = {frozenset(judged) for judged in small.qrels.values()}
    assert len(pairs) == 1000, "every question asks for another pair of people"
    things = read_attributes(data_folder)
    assert len(things) == 1848
    asked = {attribute_of(text) for text in small.queries.values()}
    assert asked - set(things) == {"Nautiluses"}, "the list is of a later version than the set"


@pytest.mark.data
def test_who_answers_likes_it_and_nobody_else_does(data_folder: Path) -> None:
    small = read_limit_small(data_folder)
    likes = {
        name: set(
            text.removeprefix(f"{name} likes ").rstrip(".").replace(" and ", ", ").split(", ")
        )
        for name, text in small.documents.items()
    }
    for key, judged in small.qrels.items():
        wanted = set(attribute_of(small.queries[key]).replace(" and ", ", ").split(", "))
        assert {name for name, mine in likes.items() if wanted <= mine} == set(judged), key
