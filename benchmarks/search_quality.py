"""How well search finds what people judged relevant.

1. Cranfield (1,400 documents, 225 queries), pytrec-eval-terrier as oracle, nDCG@10 with binary
   gain; every one of the 1,837 judgements counts as relevant, and in a second table all but those
   with code -1 (a query's own source document). Settings were chosen on queries with odd ids and
   live in `papers/search/ranking.py`; even ids are reported once.
2. Title -> own abstract on 2,000 ACL papers: the abstract is indexed without its title; mean
   reciprocal rank.

    python benchmarks/search_quality.py --home HOME     (a home with the models installed)
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bm25s
import numpy as np
import pytrec_eval
import Stemmer

from _report import DATA, write_report
from _texts import lines, vectors
from broadsheet.core.errors import NotFound
from broadsheet.core.paths import default_home
from broadsheet.index.clauses import Clause
from broadsheet.index.fusion import Points, add, nearness, presence_beside, words_points
from broadsheet.index.predicates import Document
from broadsheet.index.words import WordIndex, WordWriter
from broadsheet.papers.search.ranking import (
    DEPTH,
    MEANING_WEIGHT,
    NEAREST,
    QUICK_WEIGHT,
)
from broadsheet.papers.search.reranking import READ, TOKENS
from broadsheet.runtime import models
from broadsheet.runtime.encoder import Encoder, load_encoder
from broadsheet.runtime.transformer import CrossEncoder

STATIC, TRANSFORMER = "wordllama-256", "bge-small-en-v1.5"
JUDGED_AT = 10
RESAMPLES = 10_000

Lists = dict[str, list[str]]


# -- systems: each gives, for each query, document ids in order --------------------------------


@contextmanager
def words_index(documents: Sequence[Document]) -> Iterator[WordIndex]:
    with tempfile.TemporaryDirectory() as folder:
        with WordWriter(Path(folder) / "words", terms=(), numbers=()) as writer:
            writer.apply(documents, deleted=[], revision=1)
        yield WordIndex(Path(folder) / "words", terms=(), numbers=())


def clauses_of(text: str) -> list[Clause]:
    return [Clause(text=word) for word in text.split()]


def by_words(documents: Sequence[Document], queries: Mapping[str, str]) -> Lists:
    with words_index(documents) as index:
        return {
            name: [str(number) for number, _ in index.search(clauses_of(text), limit=DEPTH).hits]
            for name, text in queries.items()
        }


def by_bm25s(documents: Sequence[Document], queries: Mapping[str, str], depth: int) -> Lists:
    """bm25s: English stop words and stemming, Lucene's BM25, k1 1.5, b 0.75, one joined field."""
    stemmer = Stemmer.Stemmer("english")

    def tokens(texts: list[str]) -> Any:
        return bm25s.tokenize(texts, stopwords="en", stemmer=stemmer, show_progress=False)

    engine = bm25s.BM25(k1=1.5, b=0.75)
    engine.index(tokens([f"{one.title} {one.body}" for one in documents]), show_progress=False)
    asked = tokens(list(queries.values()))
    found, _ = engine.retrieve(asked, k=depth, show_progress=False)
    return {
        name: [str(documents[position].number) for position in row]
        for name, row in zip(queries, found, strict=True)
    }


def nearest(
    encoder: Encoder, documents: Sequence[Document], queries: Mapping[str, str]
) -> dict[str, list[tuple[int, float]]]:
    """Return the nearest documents of every query with their cosines, best first."""
    texts = ["\n".join(part for part in (one.title, one.body) if part) for one in documents]
    scores = (
        vectors(encoder, list(queries.values()), "query") @ vectors(encoder, texts, "document").T
    )
    order = np.argsort(-scores, axis=1, kind="stable")[:, :NEAREST]
    return {
        name: [(documents[place].number, float(row[place])) for place in best]
        for name, row, best in zip(queries, scores, order, strict=True)
    }


def by_meaning(
    encoder: Encoder, documents: Sequence[Document], queries: Mapping[str, str]
) -> Lists:
    near = nearest(encoder, documents, queries)
    return {name: [str(number) for number, _ in row] for name, row in near.items()}


