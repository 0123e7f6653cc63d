"""Ranks papers for a question: what their words give and what their meaning gives, added up.

Each list is searched with the filters inside. The lists are cut at fixed depths, so that turning
pages never shows a paper twice. How the two are brought to one scale stands in `index.fusion`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from broadsheet.index.attributes import Mask
from broadsheet.index.clauses import Clause
from broadsheet.index.fusion import (
    RANK_CONSTANT,
    Points,
    add,
    nearness,
    presence_beside,
    words_points,
)
from broadsheet.index.predicates import Predicate
from broadsheet.index.wordqueries import HELD
from broadsheet.papers.documents import to_document
from broadsheet.papers.model import Work
from broadsheet.papers.results import ScorePart
from broadsheet.papers.search.meaning import Dense, Meaning, Near
from broadsheet.papers.search.opened import Indexes

#: How far a ranked list can be paged.
DEPTH = 1_000
#: How many papers the meaning of a query brings in beside those that hold its words.
NEAREST = 200
#: The weight of meaning, against 1 for words: chosen on odd Cranfield queries and on questions of
#: two terms (`benchmarks/fusion.py`).
MEANING_WEIGHT = 1.0
#: Of a static encoder, which is quick but ranks worse than words do.
QUICK_WEIGHT = 0.4


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
    searched: Sequence[Dense] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """The words of a question: their summed idf, and the weight of the meaning beside them."""

    weight: float
    meaning: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _List:
    """One list before it is added to others.

    Args:
        name: For people.
        numbers: Papers, best first.
        scores: What they are ranked by when this is the only list.
        points: What they are given when it is not.
        detail: Says something about the paper at a place.
        asked: Set for the list that words made.
    """

    name: str
    numbers: list[int]
    scores: list[float]
    points: list[float]
    detail: Callable[[int], str] = str
    asked: _Asked | None = None


def rank(question: Question, indexes: Indexes, meaning: Meaning, mode: str) -> Ranked:
    """Rank the papers for a question by words, by meaning ("dense") or both ("hybrid")."""
    dense = mode != "words" and meaning.available
    by_words = question.has_words and (mode != "dense" or not dense)
    depth = NEAREST if by_words else DEPTH
    weight = _weight(meaning.quick_share(question.allowed)) if dense else 0.0
    near = None
    if dense and question.has_words:
        near = meaning.begin_nearest(question.text, question.allowed, depth)
    matching = np.zeros_like(question.allowed)
    hits: list[tuple[int, float]] = []
    if by_words:
        found = indexes.words.matching(question.clauses, question.predicate)
        matching = indexes.attributes.mask_of(found) & question.allowed
        hits = _hits(question, indexes, presence_beside(weight))
    lists: list[_List] = []
    searched: list[Dense] = []
    if near is not None:
        searched.append(near.result())
        lists.append(_dense("meaning", searched[-1].near, weight))
    for number, work in question.similar.items() if dense else ():
        searched.append(meaning.neighbours(number, question.allowed, depth))
        if searched[-1].near:
            lists.append(_dense(f"like {work.id}", searched[-1].near, MEANING_WEIGHT))
    lists += _like_by_words(question, indexes, {one.name for one in lists})
    if by_words:
        hits += _further_hits(question, indexes, hits, lists, matching, weight)
        lists.insert(0, _by_words(question, indexes, hits, weight))
    for one in lists:
        matching[one.numbers] = True
    used = "hybrid" if by_words and dense else "dense" if dense else "words"
    if len(lists) == 1:
        order = list(zip(lists[0].numbers, lists[0].scores, strict=True))
    else:
        order = add([Points(numbers=one.numbers, values=one.points) for one in lists])
    return Ranked(order=order, matching=matching, mode=used, lists=lists, searched=searched)


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
    for one in ranked.lists:
        if one.asked is not None:
            numbers = [number for number, _ in page]
            presence = presence_beside(one.asked.meaning)
            words = indexes.words.explain(question.clauses, numbers, presence=presence)
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
        for one in ranked.lists:
            if number in one.numbers:
                place = one.numbers.index(number)
                detail = one.detail(place) if one.asked is None else _said(words, one.asked)
                yield ScorePart(
                    name=one.name, value=one.points[place], detail=f"rank {place + 1}; {detail}"
                )
    elif ranked.lists[0].asked is not None:
        for name, text, value in words:
            yield ScorePart(name=name, value=value, detail=text)
    else:
        only = ranked.lists[0]
        place = only.numbers.index(number)
        yield ScorePart(name=only.name, value=score, detail=only.detail(place))


def _said(words: Sequence[tuple[str, str, float]], asked: _Asked) -> str:
    """Say what a paper holds of a question, and what that scores."""
    scored = [one for one in words if one[0] != HELD]
    total = sum(value for _, _, value in scored)
    said = ", ".join(f"{text} in {name} {value:.2f}" for name, text, value in scored)
    held = sum(value for name, _, value in words if name == HELD)
    whole = presence_beside(asked.meaning) * asked.weight
    share = f"holds {held / whole:.0%} of what is asked; " if whole else ""
    return f"{share}BM25 {total:.2f}: {said}"


def _weight(quick: float) -> float:
    """Return the weight of meaning where a static encoder ranks this share of the papers.

    While a transformer's vectors fill in behind a static encoder's, the weight grows with them and
    is the same for all papers: those that were encoded first are not put before the others.
    """
    return quick * QUICK_WEIGHT + (1 - quick) * MEANING_WEIGHT


def _hits(question: Question, indexes: Indexes, presence: float) -> list[tuple[int, float]]:
    limit = DEPTH + len(question.similar)
    found = indexes.words.search(
        question.clauses, question.predicate, limit=limit, presence=presence
    )
    return _within(question.allowed, found.hits)[:DEPTH]


def _further_hits(
    question: Question,
    indexes: Indexes,
    hits: Sequence[tuple[int, float]],
    lists: Sequence[_List],
    matching: Mask,
    weight: float,
) -> list[tuple[int, float]]:
    """Score the words of papers that another list holds and the cut words list does not."""
    if len(hits) < DEPTH:
        return []
    held = {number for number, _ in hits}
    others = {number for one in lists for number in one.numbers if matching[number]} - held
    presence = presence_beside(weight)
    scores = indexes.words.scores(question.clauses, sorted(others), presence=presence)
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))


def _by_words(
    question: Question, indexes: Indexes, hits: Sequence[tuple[int, float]], weight: float
) -> _List:
    asked = _Asked(weight=indexes.words.weight(question.clauses), meaning=weight)
    scores = [score for _, score in hits]
    return _List(
        name="words",
        numbers=[number for number, _ in hits],
        scores=scores,
        points=words_points(scores, asked=asked.weight, meaning=weight),
        asked=asked,
    )


def _dense(name: str, near: Sequence[Near], weight: float) -> _List:
    cosines = [one.cosine for one in near]
    comparable = len({one.encoder for one in near}) == 1
    return _List(
        name=name,
        numbers=[one.number for one in near],
        scores=cosines if comparable else [1 / (RANK_CONSTANT + one.rank) for one in near],
        points=[weight * value for value in _nearness(near)],
        detail=lambda place: f"cosine {near[place].cosine:.3f} by {near[place].encoder}",
    )


def _nearness(near: Sequence[Near]) -> list[float]:
    """Return how near each of a list is, counted within its own encoder's part of the list.

    A list of two encoders was merged by rank: its places stay, and share the values by size.
    """
    values: list[float] = []
    for encoder in {one.encoder for one in near}:
        values += nearness([one.cosine for one in near if one.encoder == encoder])
    return sorted(values, reverse=True)


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
    scores = [score for _, score in hits]
    best = max(scores, default=1.0)
    return _List(
        name=f"like {work.id}",
        numbers=[number for number, _ in hits],
        scores=scores,
        points=[MEANING_WEIGHT * score / best for score in scores],
        detail=lambda place: f"shared words {hits[place][1]:.2f}",
    )


def _within(allowed: Mask, hits: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """Leave out papers that one of sim: names, or that only the words index still knows."""
    numbers = np.fromiter((number for number, _ in hits), dtype=np.int64, count=len(hits))
    known = numbers < len(allowed)
    if known.all() and allowed[numbers].all():
        return hits
    return [hit for hit, here in zip(hits, known, strict=True) if here and allowed[hit[0]]]
