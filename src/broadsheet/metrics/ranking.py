"""Ranking metrics per query, from a run and relevance judgements, by trec_eval's rules.

A run maps queries to document scores; judgements (qrels) map queries to graded relevance, where
1 or more is relevant. Documents are ranked by falling score, equal scores by falling document id.
Scores are compared as 32-bit floats: that is what trec_eval stores. Every judged query gets a
value: one that the run lacks gets 0 (trec_eval would leave it out of the mean and flatter the run).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from broadsheet.core.errors import BadInput

Run = Mapping[str, Mapping[str, float]]
Qrels = Mapping[str, Mapping[str, int]]


def ranked(scores: Mapping[str, float]) -> list[str]:
    """Return document ids by falling score, equal scores by falling id.

    Raises:
        BadInput: A score is not a number.

    Example:
        >>> ranked({"a": 0.5, "b": 0.5, "c": 0.9})
        ['c', 'b', 'a']
    """
    ids = sorted(scores, reverse=True)
    values = np.fromiter((scores[name] for name in ids), np.float32, len(ids))
    if np.isnan(values).any():
        raise BadInput("a score is not a number", received=ids[int(np.argmax(np.isnan(values)))])
    return [ids[index] for index in np.argsort(-values, kind="stable")]


def ndcg(
    run: Run, qrels: Qrels, k: int = 10, gain: Literal["linear", "exponential"] = "linear"
) -> dict[str, float]:
    """Return nDCG@k per query: discounted gain over that of the ideal ranking.

    Args:
        run: Scores.
        qrels: Judgements.
        k: Depth.
        gain: linear (trec_eval, BEIR) or exponential, 2^relevance - 1 (web search, LETOR).

    Example:
        >>> ndcg({"q": {"a": 2.0, "b": 1.0}}, {"q": {"b": 1}})
        {'q': 0.6309297535714575}
    """
    _check_depth(k)

    def value(grades: Sequence[int], judged: Sequence[int]) -> float:
        ideal = _discounted(sorted(judged, reverse=True)[:k], gain)
        return _discounted(grades[:k], gain) / ideal if ideal else 0.0

    return {query: value(*_grades(run, qrels, query)) for query in qrels}


def mrr(run: Run, qrels: Qrels, k: int | None = None) -> dict[str, float]:
    """Return the reciprocal rank of the first relevant document per query, 0 if none in k."""
    _check_depth(k)

    def value(grades: Sequence[int]) -> float:
        ranks = (rank for rank, grade in enumerate(grades[:k], 1) if grade > 0)
        return 1.0 / next(ranks, math.inf)

    return {query: value(_grades(run, qrels, query)[0]) for query in qrels}


def average_precision(run: Run, qrels: Qrels, k: int | None = None) -> dict[str, float]:
    """Return average precision per query (its mean is MAP), over the first k documents."""
    _check_depth(k)

    def value(grades: Sequence[int], judged: Sequence[int]) -> float:
        found, total = 0, 0.0
        for rank, grade in enumerate(grades[:k], 1):
            if grade > 0:
                found += 1
                total += found / rank
        return total / max(1, _relevant(judged))

    return {query: value(*_grades(run, qrels, query)) for query in qrels}


def recall(run: Run, qrels: Qrels, k: int = 100) -> dict[str, float]:
    """Return the share of the relevant documents among the first k, per query."""
    _check_depth(k)

    def value(grades: Sequence[int], judged: Sequence[int]) -> float:
        return _relevant(grades[:k]) / max(1, _relevant(judged))

    return {query: value(*_grades(run, qrels, query)) for query in qrels}


def precision(run: Run, qrels: Qrels, k: int = 10) -> dict[str, float]:
    """Return the share of relevant documents among the first k, per query (short runs fill up)."""
    _check_depth(k)
    return {query: _relevant(_grades(run, qrels, query)[0][:k]) / k for query in qrels}


def r_precision(run: Run, qrels: Qrels) -> dict[str, float]:
    """Return the precision at as many documents as are relevant, per query."""

    def value(grades: Sequence[int], judged: Sequence[int]) -> float:
        relevant = _relevant(judged)
        return _relevant(grades[:relevant]) / max(1, relevant)

    return {query: value(*_grades(run, qrels, query)) for query in qrels}


def mean(values: Mapping[str, float]) -> float:
    """Return the mean over queries.

    Raises:
        BadInput: There is no query.
    """
    if not values:
        raise BadInput("no judged query to average over")
    return math.fsum(values.values()) / len(values)


def top_k(scores_QN: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Return the columns of the k largest scores of each row, best first.

    Equal scores: the larger column first. With documents in ascending order of their ids this is
    trec_eval's rule, also at the cut.

    **Shape**: (Q, N) -> (Q, min(k, N)).

    Example:
        >>> top_k(np.array([[1.0, 3.0, 3.0, 2.0]], np.float32), 3)
        array([[2, 1, 3]])
    """
    _check_depth(k)
    rows, columns = scores_QN.shape
    k = min(k, columns)
    best_QK = np.empty((rows, k), np.int64)
    if k == 0:
        return best_QK
    cut_Q = np.partition(scores_QN, columns - k, axis=1)[:, columns - k]
    for row, scores_N in enumerate(scores_QN):
        kept = np.flatnonzero(scores_N >= cut_Q[row])[::-1]
        best_QK[row] = kept[np.argsort(-scores_N[kept], kind="stable")][:k]
    return best_QK


def _grades(run: Run, qrels: Qrels, query: str) -> tuple[list[int], list[int]]:
    """Return the grades in ranked order, and all judged grades, of a query."""
    judged = qrels[query]
    grades = [judged.get(name, 0) for name in ranked(run.get(query, {}))]
    return grades, list(judged.values())


def _discounted(grades: Sequence[int], gain: Literal["linear", "exponential"]) -> float:
    exponential = gain == "exponential"
    return sum(
        (2.0**grade - 1.0 if exponential else grade) / math.log2(rank + 1)
        for rank, grade in enumerate(grades, 1)
        if grade > 0
    )


def _relevant(grades: Sequence[int]) -> int:
    return sum(grade > 0 for grade in grades)


def _check_depth(k: int | None) -> None:
    if k is not None and k < 1:
        raise BadInput("a depth is 1 or more", received=k)