def by_both(
    encoder: Encoder, documents: Sequence[Document], queries: Mapping[str, str], weight: float
) -> Lists:
    """Words and meaning as the application adds them up (`papers/search/ranking.py`)."""
    presence = presence_beside(weight)
    lists: Lists = {}
    with words_index(documents) as index:
        for name, near in nearest(encoder, documents, queries).items():
            clauses = clauses_of(queries[name])
            hits = dict(index.search(clauses, limit=DEPTH, presence=presence).hits)
            hits |= index.scores(clauses, [number for number, _ in near], presence=presence)
            asked = index.weight(clauses)
            given = words_points(list(hits.values()), asked=asked, meaning=weight)
            nearer = [weight * one for one in nearness([cosine for _, cosine in near])]
            both = add(
                [
                    Points(numbers=list(hits), values=given),
                    Points(numbers=[number for number, _ in near], values=nearer),
                ]
            )
            lists[name] = [str(number) for number, _ in both]
    return lists


def reread(
    model: CrossEncoder, lists: Lists, documents: Sequence[Document], queries: Mapping[str, str]
) -> Lists:
    texts = {str(one.number): f"{one.title}\n{one.body}" for one in documents}
    reordered = {}
    for name, ranked in lists.items():
        top = ranked[:READ]
        scores = model.score(queries[name], [texts[one] for one in top])
        order = np.argsort(-scores, kind="stable")
        reordered[name] = [top[place] for place in order] + ranked[READ:]
    return reordered


# -- Cranfield ---------------------------------------------------------------------------------


def read_cranfield(
    folder: Path,
) -> tuple[list[Document], dict[str, str], list[tuple[str, str, int]]]:
    documents = []
    for row in lines(folder / "corpus.jsonl.zst"):
        body = row["text"].removeprefix(row["title"]).strip()
        documents.append(
            Document(number=int(row["id"]), title=row["title"], body=body, names=row["authors"])
        )
    queries = {row["id"]: row["text"] for row in lines(folder / "queries.jsonl.zst")}
    judged = []
    for line in (folder / "qrels.tsv").read_text().splitlines():
        query, document, code = line.split()
        judged.append((query, document, int(code)))
    return documents, queries, judged


def gains(lists: Lists, relevant: Mapping[str, Mapping[str, int]]) -> dict[str, float]:
    """Return nDCG@10 of every query, measured by trec_eval."""
    run = {
        name: {one: float(-place) for place, one in enumerate(ranked[:100])}
        for name, ranked in lists.items()
    }
    judge = pytrec_eval.RelevanceEvaluator(dict(relevant), {f"ndcg_cut.{JUDGED_AT}"})
    return {name: row[f"ndcg_cut_{JUDGED_AT}"] for name, row in judge.evaluate(run).items()}


def difference(first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, float]:
    """Return the mean difference of two systems with a paired bootstrap interval over queries."""
    each = np.array([first[name] - second[name] for name in sorted(first)])
    draws = np.random.default_rng(7).integers(0, len(each), (RESAMPLES, len(each)))
    means = each[draws].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return {
        "difference": round(float(each.mean()), 4),
        "ci95_low": round(float(low), 4),
        "ci95_high": round(float(high), 4),
        "queries_better": int((each > 0).sum()),
        "queries_worse": int((each < 0).sum()),
        "queries": len(each),
    }


def cranfield_systems(
    folder: Path, home: Path
) -> tuple[dict[str, Lists], list[tuple[str, str, int]]]:
    documents, queries, judged = read_cranfield(folder)
    systems = {
        "bm25s": by_bm25s(documents, queries, 100),
        "words": by_words(documents, queries),
    }
    for name, weight in ((STATIC, QUICK_WEIGHT), (TRANSFORMER, MEANING_WEIGHT)):
        encoder = load_encoder(models.model_folder(home, name))
        systems[name] = by_meaning(encoder, documents, queries)
        systems[f"hybrid {name}"] = by_both(encoder, documents, queries, weight)
    folder_of_reranker = models.model_folder(home, models.reranker(home))
    model = CrossEncoder(folder_of_reranker, max_tokens=TOKENS)
    for name in ("words", f"hybrid {TRANSFORMER}"):
        systems[f"{name} + reranker"] = reread(model, systems[name], documents, queries)
    return systems, judged


