"""Measure every (layers, dims) cell of an encoder from one pass over the test texts.

Legend: T texts, Q queries, N documents, D width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from broadsheet.metrics.correlation import spearman
from broadsheet.nn.sentence import SentenceEncoder
from broadsheet.systems.contract import Observation
from broadsheet.systems.text.matryoshka_2d.corpus import Corpus, GradedTest, SearchTest
from broadsheet.systems.text.matryoshka_2d.encoder import Floats, exit_vectors
from broadsheet.systems.text.matryoshka_2d.funnel import FunnelSearch
from broadsheet.systems.text.matryoshka_2d.grid import Setting, time_rounds
from broadsheet.systems.text.matryoshka_2d.recipe import Recipe

#: Layers that claims compare, besides the last one.
CLAIMED_LAYERS = (2, 3)
FUNNEL_TOP, FUNNEL_CANDIDATES = 10, 50
ROUNDS = 5


def observe(sentence: SentenceEncoder, corpus: Corpus, recipe: Recipe) -> Iterator[Observation]:
    """Yield quality of all cells, effective ranks, the funnel and, where asked for, times."""
    half = recipe.precision == "bfloat16"
    for graded in corpus.graded:
        vectors = exit_vectors(sentence, graded.texts, half=half)
        yield from _similarity_cells(graded, vectors, recipe)
        yield from _ranks(graded.name, vectors)
    for search in corpus.searches:
        queries = exit_vectors(sentence, search.queries, half=half)
        documents = exit_vectors(sentence, search.documents, half=half)
        yield from _search_cells(search, queries, documents, recipe)
        if sentence.depth > CLAIMED_LAYERS[0]:
            yield from _funnel(search, queries, documents, recipe)
    if recipe.timed:
        yield from _times(sentence, corpus, recipe.timed)


def unit(x_TD: Floats, dims: int) -> Floats:
    """Cut vectors and scale them to length 1."""
    short_TD = x_TD[:, :dims]
    lengths_T1 = np.linalg.norm(short_TD, axis=1, keepdims=True)
    return np.asarray(short_TD / np.maximum(lengths_T1, np.finfo(np.float32).tiny), np.float32)


def reciprocal_gain(queries_QD: Floats, documents_ND: Floats) -> NDArray[np.float64]:
    """Return nDCG@10 of every query whose one right document has the query's place.

    With one right document the ideal is 1, so this is 1 / log2(1 + rank) down to rank 10. Of
    equal scores the right one counts as the last.
    """
    gains = np.zeros(len(queries_QD))
    for start in range(0, len(queries_QD), 512):
        scores_QN = queries_QD[start : start + 512] @ documents_ND.T
        places = np.arange(len(scores_QN))
        own_Q1 = scores_QN[places, start + places][:, None]
        rank_Q = (scores_QN >= own_Q1).sum(axis=1)
        gains[start : start + 512] = np.where(rank_Q <= 10, 1.0 / np.log2(1.0 + rank_Q), 0.0)
    return gains


def effective_rank(x_TD: Floats) -> float:
    """Return exp of the entropy of the shares of variance: how many directions are in use.

    Source:
        Roy and Vetterli, The effective rank (2007), on the covariance of unit vectors.
    """
    unit_TD = unit(x_TD, x_TD.shape[1]).astype(np.float64)
    variance = np.linalg.eigvalsh(np.cov(unit_TD, rowvar=False)).clip(0.0)
    share = variance[variance > 0] / variance.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


def _cells(vectors: Mapping[int, Floats], recipe: Recipe) -> Iterator[tuple[Setting, bool]]:
    """Yield all settings, and whether a claim speaks of them."""
    full = recipe.dims[0]
    for layers in vectors:
        for dims in recipe.dims:
            deep = layers == max(vectors)
            claimed = dims == full and (deep or layers in CLAIMED_LAYERS)
            yield Setting(layers, dims), claimed or (deep and dims == recipe.short)


def _similarity_cells(
    test: GradedTest, vectors: Mapping[int, Floats], recipe: Recipe
) -> Iterator[Observation]:
    for setting, claimed in _cells(vectors, recipe):
        x_TD = unit(vectors[setting.layers], setting.dims)
        cosine = np.einsum("td,td->t", x_TD[test.left], x_TD[test.right])
        yield Observation(
            dataset=test.name,
            metric=f"spearman@{setting}",
            unit="x100",
            value=100.0 * spearman(cosine, test.gold),
            n=len(test.gold),
            items={"prediction": cosine, "gold": test.gold} if claimed else {},
        )


def _search_cells(
    test: SearchTest,
    queries: Mapping[int, Floats],
    documents: Mapping[int, Floats],
    recipe: Recipe,
) -> Iterator[Observation]:
    for setting, claimed in _cells(queries, recipe):
        gains = reciprocal_gain(
            unit(queries[setting.layers], setting.dims),
            unit(documents[setting.layers], setting.dims),
        )
        yield Observation(
            dataset=test.name,
            metric=f"ndcg10@{setting}",
            unit="x100",
            value=100.0 * float(gains.mean()),
            n=len(gains),
            items={"score": 100.0 * gains} if claimed else {},
        )


def _ranks(name: str, vectors: Mapping[int, Floats]) -> Iterator[Observation]:
    for layers, x_TD in vectors.items():
        yield Observation(
            dataset=name,
            metric=f"effective-rank@{layers}",
            unit="directions",
            value=effective_rank(x_TD),
            n=len(x_TD),
        )


def _funnel(
    test: SearchTest,
    queries: Mapping[int, Floats],
    documents: Mapping[int, Floats],
    recipe: Recipe,
) -> Iterator[Observation]:
    """Measure what a shallow, short first stage loses of the full search."""
    vectors = {
        "q": queries,
        "d": documents,
    }

    def encode(texts: Sequence[str], setting: Setting) -> Floats:
        side, rows = texts[0][0], [int(text[1:]) for text in texts]
        return unit(vectors[side][setting.layers][rows], setting.dims)

    coarse, fine = Setting(2, recipe.short), Setting(max(queries), recipe.dims[0])
    count, asked = len(test.documents), len(test.queries)
    funnel = FunnelSearch(encode, coarse, fine)
    funnel.add([f"d{row}" for row in range(count)])
    names = [f"q{row}" for row in range(asked)]
    candidates = min(FUNNEL_CANDIDATES, count)
    yield Observation(
        dataset=test.name,
        metric=f"funnel-recall@{coarse}>{fine}",
        unit="share",
        value=funnel.recall(names, top=min(FUNNEL_TOP, count), candidates=candidates),
        n=asked,
    )
    hits = funnel.search(names, top=min(FUNNEL_TOP, count), candidates=candidates)
    gains = [
        1.0 / np.log2(2.0 + hit.documents.index(row)) if row in hit.documents else 0.0
        for row, hit in enumerate(hits)
    ]
    yield Observation(
        dataset=test.name,
        metric=f"funnel-ndcg10@{coarse}>{fine}",
        unit="x100",
        value=100.0 * float(np.mean(gains)),
        n=asked,
    )


def _times(sentence: SentenceEncoder, corpus: Corpus, count: int) -> Iterator[Observation]:
    """Time every depth on sentences of the first test, and its ratio to all layers."""
    texts = corpus.graded[0].texts
    places = np.linspace(0, len(texts) - 1, min(count, len(texts))).astype(np.int64)
    rounds = time_rounds(sentence, [texts.batch(places)], rounds=ROUNDS)
    deepest = rounds[max(rounds)]
    for layers, milliseconds in rounds.items():
        ratio = milliseconds / deepest
        yield Observation(
            dataset="time",
            metric=f"cpu-ms@{layers}",
            unit="ms",
            value=float(milliseconds.min()),
            n=len(milliseconds),
        )
        yield Observation(
            dataset="time",
            metric=f"cpu-ratio@{layers}",
            unit="ratio of times",
            value=float(np.median(ratio)),
            n=len(ratio),
            items={"ratio": ratio},
        )
