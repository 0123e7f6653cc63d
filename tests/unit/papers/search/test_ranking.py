"""How words and meaning are added up: what a score says, and where the lists are cut."""

from __future__ import annotations

import math
from typing import Any

import pytest

from broadsheet.index.predicates import EVERYTHING
from broadsheet.papers.search import ranking
from broadsheet.papers.search.meaning import Meaning, Near
from broadsheet.papers.search.ranking import MEANING_WEIGHT, QUICK_WEIGHT

Desk = Any  # tests/unit/papers/search/conftest.py


def scores(desk: Desk, query: str, **options: Any) -> dict[str, float]:
    page = desk.searcher.search(query, limit=100, **options)
    return {hit.work.title: hit.score for hit in page.hits}


def quick(monkeypatch: pytest.MonkeyPatch, share: float) -> None:
    """Let a share of the papers be ranked by a static encoder alone."""
    monkeypatch.setattr(Meaning, "quick_share", lambda self, allowed: share)


def test_the_words_part_says_what_share_of_the_question_a_paper_holds(dense: Desk) -> None:
    page = dense.searcher.search("late interaction image", explain=True)
    said = {
        hit.work.title: part.detail
        for hit in page.hits
        for part in hit.parts
        if part.name == "words"
    }
    # Two papers hold "late", two "interaction", one "image", which is rarer.
    common, rare = math.log(1 + 3.5 / 2.5), math.log(1 + 4.5 / 1.5)
    assert (
        f"holds {2 * common / (2 * common + rare):.0%} of what is asked; BM25"
        in said["Dense retrieval"]
    )
    assert "late in text" in said["Dense retrieval"]
    assert f"holds {rare / (2 * common + rare):.0%} of what is asked" in said["Image search"]
    meaning = [part for hit in page.hits for part in hit.parts if part.name == "meaning"]
    assert all("cosine" in part.detail and 0 <= part.value <= MEANING_WEIGHT for part in meaning)


def test_words_alone_are_plain_bm25(dense: Desk) -> None:
    page = dense.searcher.search("late interaction", mode="words", explain=True)
    assert {part.name for hit in page.hits for part in hit.parts} == {"text"}


def test_a_paper_beyond_the_cut_of_the_words_list_keeps_what_its_words_give(
    dense: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = scores(dense, "late picture stone retrieval")
    monkeypatch.setattr(ranking, "DEPTH", 1)
    assert scores(dense, "late picture stone retrieval") == pytest.approx(whole, rel=1e-4)
    page = dense.searcher.search("late picture stone retrieval", explain=True, limit=1)
    for hit in page.hits:
        assert sum(part.value for part in hit.parts) == pytest.approx(hit.score, rel=1e-3)


def test_for_one_word_those_that_hold_it_come_first(dense: Desk) -> None:
    """Meaning orders within both groups: it can't make up for the one word that is asked."""
    assert set(dense.titles("picture")[:2]) == {"Stones", "Neural translation"}
    assert dense.titles("picture")[2] == "Image search"


def test_a_filter_leaves_the_words_part_as_it_was(dense: Desk) -> None:
    def words(query: str) -> dict[str, float]:
        page = dense.searcher.search(query, explain=True)
        return {
            hit.work.title: part.value
            for hit in page.hits
            for part in hit.parts
            if part.name == "words"
        }

    free, filtered = words("retrieval late"), words("retrieval late year:2024")
    assert filtered == {"Dense retrieval": pytest.approx(free["Dense retrieval"], rel=1e-4)}


@pytest.mark.parametrize(("share", "weight"), [(0.0, MEANING_WEIGHT), (1.0, QUICK_WEIGHT)])
def test_a_static_encoder_counts_less(
    dense: Desk, monkeypatch: pytest.MonkeyPatch, share: float, weight: float
) -> None:
    quick(monkeypatch, share)
    page = dense.searcher.search("picture", explain=True)
    values = {
        hit.work.title: part.value
        for hit in page.hits
        for part in hit.parts
        if part.name == "meaning"
    }
    assert values["Image search"] > 0
    assert max(values.values()) == pytest.approx(weight, rel=0.05)  # a picture of nothing else


def test_the_share_of_a_static_encoder_is_measured_on_what_may_be_found(dense: Desk) -> None:
    meaning = Meaning(dense.home)
    indexes = dense.searcher._indexes.current()
    everything = indexes.attributes.mask(EVERYTHING)
    assert meaning.quick_share(everything) == 1.0  # "tiny" is static, and alone
    assert meaning.quick_share(~everything) == 1.0
    meaning.close()


def test_a_list_of_two_encoders_keeps_its_places() -> None:
    """Cosines of two encoders are not compared: the merged list's order stands."""
    near = [
        Near(3, 1, 0.80, "big", False),
        Near(8, 2, 0.95, "small", True),
        Near(1, 3, 0.75, "big", False),
        Near(5, 4, 0.30, "small", True),
        Near(2, 5, 0.60, "big", False),
    ]
    values = ranking._nearness(near)
    assert values == sorted(values, reverse=True)
    assert (max(values), min(values)) == (pytest.approx(0.65 / 0.7), 0.0)
    assert ranking._nearness([]) == []
