"""Search over a small library: words, meaning, filters, facets, explanations and paging."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from broadsheet.core.errors import BadInput, NotFound, UsageError
from broadsheet.papers.embedding import convert
from broadsheet.papers.search import Searcher
from broadsheet.papers.store import Store
from broadsheet.runtime import models

Desk = Any  # tests/unit/papers/search/conftest.py


def test_words_alone_without_an_encoder_says_so(indexed: Desk) -> None:
    page = indexed.searcher.search("retrieval")
    assert {hit.work.title for hit in page.hits} == {
        "Dense retrieval",
        "Passages and their retrieval",
    }
    assert (page.mode, page.total) == ("words", 2)
    assert any("only words are compared" in note for note in page.notes)
    assert indexed.searcher.search("retrieval", mode="words").notes == ()


def test_dense_without_an_encoder_falls_back_and_says_so(indexed: Desk) -> None:
    page = indexed.searcher.search("retrieval", mode="dense")
    assert (page.mode, page.total) == ("words", 2)
    assert len(page.notes) == 1


def test_meaning_finds_what_words_miss(dense: Desk) -> None:
    page = dense.searcher.search("picture", mode="dense")
    assert page.mode == "dense"
    assert page.hits[0].work.title in {"Stones", "Image search"}
    assert "Image search" in [hit.work.title for hit in page.hits[:2]]
    hybrid = dense.searcher.search("picture")
    assert hybrid.mode == "hybrid"
    assert {"Stones", "Image search"} <= {hit.work.title for hit in hybrid.hits[:3]}
    assert hybrid.notes == ()


@pytest.mark.parametrize("mode", ["hybrid", "words", "dense"])
@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ("cat:cs.CL", {"Dense retrieval", "Neural translation"}),
        ("cat:cs", {"Dense retrieval", "Neural translation", "Image search"}),
        ("-cat:cs.CL", {"Image search", "Passages and their retrieval", "Stones"}),
        ("author:müller", {"Dense retrieval", "Passages and their retrieval"}),
        ('author:"Li, Bo"', {"Dense retrieval", "Image search"}),
        ("author:b.li", {"Dense retrieval", "Image search"}),
        ("venue:acl", {"Neural translation", "Passages and their retrieval"}),
        ("has:code", {"Dense retrieval"}),
        ("year:2023..", {"Dense retrieval", "Image search", "Neural translation"}),
        ("date:2024-01", {"Dense retrieval"}),
        ("id:P1", {"Image search"}),
        (
            "source:hf",
            {"Dense retrieval", "Image search", "Neural translation"}
            | {"Passages and their retrieval", "Stones"},
        ),
        ("year:1999", set()),
    ],
)
def test_filters_hold_in_every_mode(
    dense: Desk, mode: str, filters: str, expected: set[str]
) -> None:
    assert set(dense.titles(filters, mode=mode)) == expected
    for words in ("picture", "retrieval"):
        page = dense.searcher.search(f"{words} {filters}", mode=mode)
        found = {hit.work.title for hit in page.hits}
        assert found <= expected
        assert page.total == len(found)
        if mode != "words":  # every paper has a vector, so none that passes the filter is missing
            assert found == expected


def test_required_phrases_and_exclusions_hold_for_meaning_too(dense: Desk) -> None:
    assert set(dense.titles('retrieval "late interaction"')) == {"Dense retrieval"}
    assert "Stones" not in dense.titles("picture -stone")
    assert "Stones" not in dense.titles("picture -stone", mode="dense")
    assert set(dense.titles("-retrieval -image")) == {"Neural translation", "Stones"}


def test_filters_alone_sort_by_date(dense: Desk) -> None:
    page = dense.searcher.search("", explain=True)
    assert [hit.work.title for hit in page.hits] == [
        "Image search",
        "Dense retrieval",
        "Neural translation",
        "Passages and their retrieval",
        "Stones",
    ]
    assert (page.sort, page.total) == ("new", 5)
    assert [part.name for part in page.hits[0].parts] == ["date"]


def test_sort_by_new_lists_papers_that_hold_the_words(dense: Desk) -> None:
    assert dense.titles("retrieval", sort="new") == [
        "Dense retrieval",
        "Passages and their retrieval",
    ]
    assert dense.titles("picture", sort="new") == ["Neural translation", "Stones"]


def test_only_common_words(dense: Desk) -> None:
    page = dense.searcher.search("the of")
    assert page.total == 5
    assert any("so common" in note for note in page.notes)


def test_no_paper_with_the_words_but_near_ones(dense: Desk) -> None:
    page = dense.searcher.search("unheardof")
    assert any("No paper holds these words" in note for note in page.notes)
    assert dense.searcher.search("unheardof", mode="words").total == 0


def test_facets_count_the_matches_and_name_their_filter(dense: Desk) -> None:
    page = dense.searcher.search("cat:cs.CL")
    facets = {name: [(v.label, v.count) for v in values] for name, values in page.facets.items()}
    assert facets["cat"] == [("cs.CL", 2), ("cs.IR", 1)]
    assert facets["year"] == [("2024", 1), ("2023", 1)]
    assert facets["has"] == [("abstract", 2), ("code", 1)]
    assert facets["venue"] == [("acl", 1)]
    assert facets["author"] == [("Ana Müller", 1), ("Bo Li", 1), ("Ida Stone", 1)]
    [chosen, other] = page.facets["cat"]
    assert (chosen.active, other.active) == (True, False)
    for values in page.facets.values():
        for value in values:
            assert dense.searcher.search(f"cat:cs.CL {value.term}").total == value.count


def test_facets_of_a_word_search_are_of_all_that_match(dense: Desk) -> None:
    page = dense.searcher.search("retrieval", mode="words", limit=1)
    assert len(page.hits) == 1
    assert sum(value.count for value in page.facets["year"]) == page.total == 2


@pytest.mark.parametrize("mode", ["hybrid", "words", "dense"])
@pytest.mark.parametrize(
    "query", ['retrieval "late" image', "pict* search", "sim:p0", "sim:p0 late"]
)
def test_parts_sum_to_the_score(dense: Desk, mode: str, query: str) -> None:
    page = dense.searcher.search(query, mode=mode, explain=True)
    assert page.hits
    for hit in page.hits:
        assert sum(part.value for part in hit.parts) == pytest.approx(hit.score, rel=1e-3)
    assert [hit.score for hit in page.hits] == sorted((h.score for h in page.hits), reverse=True)


def test_similar_papers_leave_the_paper_itself_out(dense: Desk) -> None:
    titles = dense.titles("sim:p0")
    assert titles[0] == "Passages and their retrieval"
    assert "Dense retrieval" not in titles
    assert dense.titles("sim:p0 has:code") == []


def test_similar_papers_without_vectors_share_words(indexed: Desk) -> None:
    page = indexed.searcher.search("sim:p0", explain=True)
    assert [hit.work.title for hit in page.hits] == ["Passages and their retrieval"]
    assert page.mode == "words"
    assert "shared words" in page.hits[0].parts[0].detail


def test_similar_to_what_does_not_exist(dense: Desk) -> None:
    with pytest.raises(NotFound, match="nothere"):
        dense.searcher.search("sim:nothere")


def test_related(dense: Desk) -> None:
    work = dense.store.find("p0")
    hits = dense.searcher.related(work.id, limit=2)
    assert [hit.rank for hit in hits] == [1, 2]
    assert hits[0].work.title == "Passages and their retrieval"
    with pytest.raises(NotFound):
        dense.searcher.related("nothere")


def test_completion(dense: Desk) -> None:
    assert dense.searcher.complete("retr") == [("retrieval", 2)]
    assert dense.searcher.complete("mul") == [("muller", 2)]
    assert dense.searcher.complete("\ud800") == dense.searcher.complete("x" * 10_000) == []


def test_any_characters_can_be_asked_for(dense: Desk) -> None:
    for text in ("\ud800 a", "\x00", "\u202e", "😀", "a" * 1999, "[^xy]*", "\\", '"\\', "' OR 1=1"):
        assert dense.searcher.search(text).limit == 20


def test_pages_follow_each_other(dense: Desk) -> None:
    for sort in ("best", "new"):
        whole = dense.titles("retrieval picture", sort=sort)
        cut = [dense.titles("retrieval picture", sort=sort, limit=2, offset=n) for n in (0, 2, 4)]
        assert [title for page in cut for title in page] == whole
    ranks = [hit.rank for hit in dense.searcher.search("picture", limit=2, offset=2).hits]
    assert ranks == [3, 4]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "magic"}, "unknown mode"),
        ({"sort": "trend"}, "unknown sort"),
        ({"limit": 0}, "1 to 1,000"),
        ({"limit": 1001}, "1 to 1,000"),
        ({"offset": -1}, "begins at 0"),
        ({"offset": 990, "limit": 20}, "first 1,000"),
    ],
)
def test_impossible_pages(dense: Desk, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        dense.searcher.search("retrieval", **options)


def test_a_list_by_date_has_no_last_page(dense: Desk) -> None:
    page = dense.searcher.search("retrieval", sort="new", offset=5000)
    assert (page.hits, page.total) == ((), 2)


def test_an_empty_library_answers(tmp_path: Path) -> None:
    with Store.open(tmp_path, create=True) as store:
        searcher = Searcher(tmp_path, store)
        page = searcher.search("anything cat:cs.CL")
        assert (page.query, page.total, page.hits) == ("anything cat:cs.CL", 0, ())
        assert searcher.complete("a") == []
        searcher.refresh()
        assert searcher.search("anything").total == 0


def test_a_library_that_was_never_indexed(desk: Desk) -> None:
    with pytest.raises(NotFound, match="index build"):
        desk.searcher.search("retrieval")


def test_rerank_without_a_reranker_says_so(dense: Desk) -> None:
    page = dense.searcher.search("retrieval", rerank=True)
    assert any("No reranker" in note for note in page.notes)
    assert page.hits == dense.searcher.search("retrieval").hits


def test_many_threads_get_the_same_answers(dense: Desk) -> None:
    queries = ["retrieval", "picture", "sim:p1", "cat:cs", '"late interaction"'] * 8
    expected = [dense.titles(query) for query in queries]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(dense.titles, queries)) == expected


def test_damaged_vectors_are_named_and_words_go_on(dense: Desk) -> None:
    (dense.home / "index" / "vectors" / "tiny" / "meta.json").write_text("{")
    with Store.open(dense.home) as store:
        page = Searcher(dense.home, store).search("retrieval")
    assert page.mode == "words"
    assert any("tiny is left out" in note for note in page.notes)


def test_a_damaged_words_index_is_one_clear_error(indexed: Desk) -> None:
    (indexed.home / "index" / "words" / "state.json").write_text("{")
    with pytest.raises(BadInput, match="index build"):
        indexed.searcher.search("retrieval")


def test_vectors_can_be_cut_while_a_reader_searches(
    dense: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "DIMS", (0, 2))
    before = dense.titles("picture", mode="dense")
    models.keep_dims(dense.home, 2)
    assert dense.searcher.search("picture").total  # until they are cut, words go on alone
    assert convert(dense.store, dense.home) == []
    assert (dense.home / "index/vectors/tiny/meta.json").read_text().count('"dim": 2')
    found = dense.searcher.search("picture", mode="dense")
    assert found.mode == "dense"
    assert {hit.work.title for hit in found.hits} >= set(before[:2])
    models.keep_dims(dense.home, 0)
    assert convert(dense.store, dense.home) == ["tiny"]
    dense.searcher.refresh()
    assert dense.titles("picture", mode="dense") == before
