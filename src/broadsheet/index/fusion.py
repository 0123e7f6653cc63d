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

    name: str
    numbers: Sequence[int]
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fused:
    """A document of the fused list; `parts` holds (position of the ranking, rank, value)."""

    number: int
    score: float
    parts: tuple[tuple[int, int, float], ...]


def fuse(rankings: Sequence[Ranking], *, constant: float = RANK_CONSTANT) -> list[Fused]:
    """Fuse ranked lists: a document's score is the sum of `weight / (constant + rank)`.

    Ranks begin at 1; a list that does not hold a document adds nothing. Equal scores are ordered
    by document number.

    Example:
        >>> fused = fuse([Ranking(name="a", numbers=[1, 2]), Ranking(name="b", numbers=[2, 3])])
        >>> [item.number for item in fused]
        [2, 1, 3]
    """
    parts: dict[int, list[tuple[int, int, float]]] = {}
    for position, ranking in enumerate(rankings):
        for rank, number in enumerate(ranking.numbers, 1):
            part = (position, rank, ranking.weight / (constant + rank))
            parts.setdefault(number, []).append(part)
    fused = [
        Fused(number=number, score=sum(value for _, _, value in held), parts=tuple(held))
        for number, held in parts.items()
    ]
    fused.sort(key=lambda item: (-item.score, item.number))
    return fused