def table(systems: Mapping[str, Lists], judged: Sequence[tuple[str, str, int]]) -> dict[str, Any]:
    relevant: dict[str, dict[str, int]] = {}
    for query, document, _ in judged:
        relevant.setdefault(query, {})[document] = 1
    scored = {name: gains(lists, relevant) for name, lists in systems.items()}
    result: dict[str, Any] = {"judgements": len(judged), "ndcg10": {}, "differences": {}}
    for part, remainders in (
        ("odd (chosen on)", {1}),
        ("even (reported)", {0}),
        ("both", {0, 1}),
    ):
        own = {
            name: {query: value for query, value in row.items() if int(query) % 2 in remainders}
            for name, row in scored.items()
        }
        means = {name: float(np.mean(list(row.values()))) for name, row in own.items()}
        result["ndcg10"][part] = {name: round(value, 4) for name, value in means.items()}
        hybrid = f"hybrid {TRANSFORMER}"
        better = max(("words", TRANSFORMER), key=means.__getitem__)
        better_static = max(("words", STATIC), key=means.__getitem__)
        pairs = {
            "words - bm25s": ("words", "bm25s"),
            f"{hybrid} - its better part ({better})": (hybrid, better),
            f"hybrid {STATIC} - its better part ({better_static})": (
                f"hybrid {STATIC}",
                better_static,
            ),
            f"{hybrid} + reranker - without": (f"{hybrid} + reranker", hybrid),
            "words + reranker - without": ("words + reranker", "words"),
        }
        result["differences"][part] = {
            name: difference(own[first], own[second]) for name, (first, second) in pairs.items()
        }
    return result


# -- title -> own abstract ---------------------------------------------------------------------


def own_abstracts(folder: Path, home: Path, papers: int) -> dict[str, Any]:
    rows = [
        row
        for name in ("acl-2016-2019.jsonl.zst", "acl-2020-2022.jsonl.zst")
        for row in lines(folder / name)
    ]
    random.Random(7).shuffle(rows)
    rows = rows[:papers]
    documents = [Document(number=n, title="", body=row["abstract"]) for n, row in enumerate(rows)]
    queries = {str(number): row["title"] for number, row in enumerate(rows)}
    systems = {"bm25s": by_bm25s(documents, queries, DEPTH), "words": by_words(documents, queries)}
    for name, weight in ((STATIC, QUICK_WEIGHT), (TRANSFORMER, MEANING_WEIGHT)):
        encoder = load_encoder(models.model_folder(home, name))
        systems[name] = by_meaning(encoder, documents, queries)
        systems[f"hybrid {name}"] = by_both(encoder, documents, queries, weight)
    each = {
        system: {
            name: 1 / (ranked.index(name) + 1) if name in ranked else 0.0
            for name, ranked in lists.items()
        }
        for system, lists in systems.items()
    }
    mean = {system: float(np.mean(list(row.values()))) for system, row in each.items()}
    better = max(("words", TRANSFORMER), key=mean.__getitem__)
    return {
        "papers": len(rows),
        "mrr": {system: round(value, 4) for system, value in mean.items()},
        "differences": {
            f"hybrid {TRANSFORMER} - its better part ({better})": difference(
                each[f"hybrid {TRANSFORMER}"], each[better]
            ),
            f"hybrid {STATIC} - words": difference(each[f"hybrid {STATIC}"], each["words"]),
        },
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data", type=Path, default=DATA)
    options.add_argument("--home", type=Path, default=default_home())
    options.add_argument("--papers", type=int, default=2_000)
    chosen = options.parse_args()
    if not models.reranker(chosen.home):
        raise NotFound("no reranker in this home", hint="broadsheet model install")
    systems, judged = cranfield_systems(chosen.data / "cranfield", chosen.home)
    results = {
        "settings": {
            "weights": {TRANSFORMER: MEANING_WEIGHT, STATIC: QUICK_WEIGHT},
            "depth": {"words": DEPTH, "meaning": NEAREST, "reranker": READ},
            "reranker_tokens": TOKENS,
        },
        "cranfield, all judgements relevant": table(systems, judged),
        "cranfield, without code -1": table(systems, [row for row in judged if row[2] != -1]),
        "title -> own abstract": own_abstracts(
            chosen.data / "acl-anthology", chosen.home, chosen.papers
        ),
    }
    print(json.dumps(results, indent=1))
    write_report(
        "search_quality",
        results,
        spread="rankings are deterministic; intervals are paired bootstraps over queries,"
        f" {RESAMPLES:,} resamples, 95 %",
    )


if __name__ == "__main__":
    main()
