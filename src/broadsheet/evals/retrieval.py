"""Retrieval: exact search over documents that are encoded and scored block by block.

Only the best documents of each query are kept, so memory doesn't grow with the collection. Legend:
Q queries, B documents of a block, K documents kept per query.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from broadsheet.core.errors import BadInput
from broadsheet.core.progress import Progress, Silent
from broadsheet.data.records import RetrievalSet
from broadsheet.evals.score import Encode, Score, unit_rows
from broadsheet.metrics import ranking

_CELLS = 16_000_000
_BLOCK = 4096


@dataclass(slots=True)
class Shortlist:
    """The best K documents of each query so far.

    Documents are numbered in ascending order of their ids; equal scores go to the larger number.

    Example:
        >>> best = Shortlist.empty(queries=1, depth=2)
        >>> best.add(np.array([[0.1, 0.9]], np.float32), first=0)
        >>> best.add(np.array([[0.5, 0.1]], np.float32), first=2)
        >>> best.documents.tolist()
        [[1, 2]]
    """

    scores: NDArray[np.float32]
    documents: NDArray[np.int64]
    depth: int

    @classmethod
    def empty(cls, *, queries: int, depth: int) -> Shortlist:
        """Return a shortlist without documents."""
        return cls(np.empty((queries, 0), np.float32), np.empty((queries, 0), np.int64), depth)

    def add(self, score_QB: NDArray[np.float32], first: int) -> None:
        """Take in a block of scores whose columns are the documents `first`, `first` + 1, ..."""
        best_QK = ranking.top_k(score_QB, self.depth)
        score_QM = np.hstack([self.scores, np.take_along_axis(score_QB, best_QK, axis=1)])
        document_QM = np.hstack([self.documents, best_QK + first])
        order_QK = np.lexsort((-document_QM, -score_QM), axis=1)[:, : self.depth]
        self.scores = np.take_along_axis(score_QM, order_QK, axis=1)
        self.documents = np.take_along_axis(document_QM, order_QK, axis=1)


def search(
    encode: Encode,
    data: RetrievalSet,
    *,
    depth: int = 100,
    encode_queries: Encode | None = None,
    progress: Progress | None = None,
) -> dict[str, dict[str, float]]:
    """Return the best `depth` documents of each query by cosine, as a run.

    Args:
        encode: Encoder of documents, and of queries unless `encode_queries` is given.
        data: Documents and queries.
        depth: Documents kept per query.
        encode_queries: Another encoder for the queries (a prompt, another tower).
        progress: Where the documents are counted.

    Raises:
        BadInput: No document or no query, or the encoder's rows are unusable.
    """
    if not data.documents or not data.queries:
        raise BadInput(
            "retrieval needs documents and queries",
            received=f"{len(data.documents)} documents, {len(data.queries)} queries",
        )
    names, queries = sorted(data.documents), list(data.queries)
    query_texts = list(data.queries.values())
    query_QD = unit_rows((encode_queries or encode)(query_texts), len(queries))
    advance = (progress or Silent()).start("documents", len(names), "documents")
    best = Shortlist.empty(queries=len(queries), depth=depth)
    size = max(1, min(_BLOCK, _CELLS // len(queries)))
    for first in range(0, len(names), size):
        texts = [data.documents[name] for name in names[first : first + size]]
        best.add(query_QD @ unit_rows(encode(texts), len(texts)).T, first)
        advance(len(texts))
    return {
        query: {
            names[document]: float(score)
            for document, score in zip(best.documents[row], best.scores[row], strict=True)
        }
        for row, query in enumerate(queries)
    }


def evaluate_retrieval(
    encode: Encode,
    data: RetrievalSet,
    *,
    dataset: str,
    encode_queries: Encode | None = None,
    progress: Progress | None = None,
) -> tuple[Score, ...]:
    """Return nDCG@10, MRR@10, MAP@100 and recall@100 of exact cosine search.

    Raises:
        BadInput: As `search`.
    """
    run = search(encode, data, encode_queries=encode_queries, progress=progress)
    return ranking_scores(run, data.qrels, dataset=dataset)


def ranking_scores(
    run: ranking.Run, qrels: Mapping[str, Mapping[str, int]], *, dataset: str
) -> tuple[Score, ...]:
    """Return the scores of a run that was made elsewhere, over all judged queries."""
    measured = {
        "ndcg@10": ranking.ndcg(run, qrels, 10),
        "mrr@10": ranking.mrr(run, qrels, 10),
        "map@100": ranking.average_precision(run, qrels, 100),
        "recall@100": ranking.recall(run, qrels, 100),
    }
    return tuple(
        Score(
            dataset=dataset,
            metric=name,
            unit="x100",
            value=100.0 * ranking.mean(values),
            n=len(values),
            items={"score": np.array(list(values.values()))},
        )
        for name, values in measured.items()
    )
