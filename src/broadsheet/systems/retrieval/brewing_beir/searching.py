"""From a row's recipe and a test set to its run."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from broadsheet.core.errors import BadInput
from broadsheet.evals.passages import best_passages, passages
from broadsheet.evals.run_fusion import fuse_ranks, fuse_scores
from broadsheet.index.late_interaction import LateIndex
from broadsheet.index.lexical.bm25 import Bm25Index, Bm25Settings
from broadsheet.index.lexical.impacts import ImpactIndex, SparseRows
from broadsheet.metrics.ranking import top_k
from broadsheet.metrics.trec_runs import without_ties
from broadsheet.systems.contract import Workspace
from broadsheet.systems.retrieval.brewing_beir.data import TestSet
from broadsheet.systems.retrieval.brewing_beir.encoding import Encoder, kept_vectors
from broadsheet.systems.retrieval.brewing_beir.recipe import Recipe

Run = dict[str, dict[str, float]]


def search(test: TestSet, recipe: Recipe, encoder: Encoder | None, workspace: Workspace) -> Run:
    """Return the run of a row on a test set; the query's own document is left out.

    Raises:
        BadInput: A row that needs an encoder got none.
    """
    lexical: Mapping[str, Callable[[TestSet, Recipe], Run]] = {
        "bm25": bm25_run,
        "bm25_fields": bm25_fields_run,
        "bm25_sentences": bm25_sentences_run,
    }
    if recipe.kind in lexical:
        return lexical[recipe.kind](test, recipe)
    if encoder is None:
        raise BadInput("this row needs an encoder", received=recipe.kind)
    if recipe.kind == "late":
        return late_run(test, recipe, encoder)
    if recipe.kind in ("splade", "unicoil"):
        return impact_run(test, recipe, *weights_of(test, recipe, encoder))
    dense = dense_run(test, recipe, encoder, workspace)
    if recipe.kind == "dense":
        return dense
    both = [bm25_run(test, recipe), dense]
    if recipe.kind == "rrf":
        return fuse_ranks(both, depth=recipe.depth)
    return fuse_scores(both, [1.0 - recipe.weight, recipe.weight], depth=recipe.depth)


def bm25_run(test: TestSet, recipe: Recipe) -> Run:
    """Search title and text as one field."""
    index = Bm25Index.build(test.retrieval.documents, settings=_settings(recipe))
    run = index.search_many(
        test.retrieval.queries, recipe.depth, remove_query=True, ties=recipe.ties
    )
    return _ordered(run, recipe)


def bm25_fields_run(test: TestSet, recipe: Recipe) -> Run:
    """Search title and text as two fields of weight 1; a set without titles as one."""
    if not test.fields:
        return bm25_run(test, recipe)
    index = Bm25Index.build_fields(
        test.fields, weights={"text": 1.0, "title": 1.0}, settings=_settings(recipe)
    )
    run = index.search_many(
        test.retrieval.queries, recipe.depth, remove_query=True, ties=recipe.ties
    )
    return _ordered(run, recipe)


def bm25_sentences_run(test: TestSet, recipe: Recipe) -> Run:
    """Search passages of three sentences; a document counts as its best passage (MaxP)."""
    cut = passages(test.retrieval.documents)
    index = Bm25Index.build(cut, settings=_settings(recipe))
    run = best_passages(
        index.search_many(test.retrieval.queries, 4 * recipe.depth, ties=recipe.ties),
        depth=recipe.depth,
    )
    return {query: _without(scores, query) for query, scores in run.items()}


def dense_run(test: TestSet, recipe: Recipe, encoder: Encoder, workspace: Workspace) -> Run:
    """Search one vector per text, exactly, by cosine."""
    names = sorted(test.retrieval.documents)
    texts = [test.retrieval.documents[name] for name in names]
    document_ND = kept_vectors(encoder, texts, recipe.document_tokens, recipe, workspace)
    queries = test.retrieval.queries
    query_QD = kept_vectors(encoder, list(queries.values()), recipe.query_tokens, recipe, workspace)
    score_QN = query_QD @ document_ND.T
    best_QK = top_k(score_QN, recipe.depth + 1)
    run: Run = {}
    for row, query in enumerate(queries):
        found = {names[n]: float(score_QN[row, n]) for n in best_QK[row]}
        run[query] = dict(list(_without(found, query).items())[: recipe.depth])
    return run


def late_run(test: TestSet, recipe: Recipe, encoder: Encoder) -> Run:
    """Search one vector per token, by MaxSim."""
    documents = test.retrieval.documents
    rows = encoder.tokens(list(documents.values()), recipe.document_tokens)
    wide = [row.astype(np.float32) for row in rows]  # once, not for every query
    index = LateIndex.build(dict(zip(documents, wide, strict=True)))
    queries = test.retrieval.queries
    asked = encoder.tokens(list(queries.values()), recipe.query_tokens)
    return {
        query: index.search(tokens.astype(np.float32), recipe.depth, without=query)
        for query, tokens in zip(queries, asked, strict=True)
    }


def weights_of(
    test: TestSet, recipe: Recipe, encoder: Encoder
) -> tuple[SparseRows, list[dict[int, float]]]:
    """Return the term weights of documents and of queries.

    Of documents only the words are computed that some query of the set activates: no other can
    add to a score.
    """
    asked = encoder.words(list(test.retrieval.queries.values()), recipe.query_tokens)
    among = sorted(set(asked.terms_P.tolist()))
    documents = encoder.words(
        list(test.retrieval.documents.values()), recipe.document_tokens, among
    )
    return documents, [asked.row(number) for number in range(asked.rows)]


def impact_run(
    test: TestSet, recipe: Recipe, documents: SparseRows, queries: list[dict[int, float]]
) -> Run:
    """Search learned term weights in eight bits."""
    index = ImpactIndex.build(list(test.retrieval.documents), documents)
    return {
        query: index.search(weights, recipe.depth, without=query)
        for query, weights in zip(test.retrieval.queries, queries, strict=True)
    }


def exact_weights_run(
    test: TestSet, recipe: Recipe, documents: SparseRows, queries: list[dict[int, float]]
) -> Run:
    """Search the same term weights as they are, in float32: what eight bits lose."""
    names = list(test.retrieval.documents)
    order = np.argsort(documents.terms_P, kind="stable")
    terms_P, rows_P = documents.terms_P[order], documents.rows_P[order]
    weights_P = documents.weights_P[order]
    run: Run = {}
    for query, weights in zip(test.retrieval.queries, queries, strict=True):
        total_N = np.zeros(len(names), np.float64)
        for term, weight in weights.items():
            low, high = np.searchsorted(terms_P, [term, term + 1])
            total_N[rows_P[low:high]] += weight * weights_P[low:high]
        found = np.argsort(-total_N, kind="stable")[: recipe.depth + 1]
        scores = {names[n]: float(total_N[n]) for n in found if total_N[n] > 0}
        run[query] = _without(scores, query)
    return run


def _settings(recipe: Recipe) -> Bm25Settings:
    return Bm25Settings(lengths=recipe.lengths)


def _ordered(run: Run, recipe: Recipe) -> Run:
    """Write an order of ties that is not trec_eval's into the scores."""
    return without_ties(run) if recipe.ties == "rising ids" else run


def _without(scores: Mapping[str, float], query: str) -> dict[str, float]:
    return {name: score for name, score in scores.items() if name != query}
