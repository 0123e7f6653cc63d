"""Ranks papers for a question: one list by words, one by meaning, fused by rank.

Each list is searched with the filters inside. The lists are cut at fixed depths, so that turning
pages never shows a paper twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from broadsheet.index.attributes import Mask
from broadsheet.index.clauses import Clause
from broadsheet.index.fusion import RANK_CONSTANT, Ranking, fuse, parts_of
from broadsheet.index.predicates import Predicate
from broadsheet.papers.documents import to_document
from broadsheet.papers.model import Work
from broadsheet.papers.results import ScorePart
from broadsheet.papers.search.meaning import Dense, Meaning, Near
from broadsheet.papers.search.opened import Indexes

#: How far a ranked list can be paged.
DEPTH = 1_000
#: How many papers the meaning of a query brings in beside those that hold its words.
NEAREST = 200
#: Weights of the fusion, chosen on odd Cranfield queries (`benchmarks/search_quality.py`).
WORDS_WEIGHT = 1.0
MEANING_WEIGHT = 1.0
#: Of a static encoder, which is quick but ranks worse than words do.
QUICK_WEIGHT = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A query made ready to be searched.

    Args:
        clauses: Words and phrases that can match.
        text: What is asked for, for an encoder.
        predicate: The filters.
        allowed: The papers that satisfy the filters, required phrases and exclusions included.
        similar: Papers to be similar to, by number.
    """

    clauses: Sequence[Clause]
    text: str
    predicate: Predicate
    allowed: Mask
    similar: Mapping[int, Work] = field(default_factory=dict)

    @property
    def has_words(self) -> bool:
        """Tell whether any clause asks for something (and not only leaves out)."""
        return any(not clause.excluded for clause in self.clauses)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """Ranked papers as `(number, score)`, best first, which papers match, and how it was done.

    `searched` holds the searches by vectors.
    """

    order: list[tuple[int, float]]
    matching: Mask
    mode: str
    lists: Sequence[_List] = ()
    rankings: Sequence[Ranking] = ()
    searched: Sequence[Dense] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _List:
    """One ranked list before fusion; `detail` says something about the paper at a place."""

    name: str
    weight: float
    numbers: list[int]
    scores: list[float]
    detail: Callable[[int], str] = str
    by_words: bool = False


def rank(question: Question, indexes: Indexes, meaning: Meaning, mode: str) -> Ranked:
    """Rank the papers for a question by words, by meaning ("dense") or both ("hybrid")."""
    lists: list[_List] = []
    searched: list[Dense] = []
    matching = np.zeros_like(question.allowed)
    dense = mode != "words" and meaning.available
    by_words = question.has_words and (mode != "dense" or not dense)
    depth = NEAREST if by_words else DEPTH
    near = None
    if dense and question.has_words:
        near = meaning.begin_nearest(question.text, question.allowed, depth)
    if by_words:
        found = indexes.words.matching(question.clauses, question.predicate)
        matching = indexes.attributes.mask_of(found) & question.allowed
        lists.append(_by_words(question, indexes))
    if near is not None:
        searched.append(near.result())
        lists.append(_dense("meaning", searched[-1].near, QUICK_WEIGHT))
    if dense:
        for number, work in question.similar.items():
            neighbours = meaning.neighbours(number, question.allowed, depth)
            searched.append(neighbours)
            if neighbours.near:
                lists.append(_dense(f"like {work.id}", neighbours.near, MEANING_WEIGHT))
    lists += _like_by_words(question, indexes, {one.name for one in lists})
    for one in lists:
        matching[one.numbers] = True
    used = "hybrid" if by_words and dense else "dense" if dense else "words"
    if len(lists) == 1:
        order = list(zip(lists[0].numbers, lists[0].scores, strict=True))
        return Ranked(order=order, matching=matching, mode=used, lists=lists, searched=searched)
    rankings = [Ranking(numbers=one.numbers, weight=one.weight) for one in lists]
    order = fuse(rankings)
    return Ranked(
        order=order,
        matching=matching,
        mode=used,
        lists=lists,
        rankings=rankings,
        searched=searched,
    )


