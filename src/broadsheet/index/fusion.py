"""Several ranked lists become one: by what each gives a document, or by rank alone.

A question's words and its meaning are added up. Words count as a share of what the question asks
for, so that a document that holds all of it stands out by as much as the others lack; meaning
counts by how much nearer a document is than the last of its list. `docs/decisions/fusion.md` says
why, and `benchmarks/fusion.py` compares.

Sources: Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval" (TOIS 2023),
for sums of scores; Lv and Zhai, "Lower-bounding term frequency normalization" (CIKM 2011), for what
a word adds for being there; Cormack, Clarke and Buettcher, "Reciprocal Rank Fusion outperforms
Condorcet and individual Rank Learning Methods" (SIGIR 2009).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: The paper's constant: how quickly the first ranks lose their lead.
RANK_CONSTANT = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """A ranked list that takes part in a fusion by rank: document numbers, best first, a weight."""

    numbers: Sequence[int]
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """A list that takes part in a sum: document numbers, and what each of them is given."""

    numbers: Sequence[int]
    values: Sequence[float]


def add(lists: Sequence[Points]) -> list[tuple[int, float]]:
    """Add up what lists give; a list that does not hold a document gives it nothing.

    Returns:
        (number, score), best first; equal scores by number.

    Example:
        >>> add([Points(numbers=[1, 2], values=[0.9, 0.3]), Points(numbers=[2], values=[0.8])])
        [(2, 1.1), (1, 0.9)]
    """
    scores: dict[int, float] = {}
    for one in lists:
        for number, value in zip(one.numbers, one.values, strict=True):
            scores[number] = scores.get(number, 0.0) + value
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))


def presence_beside(meaning: float) -> float:
    """Return what a word gives for being there, in its idf, beside meaning of this weight.

    Of what words give, half the weight of meaning goes to which words are there, whatever their
    number; the rest goes by BM25. BM25 alone where there is no meaning.

    Example:
        >>> presence_beside(1.0), presence_beside(0.0)
        (1.0, 0.0)
    """
    return meaning / (2 - meaning)


def words_points(scores: Sequence[float], *, asked: float, meaning: float) -> list[float]:
    """Return what words give: scores with that presence, as a share of what is asked for.

    Args:
        scores: BM25 and `presence_beside(meaning)` idfs of each word held.
        asked: The summed idf of the question's words.
        meaning: The weight of meaning, from 0 to 1.

    Example:
        >>> words_points([6.0, 3.0], asked=3.0, meaning=1.0)
        [1.0, 0.5]
    """
    scale = (1 - meaning / 2) / asked if asked > 0 else 0.0
    return [scale * score for score in scores]


def nearness(cosines: Sequence[float]) -> list[float]:
    """Return how much nearer than the last of its list each is: 0 for the last, 1 for the same.

    Encoders put unrelated texts at quite different cosines; counted from there they are alike.

    Example:
        >>> nearness([1.0, 0.75, 0.5])
        [1.0, 0.5, 0.0]
    """
    last = min(cosines, default=0.0)
    room = max(1.0 - last, 1e-6)
    return [(cosine - last) / room for cosine in cosines]


def fuse(
    rankings: Sequence[Ranking], *, constant: float = RANK_CONSTANT
) -> list[tuple[int, float]]:
    """Fuse ranked lists: a document's score is the sum of `weight / (constant + rank)`.

    Ranks begin at 1; a list that does not hold a document adds nothing.

    Returns:
        (number, score), best first; equal scores by number.

    Example:
        >>> fused = fuse([Ranking(numbers=[1, 2]), Ranking(numbers=[2, 3])])
        >>> [number for number, _ in fused]
        [2, 1, 3]
    """
    return add(
        [
            Points(
                numbers=one.numbers,
                values=[one.weight / (constant + rank) for rank in range(1, len(one.numbers) + 1)],
            )
            for one in rankings
        ]
    )
