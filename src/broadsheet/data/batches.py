"""Which items make up which batch: a pure function of the seeds and the number of the step.

Nothing is consumed, so a run that was killed goes on with the very batches it would have had.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from broadsheet.core.errors import UsageError
from broadsheet.core.seeds import SeedTree

Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSettings:
    """How items are put together.

    Args:
        size: Items in a batch; the rest of an epoch that fills no batch is left out of it.
        buckets: Batches whose items are sorted by length together, so that a batch holds texts of
            like length; 1 keeps the order of the shuffle.
        unique: No text may be in a batch twice, on either side, so that no in-batch negative is a
            copy of a positive.

    Example:
        >>> BatchSettings(size=32).buckets
        1
    """

    size: int
    buckets: int = 1
    unique: bool = True


class Batches:
    """Shuffled epochs over one data set.

    Each epoch is a new shuffle and holds every item at most once, except where the last batches
    can only be filled without a double by taking an item again.

    Args:
        texts: The texts of each item, such as `[texts_of(pair) for pair in pairs]`.
        settings: How items are put together.
        seeds: Decides the order.

    Raises:
        UsageError: Fewer items, or different texts, than a batch takes.

    Example:
        >>> batches = Batches([("a", "b"), ("c", "d"), ("a", "e")], BatchSettings(size=2),
        ...                   SeedTree(7))
        >>> [sorted(batches.at(step).tolist()) for step in (0, 0)] in ([[0, 1]] * 2, [[1, 2]] * 2)
        True
    """

    def __init__(
        self, texts: Sequence[Sequence[str]], settings: BatchSettings, seeds: SeedTree
    ) -> None:
        if settings.size < 1 or settings.buckets < 1:
            raise UsageError("a batch has at least one item", received=settings)
        if len(texts) < settings.size:
            raise UsageError(
                "fewer items than a batch takes",
                received=f"{len(texts)} items, batches of {settings.size}",
                hint="a smaller batch",
            )
        self.settings = settings
        self._seeds = seeds
        self._lengths = np.array([sum(map(len, item)) for item in texts], dtype=np.int64)
        numbers: dict[str, int] = {}
        self._keys = [
            frozenset(numbers.setdefault(text, len(numbers)) for text in item) for item in texts
        ]
        self._doubles = len(numbers) < sum(len(keys) for keys in self._keys)
        self._epoch = lru_cache(maxsize=2)(self._make_epoch)

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self._keys)

    @property
    def per_epoch(self) -> int:
        """Batches in an epoch."""
        return len(self) // self.settings.size

    def at(self, step: int) -> Places:
        """Return the places of the items of one batch.

        Shape:
            (size,)

        Raises:
            UsageError: The step is negative, or there are too few different texts for a batch.
        """
        if step < 0:
            raise UsageError("steps count from 0", received=step)
        epoch, batch = divmod(step, self.per_epoch)
        places: Places = self._epoch(epoch)[batch]
        return places

    def _make_epoch(self, epoch: int) -> Places:
        """Return all batches of an epoch, (batches, size)."""
        settings = self.settings
        order = self._seeds.child("epoch", epoch).numpy().permutation(len(self))
        if settings.buckets > 1:
            group = settings.size * settings.buckets
            parts = [order[i : i + group] for i in range(0, len(order), group)]
            order = np.concatenate([p[np.argsort(self._lengths[p], kind="stable")] for p in parts])
        if settings.unique and self._doubles:
            rows = self._without_doubles(order)
        else:
            rows = order[: self.per_epoch * settings.size].reshape(-1, settings.size)
        if settings.buckets > 1:  # Short and long batches alternate at random.
            rows = rows[self._seeds.child("rows", epoch).numpy().permutation(len(rows))]
        return np.asarray(rows, dtype=np.int64)

    def _without_doubles(self, order: Places) -> Places:
        """Put each item into the first batch with room behind all that hold one of its texts."""
        size, count = self.settings.size, self.per_epoch
        rows: list[list[int]] = [[] for _ in range(count)]
        used: list[set[int]] = [set() for _ in range(count)]
        after: dict[int, int] = {}  # Text to the row behind the last one that holds it.
        first = 0
        for place in order.tolist():
            keys = self._keys[place]
            start = max(first, *(after.get(key, 0) for key in keys))
            for row in range(start, count):
                if len(rows[row]) < size:
                    rows[row].append(place)
                    used[row] |= keys
                    after.update(dict.fromkeys(keys, row + 1))
                    break
            while first < count and len(rows[first]) == size:
                first += 1
        for row in range(first, count):
            self._fill(rows[row], used[row], order)
        return np.array(rows, dtype=np.int64)

    def _fill(self, row: list[int], used: set[int], order: Places) -> None:
        for place in order.tolist():
            if len(row) == self.settings.size:
                return
            if used.isdisjoint(self._keys[place]):
                row.append(place)
                used |= self._keys[place]
        if len(row) < self.settings.size:
            raise UsageError(
                "too few different texts for a batch without doubles",
                received=f"batches of {self.settings.size}",
                hint="a smaller batch, or unique=False",
            )


class Mixture:
    """Batches of several data sets in fixed proportions, each batch of one set.

    Steps come in rounds of 1,000: in each round every set has its exact share (by largest
    remainder) at shuffled places, and walks through its own epochs.

    Args:
        parts: Batches by name of the data set.
        weights: Weight by the same names; they need not sum to 1.
        seeds: Decides which set a step draws from.

    Raises:
        UsageError: Names differ, a weight is negative, all are zero, or one is too small.

    Example:
        >>> seeds = SeedTree(1)
        >>> part = Batches([("a",), ("b",)], BatchSettings(size=1), seeds)
        >>> mixture = Mixture({"x": part, "y": part}, {"x": 3, "y": 1}, seeds)
        >>> [mixture.at(step)[0] for step in range(1000)].count("x")
        750
    """

    ROUND = 1000

    def __init__(
        self, parts: Mapping[str, Batches], weights: Mapping[str, float], seeds: SeedTree
    ) -> None:
        total = sum(weights.values())
        if parts.keys() != weights.keys() or not total > 0 or min(weights.values()) < 0:
            raise UsageError(
                "a mixture needs a weight of 0 or more for each data set, one of them above 0",
                received=dict(weights),
                hint=", ".join(parts),
            )
        self._parts = dict(parts)
        self._seeds = seeds
        self.shares = _largest_remainder(weights, self.ROUND)
        never = [name for name, share in self.shares.items() if weights[name] > 0 and not share]
        if never:
            raise UsageError(
                f"a data set would never be drawn from: its share is below 1 in {self.ROUND:,}",
                received=", ".join(never),
                hint="a larger weight, or 0",
            )
        self._round = lru_cache(maxsize=4)(self._make_round)

    def at(self, step: int) -> tuple[str, Places]:
        """Return the name of the data set and the places of the items of one batch.

        Raises:
            UsageError: The step is negative.
        """
        if step < 0:
            raise UsageError("steps count from 0", received=step)
        number, within = divmod(step, self.ROUND)
        names, before = self._round(number)
        name = names[within]
        return name, self._parts[name].at(number * self.shares[name] + before[within])

    def _make_round(self, number: int) -> tuple[list[str], list[int]]:
        """Return the set of each step of a round, and how often it came before in the round."""
        bag = [name for name, share in self.shares.items() for _ in range(share)]
        order = self._seeds.child("round", number).numpy().permutation(len(bag))
        names = [bag[place] for place in order.tolist()]
        met: dict[str, int] = {}
        before = []
        for name in names:
            before.append(met.get(name, 0))
            met[name] = before[-1] + 1
        return names, before


def _largest_remainder(weights: Mapping[str, float], total: int) -> dict[str, int]:
    whole = sum(weights.values())
    exact: dict[str, Any] = {name: total * weight / whole for name, weight in weights.items()}
    shares = {name: int(share) for name, share in exact.items()}
    rest = sorted(exact, key=lambda name: (shares[name] - exact[name], name))
    for name in rest[: total - sum(shares.values())]:
        shares[name] += 1
    return shares
