"""Ranking metrics against trec_eval (pytrec-eval-terrier), ties included."""

from __future__ import annotations

import math

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from broadsheet.core.errors import BadInput
from broadsheet.metrics import ranking

TOLERANCE = 1e-9


def made_up(seed: int, *, levels: int) -> tuple[dict, dict]:
    """Runs of 3 to 60 documents whose scores come from few levels: many ties."""
    rng = np.random.default_rng(seed)
    run, qrels = {}, {}
    for query in range(40):
        names = [f"d{n}" for n in rng.permutation(400)[: rng.integers(3, 60)]]
        scores = rng.integers(0, levels, len(names)) / 7.0
        run[f"q{query}"] = dict(zip(names, scores.tolist(), strict=True))
        judged = [*names[:: rng.integers(1, 5)], "unseen1", "unseen2"]
        grades = rng.integers(0, 4, len(judged))
        qrels[f"q{query}"] = dict(zip(judged, map(int, grades), strict=True))
    return run, qrels


@pytest.mark.parametrize("levels", [2, 9, 10_000])
@pytest.mark.parametrize("k", [1, 5, 10, 100])
def test_every_query_agrees_with_trec_eval(levels: int, k: int) -> None:
    run, qrels = made_up(levels, levels=levels)
    names = {f"ndcg_cut_{k}", f"recall_{k}", f"P_{k}", f"map_cut_{k}", "recip_rank", "Rprec", "map"}
    theirs = pytrec_eval.RelevanceEvaluator(qrels, names).evaluate(run)
    ours = {
        f"ndcg_cut_{k}": ranking.ndcg(run, qrels, k),
        f"recall_{k}": ranking.recall(run, qrels, k),
        f"P_{k}": ranking.precision(run, qrels, k),
        f"map_cut_{k}": ranking.average_precision(run, qrels, k),
        "map": ranking.average_precision(run, qrels),
        "recip_rank": ranking.mrr(run, qrels),
        "Rprec": ranking.r_precision(run, qrels),
    }
    for metric, values in ours.items():
        for query, value in values.items():
            assert value == pytest.approx(theirs[query][metric], abs=TOLERANCE), (metric, query)


def test_scores_that_differ_beyond_32_bits_are_ties_as_in_trec_eval() -> None:
    run = {"q": {"a": 1.0 + 1e-12, "b": 1.0}}
    qrels = {"q": {"a": 1}}
    theirs = pytrec_eval.RelevanceEvaluator(qrels, {"recip_rank"}).evaluate(run)
    assert ranking.mrr(run, qrels)["q"] == theirs["q"]["recip_rank"] == 0.5


def test_exponential_gain_by_hand() -> None:
    run = {"q": {"a": 3.0, "b": 2.0, "c": 1.0}}
    qrels = {"q": {"a": 1, "b": 3, "c": 0}}
    got = 1.0 + 7.0 / math.log2(3)
    ideal = 7.0 + 1.0 / math.log2(3)
    assert ranking.ndcg(run, qrels, 10, "exponential")["q"] == pytest.approx(got / ideal)


def test_a_judged_query_that_the_run_lacks_counts_as_zero() -> None:
    run, qrels = {"q1": {"a": 1.0}}, {"q1": {"a": 1}, "q2": {"b": 1}}
    assert ranking.mrr(run, qrels) == {"q1": 1.0, "q2": 0.0}
    assert ranking.mean(ranking.ndcg(run, qrels)) == 0.5


def test_mrr_has_a_depth() -> None:
    run, qrels = {"q": {"a": 3.0, "b": 2.0, "c": 1.0}}, {"q": {"c": 1}}
    assert ranking.mrr(run, qrels, 2)["q"] == 0.0
    assert ranking.mrr(run, qrels, 3)["q"] == pytest.approx(1 / 3)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 5), min_size=8, max_size=8), min_size=1, max_size=5),
    st.integers(1, 12),
)
def test_top_k_is_the_head_of_the_full_ranking(rows: list[list[int]], k: int) -> None:
    scores_QN = np.array(rows, np.float32)
    found = ranking.top_k(scores_QN, k)
    for row, best in zip(rows, found.tolist(), strict=True):
        run = {f"{column:02d}": float(score) for column, score in enumerate(row)}
        assert [f"{column:02d}" for column in best] == ranking.ranked(run)[:k]


def test_unusable_input_is_refused() -> None:
    with pytest.raises(BadInput, match="not a number"):
        ranking.ranked({"a": float("nan")})
    with pytest.raises(BadInput, match="depth"):
        ranking.ndcg({}, {}, 0)
    with pytest.raises(BadInput, match="no judged query"):
        ranking.mean({})
