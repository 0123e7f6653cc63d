"""One moment of an index: its committed state, open for searching by any number of threads."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from broadsheet.core.errors import BadInput
from broadsheet.index.attributes import AttributeStore
from broadsheet.index.bitmaps import Bits, Ids
from broadsheet.index.compact import exact, layout
from broadsheet.index.compact.files import read_sealed
from broadsheet.index.compact.planner import Plan
from broadsheet.index.compact.segment import Found
from broadsheet.index.compact.tiers import Allowed, Tier, TierState, is_mask
from broadsheet.index.compact.updates import LogState, Numbers, Recent, Vectors, read
from broadsheet.index.selecting import Selector

#: Changes whenever files written by older code can't be read.
FORMAT = 1
META = "meta.json"
#: Up to so many allowed rows are handed over as a list.
_LISTED = 1024
#: Up to so many hits python sorts quicker than numpy.
_SORTED_IN_PYTHON = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """What is committed.

    Args:
        dim: Length of a vector.
        generation: Counts the replacements of files; names of new files come from it.
        tiers: Oldest first. A document counts in at most one of them.
        log: The updates since.
        mark: What the index's owner wants remembered with this state.

    Example:
        >>> Meta.of(Meta(dim=3, mark="7").as_facts()).mark
        '7'
    """

    dim: int
    generation: int = 0
    tiers: tuple[TierState, ...] = ()
    log: LogState = field(default_factory=lambda: LogState(generation=0))
    mark: str = ""

    @classmethod
    def read(cls, folder: Path, dim: int) -> Self:
        """Read what is committed to a folder; nothing is, when there is none.

        Raises:
            BadInput: It is damaged, of another version, or of vectors of another length.
        """
        try:
            facts = read_sealed(folder / META)
        except FileNotFoundError:
            return cls(dim=dim)
        if (facts.get("format"), facts.get("dim")) != (FORMAT, dim):
            raise BadInput(
                "the vector index is of another version or of other vectors",
                received=f"format {facts.get('format')}, {facts.get('dim')} numbers a vector",
                hint="delete its folder and run `broadsheet index build`",
            )
        return cls.of(facts)

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self:
        """Read what `as_facts` wrote."""
        return cls(
            dim=int(facts["dim"]),
            generation=int(facts["generation"]),
            tiers=tuple(TierState.of(one) for one in facts["tiers"]),
            log=LogState.of(facts["log"]),
            mark=str(facts["mark"]),
        )

    def as_facts(self) -> dict[str, Any]:
        """Return this as JSON values."""
        return {
            "format": FORMAT,
            "dim": self.dim,
            "generation": self.generation,
            "tiers": [tier.as_facts() for tier in self.tiers],
            "log": self.log.as_facts(),
            "mark": self.mark,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a search found.

    Args:
        hits: (number, score), best first; equal scores by number.
        found: What each segment found.
        recent: Rows outside of segments that were scored exactly.
    """

    hits: list[tuple[int, float]]
    found: tuple[Found, ...] = field(default=(), compare=False, repr=False)
    recent: int = 0

    @property
    def plans(self) -> tuple[Plan, ...]:
        """Return how each segment was searched."""
        return tuple(one.plan for one in self.found)

    def explain(self) -> str:
        """Return one readable line for each part of the index."""
        lines = [plan.explain() for plan in self.plans]
        if self.recent or not lines:
            lines.append(f"exact: {self.recent:,} allowed rows outside of segments scored in full")
        return "\n".join(lines)


