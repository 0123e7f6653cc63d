"""The retrieval evaluator: blocks change nothing, ties follow trec_eval, memory stays small."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
import pytrec_eval

from broadsheet.core.errors import BadInput
from broadsheet.data.beir import read_cranfield
from broadsheet.data.records import RetrievalSet
from broadsheet.evals import retrieval
from broadsheet.evals.retrieval import Shortlist, evaluate_retrieval, search


def by_number(texts: Sequence[str]) -> np.ndarray:
    """Eight numbers that depend on the text's own number only; few values, so many ties."""
    rows = [np.random.default_rng(int(text)).integers(0, 2, 8) for text in texts]
    return np.array(rows, np.float32)


def made_up(documents: int, queries: int = 12) -> RetrievalSet:
    rng = np.random.default_rng(0)
    names = [f"d{n}" for n in range(documents)]
    qrels = {
        f"q{q}": {
            names[d]: int(g) for d, g in zip(rng.integers(0, documents, 9), range(9), strict=True)
        }
        for q in range(queries)
    }
    return RetrievalSet(
        {name: str(rng.integers(300)) for name in names},
        {query: str(1000 + n) for n, query in enumerate(qrels)},
        qrels,
    )


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval, "_BLOCK", 7)


def whole_matrix(data: RetrievalSet) -> dict[str, dict[str, float]]:
    """The reference: every document's cosine, no cut."""
    unit = {
        key: row / max(np.linalg.norm(row), 1e-9)
        for key, row in zip(data.documents, by_number(list(data.documents.values())), strict=True)
    }
    run = {}
    for query, text in data.queries.items():
        q = by_number([text])[0] / max(np.linalg.norm(by_number([text])[0]), np.float32(1e-9))
        run[query] = {key: float(np.float32(q @ row)) for key, row in unit.items()}
    return run


@pytest.mark.usefixtures("small_blocks")
def test_blocks_give_the_same_scores_as_trec_eval_on_the_whole_matrix() -> None:
    data = made_up(150)
    scores = {score.metric: score for score in evaluate_retrieval(by_number, data, dataset="tiny")}
    names = {"ndcg_cut.10", "recall.100", "map_cut.100"}
    theirs = pytrec_eval.RelevanceEvaluator(dict(data.qrels), names).evaluate(whole_matrix(data))
    for ours, name in (
        ("ndcg@10", "ndcg_cut_10"),
        ("recall@100", "recall_100"),
        ("map@100", "map_cut_100"),
    ):
        expected = [theirs[query][name] for query in data.qrels]
        np.testing.assert_allclose(scores[ours].items["score"], expected, atol=1e-9)
        assert scores[ours].value == pytest.approx(100 * np.mean(expected))
    assert scores["ndcg@10"].n == 12
    assert 0 < scores["mrr@10"].value <= 100


@pytest.mark.usefixtures("small_blocks")
def test_block_size_does_not_change_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    data = made_up(90)
    small = search(by_number, data, depth=20)
    monkeypatch.setattr(retrieval, "_BLOCK", 4096)
    assert search(by_number, data, depth=20) == small
    assert all(len(found) == 20 for found in small.values())


def test_documents_are_encoded_in_blocks_and_queries_by_their_own_encoder() -> None:
    sizes: list[int] = []

    def encode(texts: Sequence[str]) -> np.ndarray:
        sizes.append(len(texts))
        return by_number(texts)

    run = search(encode, made_up(9000), depth=5, encode_queries=by_number)
    assert max(sizes) == 4096
    assert sum(sizes) == 9000
    assert len(run) == 12


def test_memory_does_not_grow_with_the_collection() -> None:
    def peak(documents: int) -> int:
        best = Shortlist.empty(queries=50, depth=10)
        rng = np.random.default_rng(0)
        tracemalloc.start()
        for first in range(0, documents, 500):
            best.add(rng.random((50, 500), np.float32), first)
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak(500)
    assert peak(10_000) < 1.2 * peak(1000)


def test_a_collection_smaller_than_the_depth_is_returned_whole() -> None:
    data = RetrievalSet({"a": "1", "b": "2"}, {"q": "1"}, {"q": {"a": 1}})
    run = search(by_number, data)
    assert list(run["q"]) == ["a", "b"]


def test_nothing_to_search_is_refused() -> None:
    with pytest.raises(BadInput, match="documents and queries"):
        search(by_number, RetrievalSet({}, {"q": "1"}, {}))


@pytest.mark.data
def test_hashed_words_find_cranfield_documents(data_folder: Path) -> None:
    """Bags of words by cosine get an nDCG@10 in the twenties to forties on Cranfield."""

    def bag(texts: Sequence[str]) -> np.ndarray:
        rows = np.zeros((len(texts), 4096), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in set(text.lower().split()):
                row[crc32(word.encode()) % 4096] += len(word) ** 2
        return rows

    scores = evaluate_retrieval(bag, read_cranfield(data_folder), dataset="cranfield")
    assert 15 < scores[0].value < 50, scores[0].value
