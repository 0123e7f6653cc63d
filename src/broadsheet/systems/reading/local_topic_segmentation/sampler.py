"""Which pairs of sentences a step learns from.

Every pair of neighbours comes once in a pass, in a drawn order. Each brings one pair that are no
neighbours: a negative for next sentence prediction.

Legend: B neighbouring pairs of a step, P = 2 B pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.systems.reading.local_topic_segmentation.units import Ints, Units


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of units and what they are.

    Args:
        first_P: Place of the first sentence.
        second_P: Place of the second.
        same_P: 1 where both lie in one segment.
        next_P: 1 where the second really follows the first.
    """

    first_P: Ints
    second_P: Ints
    same_P: Ints
    next_P: Ints

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.first_P)

    def first(self, count: int) -> Pairs:
        """Return the first pairs only."""
        rows = slice(0, count)
        return Pairs(self.first_P[rows], self.second_P[rows], self.same_P[rows], self.next_P[rows])


def pairs_of(units: Units, first_P: Ints, second_P: Ints) -> Pairs:
    """Return pairs with their labels."""
    same_document = units.document_N[first_P] == units.document_N[second_P]
    return Pairs(
        first_P,
        second_P,
        (units.segment_N[first_P] == units.segment_N[second_P]).astype(np.int64),
        (same_document & (second_P == first_P + 1)).astype(np.int64),
    )


class SentencePairSampler:
    """Draws the pairs of each step; a step's pairs depend on the seeds and its number alone.

    Args:
        units: Of the training documents.
        batch: Neighbouring pairs in a step.
        other_share: Share of the negatives whose second sentence is of another document; the
            others are of the same one, and half of those of the same segment where it has such.
        seeds: Of the draws.

    Raises:
        BadInput: There is no pair, or only one document where others are asked for.

    Example:
        >>> from broadsheet.data.segmentation import SegmentedDocument
        >>> from broadsheet.systems.reading.local_topic_segmentation.units import flatten
        >>> one = SegmentedDocument(id="d", units=("a", "b", "c", "d"), masses=(1, 3))
        >>> sampler = SentencePairSampler(flatten([one, one], ()), 3, 0.5, SeedTree(1))
        >>> pairs = sampler.at(0)
        >>> pairs.next_P.tolist(), sampler.steps_in_pass
        ([1, 1, 1, 0, 0, 0], 2)
    """

    def __init__(self, units: Units, batch: int, other_share: float, seeds: SeedTree) -> None:
        self._units = units
        self._neighbours = units.neighbours()
        self._segments = units.segment_N.tolist()
        self._batch = batch
        self._other_share = other_share
        self._seeds = seeds
        self._orders: dict[int, Ints] = {}
        if not len(self._neighbours) or batch < 1 or (other_share > 0 and len(units.masses) < 2):
            raise BadInput(
                "pairs need two units in a document, and a second document for negatives",
                received=f"{len(self._neighbours)} pairs, {len(units.masses)} documents",
            )

    @property
    def steps_in_pass(self) -> int:
        """Return how many steps see every pair of neighbours once."""
        return -(-len(self._neighbours) // self._batch)

    def at(self, step: int) -> Pairs:
        """Return the pairs of a step: B neighbours, then B that are none."""
        count, size = len(self._neighbours), self._batch
        places = np.arange(step * size, (step + 1) * size)
        passes = places // count
        first = np.empty(size, np.int64)
        for number in np.unique(passes).tolist():
            rows = passes == number
            first[rows] = self._neighbours[self._order(number)[places[rows] % count]]
        second = self.negatives(first, self._seeds.child("negatives", step).numpy())
        return pairs_of(
            self._units,
            np.concatenate([first, first]),
            np.concatenate([first + 1, second]),
        )

    def _order(self, number: int) -> Ints:
        """Return the order of the neighbours in a pass."""
        if number not in self._orders:
            drawn = self._seeds.child("order", number).numpy().permutation(len(self._neighbours))
            self._orders = {number: drawn, **dict(list(self._orders.items())[:1])}
        return self._orders[number]

    def negatives(self, first_B: Ints, rng: np.random.Generator) -> Ints:
        """Return for each unit one that is neither itself nor the next.

        A document of two units has no such unit; then it comes from another document.
        """
        units = self._units
        document_B = units.document_N[first_B]
        starts, ends = units.starts[document_B], units.starts[document_B + 1]
        second = np.empty_like(first_B)
        elsewhere = rng.random(len(first_B)) < self._other_share
        inside = rng.random(len(first_B)) < 0.5
        draws = rng.random(len(first_B))
        for at, place in enumerate(first_B.tolist()):
            lower, upper = int(starts[at]), int(ends[at])
            near = self._others(place, lower, upper, own=bool(inside[at]))
            if elsewhere[at] or not near:
                drawn = int(draws[at] * (len(units) - (upper - lower)))
                second[at] = drawn if drawn < lower else drawn + upper - lower
            else:
                second[at] = near[int(draws[at] * len(near))]
        return second

    def _others(self, place: int, lower: int, upper: int, *, own: bool) -> list[int]:
        """Return the units of a document that are neither `place` nor the next.

        With `own` those of the same segment, if there are any.
        """
        if own:
            segment = self._segments[place]
            start, stop = place, place + 1
            while start > lower and self._segments[start - 1] == segment:
                start -= 1
            while stop < upper and self._segments[stop] == segment:
                stop += 1
            found = [*range(start, place), *range(place + 2, stop)]
            if found:
                return found
        return [*range(lower, place), *range(place + 2, upper)]
