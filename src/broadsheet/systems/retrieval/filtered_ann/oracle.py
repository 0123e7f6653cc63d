"""The exact answers: blocked float32 inner products, ties by row, and recall against them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from broadsheet.core.seeds import SeedTree
from broadsheet.systems.retrieval.filtered_ann.interface import Ids, Mask, Vectors

#: Neighbours kept beyond k, for ties with the k-th.
SPARE = 28
#: Scores nearer than this are a tie: float32 sums of other order differ by less.
TIE = 2e-6

_ROWS, _TOGETHER = 65_536, 16
_SPARSE = 0.05


@dataclass(frozen=True, slots=True)
class Truth:
    """The exact answer to one question.

    Args:
        ids: Best first, equal scores by row; at most as many as were kept.
        scores: Of `ids`.
        matches: How many rows satisfy the predicate.
        correlation: Mean score of the ten nearest matches, less that of the ten nearest of as
            many rows drawn at random: how much the predicate favours the query's neighbourhood.
    """

    ids: Ids
    scores: Vectors
    matches: int
    correlation: float

    def recall(self, found: Ids, k: int) -> float:
        """Return the share of the true k nearest that was found; 1 where nothing matches.

        The denominator is min(k, matches). A row that ties with the k-th counts as well as it.

        Example:
            >>> truth = Truth(np.array([4, 1, 7]), np.array([0.9, 0.5, 0.5], np.float32), 3, 0.0)
            >>> truth.recall(np.array([4, 7]), 2), truth.recall(np.array([1]), 3)
            (1.0, 0.3333333333333333)
        """
        wanted = min(k, self.matches)
        if wanted == 0:
            return 1.0
        good = self.ids[self.scores >= self.scores[min(wanted, len(self.ids)) - 1] - TIE]
        return min(int(np.isin(found[:k], good).sum()), wanted) / wanted


def exact_answers(
    vectors: Vectors,
    queries: Vectors,
    masks: Sequence[Mask],
    *,
    keep: int,
    seeds: SeedTree,
) -> Iterator[Truth]:
    """Yield the exact answer of each query under its mask.

    Args:
        vectors: [n, d].
        queries: [q, d].
        masks: q masks of n.
        keep: Neighbours to keep.
        seeds: Draws the random rows that the correlation is measured against.
    """
    for begin in range(0, len(queries), _TOGETHER):
        group = range(begin, min(begin + _TOGETHER, len(queries)))
        dense = [place for place in group if masks[place].mean() > _SPARSE]
        scores = _all_scores(vectors, queries[dense]) if dense else np.zeros((0, 0), np.float32)
        for place in group:
            draw = seeds.child(place).numpy()
            ids = np.flatnonzero(masks[place])
            if place in dense:
                row = scores[dense.index(place)]
                own, other = row[ids], row[draw.random(len(row)) < len(ids) / len(row)]
            else:
                drawn = np.sort(draw.integers(0, len(vectors), len(ids)))
                own = vectors[ids] @ queries[place]
                other = vectors[drawn] @ queries[place]
            yield _truth(ids, own, other, keep)


def nearest(ids: npt.NDArray[np.integer], scores: Vectors, k: int) -> npt.NDArray[np.int64]:
    """Return the places of the k highest scores, best first, equal ones by id."""
    if len(scores) > k:
        least = np.partition(scores, len(scores) - k)[len(scores) - k]
        places = np.flatnonzero(scores >= least)
    else:
        places = np.arange(len(scores))
    order = np.lexsort((ids[places], -scores[places]))[:k]
    return places[order].astype(np.int64)


def _all_scores(vectors: Vectors, queries: Vectors) -> Vectors:
    scores = np.empty((len(queries), len(vectors)), np.float32)
    for begin in range(0, len(vectors), _ROWS):
        block = vectors[begin : begin + _ROWS]
        scores[:, begin : begin + len(block)] = queries @ block.T
    return scores


def _truth(ids: Ids, own: Vectors, other: Vectors, keep: int) -> Truth:
    places = nearest(ids, own, keep)
    ten = min(10, len(own), len(other))
    gain = 0.0
    if ten:
        at_random = np.partition(other, len(other) - ten)[-ten:]
        gain = float(own[places[:ten]].mean() - at_random.mean())
    return Truth(ids[places].astype(np.int64), own[places], len(ids), gain)
