"""Ways to rank a test set, each as a table of scores, and what is read off such a table.

Legend: Q questions, N documents in ascending order of their ids, D width, L word pieces.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from broadsheet.core.paths import default_home
from broadsheet.evals.score import unit_rows
from broadsheet.index.clauses import Clause
from broadsheet.index.fusion import (
    Points,
    Ranking,
    add,
    fuse,
    nearness,
    presence_beside,
    words_points,
)
from broadsheet.index.lexical.bm25 import Bm25Index
from broadsheet.index.predicates import Document
from broadsheet.index.words import WordIndex, WordWriter
from broadsheet.metrics.ranking import top_k
from broadsheet.runtime.models import model_folder
from broadsheet.runtime.transformer import CrossEncoder
from broadsheet.systems.contract import Observation, Workspace
from broadsheet.systems.retrieval.limit.encoders import Pretrained, encoded, kept
from broadsheet.systems.retrieval.limit.recipe import (
    ABSTRACTS,
    FULL,
    PEOPLE,
    SMALL,
    RetrieverSettings,
)
from broadsheet.systems.retrieval.limit.tasks import Task

Floats = NDArray[np.float32]
Way = Literal["plain", "required", "covering"]

#: Lists are cut where the application cuts them: words, and meaning beside words.
DEPTH, NEAREST = 1000, 200
#: Where recall is read off.
DEPTHS = {SMALL: (2, 10, 20), FULL: (2, 10, 100), PEOPLE: (10,), ABSTRACTS: (10,)}
_PATTERN_DEPTHS = (2, 10)
_MISSING = -np.inf
#: The application's cross-encoder reads 128 tokens; people of LIMIT have more.
_CROSS_TOKENS = 512
#: Versions of scores that are kept.
_SCORED = {"maxsim": "1", "cross": "2"}


def rank_task(
    settings: RetrieverSettings, task: Task, workspace: Workspace
) -> Mapping[str, Floats]:
    """Return tables of scores, [Q, N], by label: "" for the whole, "32 numbers" for a cut one.

    A document that a list does not hold has the score minus infinity.
    """
    kind = settings.kind
    if kind == "bm25":
        return {"": _bm25(task)}
    if kind in ("words", "covering"):
        return {"": _by_words(task, "plain" if kind == "words" else "covering")}
    if kind in ("hybrid", "required"):
        meaning_QN = _single(settings, task, workspace)[""]
        way: Way = "required" if kind == "required" else "plain"
        points_QN = _points(task, way, settings.weight)
        return {"": fused(points_QN, meaning_QN, settings.weight, inside=kind == "required")}
    if kind == "by_rank":
        meaning_QN = _single(settings, task, workspace)[""]
        return {"": fused_by_rank(_by_words(task, "plain"), meaning_QN, settings.weight)}
    if kind == "binary":
        return _binary(settings, task, workspace)
    if kind in ("maxsim", "cross"):
        make = _maxsim if kind == "maxsim" else _cross
        key = (_SCORED[kind], kind, settings.model, *_texts(task), *task.data.queries.values())
        return {"": kept(workspace.shared, "scores", key, lambda: make(settings, task))}
    return _single(settings, task, workspace)


def measure(task: Task, tables: Mapping[str, Floats]) -> list[Observation]:
    """Return recall at the task's depths, and for two things how often all answers are shown.

    Cut vectors are measured on LIMIT only. Items carry the recall of each question.
    """
    names = sorted(task.data.documents)
    found = []
    for label, scores_QN in tables.items():
        if label and task.name not in (SMALL, FULL):
            continue
        for depth in DEPTHS.get(task.name, _PATTERN_DEPTHS):
            recall_Q = recall_at(scores_QN, task, names, depth)
            suffix = f", {label}" if label else ""
            found.append(_rate(task.name, f"recall@{depth}{suffix}", recall_Q))
            if task.name in (PEOPLE, ABSTRACTS) and not label:
                found.append(_rate(task.name, f"all in {depth}", (recall_Q == 1.0).astype(float)))
    return found


def recall_at(
    scores_QN: Floats, task: Task, names: Sequence[str], depth: int
) -> NDArray[np.float64]:
    """Return the share of a question's answers among its first `depth` documents.

    Ties go to the larger id, as everywhere (`metrics.ranking.top_k`); what a list does not hold is
    not found.

    **Shape**: -> [Q].
    """
    best_QK = top_k(scores_QN, depth)
    held_QK = np.take_along_axis(scores_QN, best_QK, axis=1) > _MISSING
    rates = []
    for row, judged in enumerate(task.data.qrels.values()):
        answers = {name for name, gain in judged.items() if gain > 0}
        shown = {names[i] for i, held in zip(best_QK[row], held_QK[row], strict=True) if held}
        rates.append(len(answers & shown) / len(answers))
    return np.array(rates)


def fused(points_QN: Floats, meaning_QN: Floats, weight: float, *, inside: bool) -> Floats:
    """Return the sum of words and meaning as the application makes it.

    Args:
        points_QN: What words give; the first 1,000 count, and those that are near.
        meaning_QN: Cosines, of which the first 200 count.
        weight: Of meaning.
        inside: Meaning ranks only what the words side holds (terms in quotes are required).
    """
    fused_QN = np.full(points_QN.shape, _MISSING, np.float32)
    for row, (points_N, meaning_N) in enumerate(zip(points_QN, meaning_QN, strict=True)):
        holding_N = points_N > _MISSING
        near = _best(np.where(holding_N, meaning_N, _MISSING) if inside else meaning_N, NEAREST)
        held = dict.fromkeys([*_best(points_N, DEPTH), *(one for one in near if holding_N[one])])
        nearer = nearness([float(meaning_N[one]) for one in near])
        lists = (
            Points(numbers=list(held), values=[float(points_N[one]) for one in held]),
            Points(numbers=near, values=[weight * one for one in nearer]),
        )
        for number, score in add(lists):
            fused_QN[row, number] = score
    return fused_QN


def fused_by_rank(words_QN: Floats, meaning_QN: Floats, weight: float) -> Floats:
    """Return reciprocal rank fusion, words with weight 1: what the application did first."""
    fused_QN = np.full(words_QN.shape, _MISSING, np.float32)
    for row, (words_N, meaning_N) in enumerate(zip(words_QN, meaning_QN, strict=True)):
        rankings = [
            Ranking(numbers=_best(words_N, DEPTH), weight=1.0),
            Ranking(numbers=_best(meaning_N, NEAREST), weight=weight),
        ]
        for number, score in fuse(rankings):
            fused_QN[row, number] = score
    return fused_QN


def max_sim(query_LD: Floats, document_LD: Floats) -> float:
    """Return late interaction: each word piece of the query meets its best one of the document.

    **Source**: ColBERT (arXiv 2004.12832), section 3.3.

    Example:
        >>> max_sim(np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32)[:1])
        1.0
    """
    return float((query_LD @ document_LD.T).max(axis=1).sum())


def _best(scores_N: Floats, depth: int) -> list[int]:
    order = np.lexsort((np.arange(len(scores_N)), -scores_N))
    return [int(i) for i in order[:depth] if scores_N[i] > _MISSING]


def _texts(task: Task) -> list[str]:
    return [task.data.documents[name] for name in sorted(task.data.documents)]


def _bm25(task: Task) -> Floats:
    index = Bm25Index.build(task.data.documents)
    rows = [index.scores(text) for text in task.data.queries.values()]
    scores_QN = np.stack(rows).astype(np.float32)
    scores_QN[scores_QN <= 0] = _MISSING
    return scores_QN


def _by_words(task: Task, way: Way) -> Floats:
    """Ask the application's words index: its default way, all terms in quotes, or by coverage.

    By coverage a document is ranked by the summed idf of the words of the question that it holds
    anywhere, each counted once, and only then by its score: a word in the title can't make up for
    a word that is missing.
    """
    scores_QN = _nothing(task)
    with _words_index(task) as index:
        for row, clauses in enumerate(_asked(task, way)):
            for number, score in index.search(clauses, limit=DEPTH).hits:
                scores_QN[row, number] = score
            if way == "covering":
                scores_QN[row] += _coverage(index, clauses, scores_QN.shape[1])
    return scores_QN


def _points(task: Task, way: Way, weight: float) -> Floats:
    """Return what words give each document beside meaning of a weight."""
    points_QN = _nothing(task)
    with _words_index(task) as index:
        for row, clauses in enumerate(_asked(task, way)):
            hits = index.search(
                clauses, limit=points_QN.shape[1], presence=presence_beside(weight)
            ).hits
            asked = index.weight(clauses)
            given = words_points([score for _, score in hits], asked=asked, meaning=weight)
            points_QN[row, [number for number, _ in hits]] = given
    return points_QN


def _nothing(task: Task) -> Floats:
    return np.full((len(task.data.queries), len(task.data.documents)), _MISSING, np.float32)


@contextmanager
def _words_index(task: Task) -> Iterator[WordIndex]:
    texts = _texts(task)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "words"
        with WordWriter(folder, terms=(), numbers=()) as writer:
            writer.apply(map(_document, range(len(texts)), texts), deleted=[], revision=1)
        yield WordIndex(folder, terms=(), numbers=())


def _asked(task: Task, way: Way) -> Iterator[list[Clause]]:
    for key, text in task.data.queries.items():
        if way == "required":
            yield [Clause(text=term, kind="phrase") for term in task.terms[key]]
        else:
            yield [Clause(text=word) for word in re.findall(r"\w[\w'-]*", text)]


def _coverage(index: WordIndex, clauses: Sequence[Clause], documents: int) -> Floats:
    """Return the summed idf of the clauses that each document holds, far above any score."""
    covered_N = np.zeros(documents, np.float32)
    for clause in index.effective(clauses):
        holding = index.matching([clause])
        covered_N[holding] += np.log1p(documents / max(1, len(holding)))
    return 1000.0 * covered_N


def _document(number: int, text: str) -> Document:
    """Return a text as the application keeps a paper: the first of two lines is its title."""
    title, line, body = text.partition("\n")
    return Document(number=number, title=title if line else "", body=body if line else text)


def _single(settings: RetrieverSettings, task: Task, workspace: Workspace) -> Mapping[str, Floats]:
    query_QD, document_ND = _vectors(settings, task, workspace)
    tables = {"": query_QD @ document_ND.T}
    for dim in settings.dims:
        cut_QD = unit_rows(query_QD[:, :dim], len(query_QD))
        tables[f"{dim} numbers"] = cut_QD @ unit_rows(document_ND[:, :dim], len(document_ND)).T
    return tables


def _binary(settings: RetrieverSettings, task: Task, workspace: Workspace) -> Mapping[str, Floats]:
    query_QD, document_ND = _vectors(settings, task, workspace)
    signs_ND = np.where(document_ND > 0, 1.0, -1.0).astype(np.float32)
    both_QD = np.where(query_QD > 0, 1.0, -1.0).astype(np.float32)
    return {"": both_QD @ signs_ND.T, "query in float": query_QD @ signs_ND.T}


def _vectors(
    settings: RetrieverSettings, task: Task, workspace: Workspace
) -> tuple[Floats, Floats]:
    queries = list(task.data.queries.values())
    return (
        encoded(settings.model, queries, "query", workspace),
        encoded(settings.model, _texts(task), "document", workspace),
    )


def _maxsim(settings: RetrieverSettings, task: Task) -> Floats:
    encoder = Pretrained(settings.model)
    queries = list(task.data.queries.values())
    asked = dict(encoder.pieces(queries, "query"))
    begin = np.cumsum([0, *(len(asked[row]) for row in range(len(queries)))])
    every_LD = np.concatenate([asked[row] for row in range(len(queries))])
    texts = _texts(task)
    scores_QN = np.zeros((len(queries), len(texts)), np.float32)
    for place, document_LD in encoder.pieces(texts, "document"):
        best_L = (every_LD @ document_LD.T).max(axis=1)
        scores_QN[:, place] = np.add.reduceat(best_L, begin[:-1])
    return scores_QN


def _cross(settings: RetrieverSettings, task: Task) -> Floats:
    folder = model_folder(default_home(), settings.model)
    model = CrossEncoder(folder, threads=1, max_tokens=_CROSS_TOKENS)
    texts = _texts(task)
    return np.stack([model.score(text, texts) for text in task.data.queries.values()])


def _rate(dataset: str, metric: str, values_Q: NDArray[np.float64]) -> Observation:
    return Observation(
        dataset=dataset,
        metric=metric,
        unit="x100",
        value=100.0 * float(values_Q.mean()),
        n=len(values_Q),
        items={"score": values_Q},
    )
