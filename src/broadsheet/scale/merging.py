"""What a shard answers, and how answers become one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from broadsheet.scale.rows import Numbers, Vectors


@dataclass(frozen=True, slots=True)
class Hits:
    """The nearest documents, by score downwards, equal scores by number.

    Args:
        numbers: int64 [m].
        scores: float32 [m].
        matches: How many documents satisfy the predicate.

    Example:
        >>> one = Hits(np.array([4]), np.array([0.5], dtype=np.float32), 9)
        >>> two = Hits(np.array([2]), np.array([0.5], dtype=np.float32), 1)
        >>> merged([one, two], 5).numbers.tolist()
        [2, 4]
    """

    numbers: Numbers
    scores: Vectors
    matches: int

    def __len__(self) -> int:
        return len(self.numbers)


NOTHING = Hits(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32), 0)


def merged(answers: Sequence[Hits], k: int) -> Hits:
    """Return the k best of several shards' hits."""
    numbers = np.concatenate([NOTHING.numbers, *(one.numbers for one in answers)])
    scores = np.concatenate([NOTHING.scores, *(one.scores for one in answers)])
    best = np.lexsort((numbers, -scores))[:k]
    return Hits(numbers[best], scores[best], sum(one.matches for one in answers))