class Snapshot:
    """Searches one committed state.

    Args:
        folder: The index's folder.
        meta: The state.
        tiers: Its open tiers.
        recent: Its updates.

    Example:
        >>> empty = Snapshot.open(Path("nowhere"), Meta(dim=2))
        >>> empty.size, empty.search(np.ones((1, 2), np.float32), 3, None, AttributeStore(), .95)
        (0, [Answer(hits=[], recent=0)])
    """

    def __init__(self, folder: Path, meta: Meta, tiers: Sequence[Tier], recent: Recent) -> None:
        self.folder = folder
        self.meta = meta
        self.tiers = tuple(tiers)
        self.recent = recent
        self.alive = tuple(_without(tier, recent.touched) for tier in tiers)
        self._unfiltered = tuple(
            None if bits.count == tier.size else _listed_or_set(bits, tier.size)
            for tier, bits in zip(tiers, self.alive, strict=True)
        )
        self.size = sum(bits.count for bits in self.alive) + len(recent.numbers)
        self._selector: tuple[AttributeStore, Selector] | None = None

    @classmethod
    def open(cls, folder: Path, meta: Meta) -> Self:
        """Open a state.

        Raises:
            BadInput: A file is damaged.
            FileNotFoundError: A file is missing.
        """
        tiers = [Tier(folder, state) for state in meta.tiers]
        return cls(folder, meta, tiers, read(folder, meta.log, meta.dim))

    def following(self, meta: Meta, recent: Recent) -> Self:
        """Return the state after an update of the log, with the tiers that are open already."""
        return type(self)(self.folder, meta, self.tiers, recent)

    def numbers(self) -> Numbers:
        """Return the numbers of all documents, ascending."""
        held = [tier.numbers[bits.ids()] for tier, bits in zip(self.tiers, self.alive, strict=True)]
        return np.sort(np.concatenate([*held, self.recent.numbers]))

    def vector(self, number: int) -> Vectors | None:
        """Return the vector of a document, or None."""
        at = int(np.searchsorted(self.recent.numbers, number))
        if at < len(self.recent.numbers) and self.recent.numbers[at] == number:
            return np.array(self.recent.matrix[self.recent.rows[at]])
        for tier, bits in zip(self.tiers, self.alive, strict=True):
            for place in tier.places(np.array([number])):
                if bits.holds(np.array([place]))[0]:
                    return np.array(tier.rows[place])
        return None

    def search(
        self,
        queries: Vectors,
        k: int,
        allowed: Allowed | None,
        attributes: AttributeStore,
        recall: float,
    ) -> list[Answer]:
        """Search for several queries under one filter; see `CompactIndex.search`."""
        parts = []
        for place, tier in enumerate(self.tiers):
            within = self._unfiltered[place]
            if allowed is not None:
                within = _narrowed(tier, self.alive[place], allowed, attributes)
            if within is None or _count(within):
                parts.append(_from_tier(tier, within, queries, k, recall))
        chosen = self._chosen(allowed, attributes)
        answers = []
        for place, query in enumerate(queries):
            best = _merged([part[place].hits for part in parts], k)
            if len(chosen):
                least = best[-1][1] if len(best) == k else -math.inf
                found = exact.nearest(self.recent, chosen, query, k, least)
                best = _merged([found], k, best)
            results = tuple(part[place].found for part in parts)
            answers.append(Answer(hits=best, found=results, recent=len(chosen)))
        return answers

    def _chosen(self, allowed: Allowed | None, attributes: AttributeStore) -> Numbers:
        """Return which of the recent documents are allowed, as places among them."""
        numbers = self.recent.numbers
        if allowed is None or not len(numbers):
            return np.arange(len(numbers))
        if not isinstance(allowed, np.ndarray):
            if self._selector is None or self._selector[0] is not attributes:
                self._selector = attributes, attributes.in_order(numbers)
            return self._selector[1].select(allowed).ids().astype(np.int64)
        if not is_mask(allowed):
            return np.flatnonzero(_held(numbers, np.asarray(allowed, dtype=np.int64)))
        inside = (numbers >= 0) & (numbers < len(allowed))
        inside[inside] = allowed[numbers[inside]]
        return np.flatnonzero(inside)


@dataclass(frozen=True, slots=True)
class _Part:
    """What one segment found, by document number."""

    hits: tuple[Numbers, Vectors]
    found: Found


def _held(numbers: Numbers, allowed: Numbers) -> npt.NDArray[np.bool_]:
    """Return which of the numbers are in a list, which is mostly ascending already."""
    if not len(allowed):
        return np.zeros(len(numbers), dtype=np.bool_)
    rising = allowed if (allowed[1:] >= allowed[:-1]).all() else np.sort(allowed)
    at = np.minimum(np.searchsorted(rising, numbers), len(rising) - 1)
    held: npt.NDArray[np.bool_] = rising[at] == numbers
    return held


def _without(tier: Tier, touched: Numbers) -> Bits:
    """Return the rows of a tier that count still."""
    places = tier.places(touched) if len(touched) else touched
    if not len(places):
        return tier.alive
    return tier.alive - Bits.of_ids(places, tier.size)


def _narrowed(
    tier: Tier, alive: Bits, allowed: Allowed, attributes: AttributeStore
) -> layout.Bits | Ids:
    """Return the rows of a tier that are allowed and count."""
    found = tier.select(allowed, attributes)
    if isinstance(found, Bits):
        found = found & alive if alive.count < tier.size else found
    else:
        found = found[alive.holds(found)]
    return _listed_or_set(found, tier.size)


def _listed_or_set(found: Bits | Ids, size: int) -> layout.Bits | Ids:
    """Return rows of a tier as a segment takes them.

    A list or bits: that depends on the number of rows alone, so equal sets are searched alike.
    """
    if not isinstance(found, Bits):
        if len(found) <= _LISTED:
            return found
        found = Bits.of_ids(found, size)
    if found.count <= _LISTED:
        return found.ids()
    return layout.Bits(found.words, size, found.count)


def _count(within: layout.Bits | Ids) -> int:
    """Return how many rows of a tier may be found."""
    return within.count if isinstance(within, layout.Bits) else len(within)


def _from_tier(
    tier: Tier, within: layout.Bits | Ids | None, queries: Vectors, k: int, recall: float
) -> list[_Part]:
    """Search a segment; rows that tie with the last place are all looked at, to order by number."""
    rows = tier.size if within is None else _count(within)
    parts = []
    for query in queries:
        asked = k + 1
        while True:
            result = tier.segment.search(query, min(asked, rows), within, recall=recall)
            scores = result.scores
            if len(scores) <= k or scores[k - 1] > scores[-1] or asked >= rows:
                break
            asked *= 2
        parts.append(_Part((tier.numbers[result.positions], scores), result))
    return parts


def _merged(
    pieces: Sequence[tuple[Numbers, Vectors]], k: int, more: Sequence[tuple[int, float]] = ()
) -> list[tuple[int, float]]:
    """Return the best k of several lists; equal scores by number."""
    found = [*more]
    for numbers, scores in pieces:
        found += zip(numbers.tolist(), scores.tolist(), strict=True)
    if len(found) <= _SORTED_IN_PYTHON:
        return sorted(found, key=lambda hit: (-hit[1], hit[0]))[:k]
    numbers = np.fromiter((number for number, _ in found), dtype=np.int64, count=len(found))
    scores = np.fromiter((score for _, score in found), dtype=np.float64, count=len(found))
    return [found[place] for place in np.lexsort((numbers, -scores))[:k].tolist()]
