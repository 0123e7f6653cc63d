"""The second reading: only the best few change places, and scores still explain themselves."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from broadsheet.papers.search import reranking, searcher
from broadsheet.papers.search.reranking import Reranking

Desk = Any  # tests/unit/papers/search/conftest.py


@pytest.fixture
def reranker(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Sequence[str]]]:
    """A cross-encoder that likes long texts."""
    asked: list[tuple[str, Sequence[str]]] = []

    def score(query: str, texts: Sequence[str]) -> Any:
        asked.append((query, texts))
        return np.array([len(text) / 10 for text in texts], dtype=np.float32)

    model = SimpleNamespace(id="longest", score=score)
    monkeypatch.setattr(Reranking, "_model", lambda self: model)
    monkeypatch.setattr(reranking.models, "reranker", lambda home: "longest")
    return asked


def test_the_best_few_are_read_and_the_rest_keep_their_places(
    dense: Desk, reranker: list[tuple[str, Sequence[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searcher, "READ", 3)
    before = dense.titles("retrieval picture")
    page = dense.searcher.search("retrieval picture", rerank=True, explain=True)
    after = [hit.work.title for hit in page.hits]
    assert len(before) == len(after) == 5
    assert sorted(after[:3]) == sorted(before[:3])
    assert after[3:] == before[3:]
    [(query, texts)] = reranker
    assert query == "retrieval picture"
    assert [len(hit.work.title_text + hit.work.abstract_text) for hit in page.hits[:3]] == sorted(
        (len(text) - 1 for text in texts), reverse=True
    )
    for hit in page.hits:
        assert sum(part.value for part in hit.parts) == pytest.approx(hit.score)
        assert (hit.parts[-1].name == "reranker") == (hit.rank <= 3)
    scores = [hit.score for hit in page.hits]
    assert scores == sorted(scores, reverse=True)


def test_pages_agree_after_a_second_reading(
    dense: Desk, reranker: list[tuple[str, Sequence[str]]]
) -> None:
    whole = dense.titles("retrieval picture", rerank=True)
    assert dense.titles("retrieval picture", rerank=True, limit=2, offset=2) == whole[2:4]


def test_a_list_by_date_is_not_read_again(
    dense: Desk, reranker: list[tuple[str, Sequence[str]]]
) -> None:
    dense.searcher.search("retrieval", sort="new", rerank=True)
    dense.searcher.search("cat:cs", rerank=True)
    dense.searcher.search("sim:p0", rerank=True)
    assert reranker == []


def test_extreme_logits_are_harmless(dense: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    model = SimpleNamespace(
        id="sure", score=lambda query, texts: np.array([-900.0, 900.0])[: len(texts)]
    )
    monkeypatch.setattr(Reranking, "_model", lambda self: model)
    works = dense.store.works_by_number([1, 2])
    order, parts = Reranking(dense.home).reorder("q", [(1, 0.3), (2, 0.2)], works)
    assert [number for number, _ in order] == [2, 1]
    assert set(parts) == {1, 2}
