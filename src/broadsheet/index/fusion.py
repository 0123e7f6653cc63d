"""Reciprocal rank fusion: several ranked lists become one, by rank alone.

Source: Cormack, Clarke and Buettcher, "Reciprocal Rank Fusion outperforms Condorcet and
individual Rank Learning Methods" (SIGIR 2009).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: The paper's constant: how quickly the first ranks lose their lead.
RANK_CONSTANT = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """A ranked list that takes part in a fusion: document numbers, best first, and its weight."""

    numbers: Sequence[int]
    weight: float = 1.0


def fuse(
    rankings: Sequence[Ranking], *, constant: float = RANK_CONSTANT
) -> list[tuple[int, float]]:
    """Fuse ranked lists: a document's score is the sum of `weight / (constant + rank)`.

    Ranks begin at 1; a list that does not hold a document adds nothing. Equal scores are ordered
    by number.

    Returns:
        (number, score), best first.

    Example:
        >>> fused = fuse([Ranking(numbers=[1, 2]), Ranking(numbers=[2, 3])])
        >>> [number for number, _ in fused]
        [2, 1, 3]
    """
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, number in enumerate(ranking.numbers, 1):
            scores[number] = scores.get(number, 0.0) + ranking.weight / (constant + rank)
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))


def parts_of(
    number: int, rankings: Sequence[Ranking], *, constant: float = RANK_CONSTANT
) -> list[tuple[int, int, float]]:
    """Return what each list adds to a document's score: (position of the list, rank, value)."""
    parts = []
    for position, ranking in enumerate(rankings):
        if number in ranking.numbers:
            rank = ranking.numbers.index(number) + 1
            parts.append((position, rank, ranking.weight / (constant + rank)))
    return parts
