"""The mteb adapter, judged by mteb's own evaluation on tasks that live in memory."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import mteb
import numpy as np
import pytest
from datasets import Dataset, DatasetDict
from mteb.abstasks.retrieval import AbsTaskRetrieval
from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData
from mteb.abstasks.sts import AbsTaskSTS
from mteb.abstasks.task_metadata import TaskMetadata
from mteb.models.models_protocols import EncoderProtocol

from broadsheet.core.errors import BadInput
from broadsheet.data.records import RetrievalSet, ScoredPair
from broadsheet.evals.mteb import MtebEncoder
from broadsheet.evals.retrieval import evaluate_retrieval
from broadsheet.evals.sts import evaluate_sts

DOCUMENTS = {
    "d1": "red apples and green pears",
    "d2": "a slow blue train",
    "d3": "green trains run on time",
    "d4": "apples fall from trees",
}
QUERIES = {"q1": "green train", "q2": "red apples"}
QRELS = {"q1": {"d3": 2, "d2": 1}, "q2": {"d1": 1, "d4": 1}}
PAIRS = [
    ("a red apple", "red apples", 4.5),
    ("a slow train", "green pears", 0.5),
    ("trees fall", "falling trees", 4.0),
    ("blue train", "a blue apple", 2.0),
    ("run on time", "red apples", 0.0),
]


def letters(texts: Sequence[str]) -> np.ndarray:
    """Counts of pairs of neighbouring letters, hashed: crude, deterministic, not constant."""
    rows = np.zeros((len(texts), 32), np.float32)
    for row, text in zip(rows, texts, strict=True):
        for a, b in pairwise(text):
            row[(7 * ord(a) + ord(b)) % 32] += 1.0
    return rows


def metadata(kind: str, main: str) -> TaskMetadata:
    return TaskMetadata(
        name=f"Tiny{kind}",
        description="Lives in memory.",
        dataset={"path": "NA", "revision": "NA"},
        type=kind,
        category="t2t",
        modalities=["text"],
        eval_splits=["test"],
        eval_langs=["eng-Latn"],
        main_score=main,
    )


class TinySTS(AbsTaskSTS):
    metadata = metadata("STS", "cosine_spearman")
    min_score, max_score = 0, 5

    def load_data(self, num_proc: int | None = None, **kwargs: object) -> None:
        columns = zip(*PAIRS, strict=True)
        table = dict(zip(("sentence1", "sentence2", "score"), map(list, columns), strict=True))
        self.dataset = DatasetDict({"test": Dataset.from_dict(table)})
        self.data_loaded = True


class TinyRetrieval(AbsTaskRetrieval):
    metadata = metadata("Retrieval", "ndcg_at_10")

    def load_data(self, num_proc: int | None = None, **kwargs: object) -> None:
        rows = [{"id": key, "text": text, "title": ""} for key, text in DOCUMENTS.items()]
        questions = [{"id": key, "text": text} for key, text in QUERIES.items()]
        split = RetrievalSplitData(
            queries=Dataset.from_list(questions),
            corpus=Dataset.from_list(rows),
            relevant_docs=QRELS,
            top_ranked=None,
        )
        self.dataset = {"default": {"test": split}}
        self.data_loaded = True


def main_score(task: AbsTaskSTS | AbsTaskRetrieval, model: MtebEncoder) -> float:
    result = mteb.evaluate(model, [task], cache=None, show_progress_bar=False, co2_tracker=False)
    return float(result.task_results[0].get_score())


def test_the_adapter_is_an_encoder_of_mteb() -> None:
    assert isinstance(MtebEncoder(letters, "ours/letters", "1"), EncoderProtocol)


def test_mteb_and_our_sts_evaluator_agree() -> None:
    pairs = [ScoredPair(str(n), a, b, score) for n, (a, b, score) in enumerate(PAIRS)]
    ours = evaluate_sts(letters, pairs, dataset="tiny")[0].value
    theirs = main_score(TinySTS(), MtebEncoder(letters, "ours/letters", "1"))
    assert ours == pytest.approx(100 * theirs, abs=1e-6)


def test_mteb_and_our_retrieval_evaluator_agree() -> None:
    data = RetrievalSet(DOCUMENTS, QUERIES, QRELS)
    ours = evaluate_retrieval(letters, data, dataset="tiny")[0].value
    theirs = main_score(TinyRetrieval(), MtebEncoder(letters, "ours/letters", "1"))
    assert 0 < ours < 100
    assert ours == pytest.approx(100 * theirs, abs=1e-3)  # mteb rounds to five digits


def test_queries_go_through_their_own_encoder() -> None:
    asked: list[str] = []

    def encode_queries(texts: Sequence[str]) -> np.ndarray:
        asked.extend(texts)
        return letters(texts)

    model = MtebEncoder(letters, "ours/letters", "1", encode_queries=encode_queries)
    main_score(TinyRetrieval(), model)
    assert sorted(asked) == sorted(QUERIES.values())


def test_a_name_without_owner_is_refused() -> None:
    with pytest.raises(BadInput, match="owner/name"):
        MtebEncoder(letters, "letters", "1")