def by_date(indexes: Indexes, matching: Mask) -> list[tuple[int, float]]:
    """Return matching papers, the newest first; those without a date come last."""
    numbers = np.flatnonzero(matching)
    days = indexes.attributes.column("day", numbers, missing=0)
    years = indexes.attributes.column("year", numbers, missing=0)
    order = np.lexsort((-numbers, -years, -days))
    return [(int(number), 0.0) for number in numbers[order]]


def explain(
    ranked: Ranked, question: Question, indexes: Indexes, page: Sequence[tuple[int, float]]
) -> dict[int, tuple[ScorePart, ...]]:
    """Return the parts of the scores of papers `(number, score)`; they sum to the scores."""
    words: dict[int, list[tuple[str, str, float]]] = {}
    if any(one.by_words for one in ranked.lists):
        words = indexes.words.explain(question.clauses, [number for number, _ in page])
    return {
        number: tuple(_parts(ranked, number, score, words.get(number, [])))
        for number, score in page
    }


def _parts(
    ranked: Ranked, number: int, score: float, words: Sequence[tuple[str, str, float]]
) -> Iterator[ScorePart]:
    if not ranked.lists:
        yield ScorePart(name="date", value=score, detail="sorted by date, newest first")
    elif len(ranked.lists) > 1:
        said = ", ".join(f"{text} in {name} {value:.2f}" for name, text, value in words)
        for position, place, value in parts_of(number, ranked.rankings):
            one = ranked.lists[position]
            detail = f"BM25 {one.scores[place - 1]:.2f}: {said}"
            if not one.by_words:
                detail = one.detail(place - 1)
            yield ScorePart(name=one.name, value=value, detail=f"rank {place}; {detail}")
    elif ranked.lists[0].by_words:
        for name, text, value in words:
            yield ScorePart(name=name, value=value, detail=text)
    else:
        only = ranked.lists[0]
        place = only.numbers.index(number)
        yield ScorePart(name=only.name, value=score, detail=only.detail(place))


def _by_words(question: Question, indexes: Indexes) -> _List:
    hits = indexes.words.search(
        question.clauses, question.predicate, limit=DEPTH + len(question.similar)
    ).hits
    inside = _within(question.allowed, hits)
    return _List(
        name="words",
        weight=WORDS_WEIGHT,
        numbers=[number for number, _ in inside[:DEPTH]],
        scores=[score for _, score in inside[:DEPTH]],
        by_words=True,
    )


def _dense(name: str, near: Sequence[Near], quick_weight: float) -> _List:
    """Return the dense list as one.

    While a transformer's vectors fill in behind a static encoder's, the weight grows with them and
    is the same for all papers: those that were encoded first are not put before the others.
    """
    quick = sum(one.quick for one in near) / max(len(near), 1)
    cosines = [one.cosine for one in near]
    comparable = len({one.encoder for one in near}) == 1
    return _List(
        name=name,
        weight=quick * quick_weight + (1 - quick) * MEANING_WEIGHT,
        numbers=[one.number for one in near],
        scores=cosines if comparable else [1 / (RANK_CONSTANT + one.rank) for one in near],
        detail=lambda place: f"cosine {near[place].cosine:.3f} by {near[place].encoder}",
    )


def _like_by_words(question: Question, indexes: Indexes, ranked: set[str]) -> list[_List]:
    """Rank by shared words the papers similar to those that have no vector."""
    lists = []
    for number, work in question.similar.items():
        if f"like {work.id}" in ranked:
            continue
        hits = indexes.words.similar(
            to_document(number, work), question.predicate, limit=NEAREST + len(question.similar)
        ).hits
        lists.append(_shared_words(work, _within(question.allowed, hits)[:NEAREST]))
    return lists


def _shared_words(work: Work, hits: Sequence[tuple[int, float]]) -> _List:
    return _List(
        name=f"like {work.id}",
        weight=WORDS_WEIGHT,
        numbers=[number for number, _ in hits],
        scores=[score for _, score in hits],
        detail=lambda place: f"shared words {hits[place][1]:.2f}",
    )


def _within(allowed: Mask, hits: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """Leave out papers that one of sim: names, or that only the words index still knows."""
    numbers = np.fromiter((number for number, _ in hits), dtype=np.int64, count=len(hits))
    known = numbers < len(allowed)
    if known.all() and allowed[numbers].all():
        return hits
    return [hit for hit, here in zip(hits, known, strict=True) if here and allowed[hit[0]]]
