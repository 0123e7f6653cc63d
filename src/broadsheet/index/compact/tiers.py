"""A tier: a segment on disk with the numbers of its documents and which of them still count."""

from __future__ import annotations

import functools
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from broadsheet.core.clock import timestamp
from broadsheet.index.attributes import AttributeStore
from broadsheet.index.bitmaps import Bits, Ids, Mask
from broadsheet.index.canonical import canonical
from broadsheet.index.compact.files import (
    StoredArray,
    damaged,
    read_sealed,
    settle,
    write_sealed,
)
from broadsheet.index.compact.segment import Built, Segment
from broadsheet.index.compact.updates import Numbers
from broadsheet.index.predicates import Predicate
from broadsheet.index.selecting import Selector

#: What a search may return: documents by number, a mask by number, or those of a predicate.
Allowed = Predicate | Mask | npt.NDArray[np.integer]

_FACTS = "facts.json"
#: Up to so many numbers are looked up by bisection, more in a table.
_BISECTED = 256
#: A table by number is made when it has at most so many places for each document.
_TABLE_PER_ROW = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class TierState:
    """A tier as `meta.json` names it; `alive` is None while all its rows count.

    Example:
        >>> TierState.of({"name": "segment.1", "alive": None})
        TierState(name='segment.1', alive=None)
    """

    name: str
    alive: StoredArray | None = None

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> TierState:
        """Read what `as_facts` wrote."""
        alive = facts["alive"]
        return cls(name=str(facts["name"]), alive=StoredArray.of(alive) if alive else None)

    def as_facts(self) -> dict[str, Any]:
        """Return this as JSON values."""
        return {"name": self.name, "alive": self.alive.as_facts() if self.alive else None}


def is_mask(allowed: npt.NDArray[Any]) -> TypeGuard[Mask]:
    """Tell a mask by document number from a list of numbers."""
    return allowed.dtype == np.bool_


def sharing(allowed: Sequence[Allowed | None]) -> list[tuple[Allowed | None, list[int]]]:
    """Return each filter once, with the places in a list at which it stands.

    Example:
        >>> from broadsheet.index.predicates import AllOf, Contains
        >>> red = Contains("colour", "red")
        >>> [places for _, places in sharing([red, None, AllOf((red,)), None])]
        [[0, 2], [1, 3]]
    """
    found: dict[object, tuple[Allowed | None, list[int]]] = {}
    for place, one in enumerate(allowed):
        key = id(one) if one is None or isinstance(one, np.ndarray) else canonical(one)
        found.setdefault(key, (one, []))[1].append(place)
    return list(found.values())


class Tier:
    """Opens a tier without reading its large files.

    Args:
        folder: The index's folder.
        state: Which tier.

    Raises:
        BadInput: A file has another length than was written, or a small one other content.
        FileNotFoundError: A file is missing.
    """

    def __init__(self, folder: Path, state: TierState) -> None:
        self.state = state
        self._folder = folder / state.name
        facts = read_sealed(self._folder / _FACTS)
        self._stored = {name: StoredArray.of(one) for name, one in facts["arrays"].items()}
        arrays = {name: stored.open(self._folder) for name, stored in self._stored.items()}
        self.numbers: Numbers = arrays.pop("numbers")
        self._by_number: Ids = arrays.pop("by_number")
        try:
            self.segment = Segment(arrays, facts["facts"])
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(self._folder, f"it is of another version ({error})") from None
        #: When it was built (ISO 8601).
        self.built = str(facts.get("built", ""))
        self.size = len(self.numbers)
        self.alive = Bits.full(self.size)
        if state.alive is not None:
            self.alive = Bits(state.alive.open(folder), self.size)
        self._lock = threading.Lock()
        self._selector: tuple[AttributeStore, Selector] | None = None

    @property
    def rows(self) -> npt.NDArray[np.float32]:
        """Return the vectors by position, mapped."""
        matrix: npt.NDArray[np.float32] = self.segment.arrays["rows"]
        return matrix

    def check(self, folder: Path) -> int:
        """Read all files and compare their checksums; return how many bytes that were.

        Raises:
            BadInput: They differ.
        """
        total = sum(stored.check(self._folder) for stored in self._stored.values())
        return total + (self.state.alive.check(folder) if self.state.alive else 0)

    def places(self, numbers: npt.NDArray[np.integer]) -> Ids:
        """Return the positions of those documents that have a row here, ascending."""
        if len(numbers) > _BISECTED and self._table is not None:
            inside = numbers[(numbers >= 0) & (numbers < len(self._table))]
            found = self._table[inside]
            held = np.zeros(self.size, dtype=np.bool_)
            held[found[found >= 0]] = True
            return np.flatnonzero(held).astype(np.int32)
        at = np.searchsorted(self.numbers, numbers, sorter=self._by_number)
        near = self._by_number[np.minimum(at, self.size - 1)] if self.size else at[:0]
        asked = numbers[: len(near)]
        found = near[self.numbers[near] == asked]
        return np.unique(found).astype(np.int32)

    @functools.cached_property
    def _ends(self) -> tuple[int, int]:
        """Return the lowest and the highest number."""
        return int(self.numbers.min(initial=0)), int(self.numbers.max(initial=-1))

    @functools.cached_property
    def _table(self) -> Ids | None:
        """Return the position of each number, unless that would be mostly empty."""
        lowest, highest = self._ends
        if lowest < 0 or highest >= _TABLE_PER_ROW * self.size + _BISECTED:
            return None
        table = np.full(highest + 1, -1, dtype=np.int32)
        table[self.numbers] = np.arange(self.size, dtype=np.int32)
        return table

    def select(self, allowed: Allowed, attributes: AttributeStore) -> Bits | Ids:
        """Return the positions that a filter allows, dead ones included."""
        if not isinstance(allowed, np.ndarray):
            return self._selected(attributes).selection(allowed)
        if not is_mask(allowed):
            return self.places(np.asarray(allowed, dtype=np.int64))
        few = int(np.count_nonzero(allowed)) * 64 < self.size
        if few:
            return self.places(np.flatnonzero(allowed))
        lowest, highest = self._ends
        if lowest >= 0 and highest < len(allowed):
            return Bits.of_mask(allowed[self.numbers])
        inside = (self.numbers >= 0) & (self.numbers < len(allowed))
        inside[inside] = allowed[self.numbers[inside]]
        return Bits.of_mask(inside)

    def _selected(self, attributes: AttributeStore) -> Selector:
        with self._lock:
            if self._selector is None or self._selector[0] is not attributes:
                self._selector = attributes, attributes.in_order(self.numbers)
            return self._selector[1]


def write_tier(folder: Path, name: str, built: Built, numbers: Numbers) -> TierState:
    """Write a segment that was built of rows in ascending order of their numbers.

    Args:
        folder: The index's folder.
        name: Of the tier; nothing of that name may be in use.
        built: The segment.
        numbers: The document of each row given to the builder, ascending.
    """
    below = folder / name
    below.mkdir(parents=True, exist_ok=True)
    by_number = np.empty(len(numbers), dtype=np.int32)
    by_number[built.order] = np.arange(len(numbers), dtype=np.int32)
    arrays = {**built.arrays, "numbers": numbers[built.order], "by_number": by_number}
    stored = {
        key: StoredArray.write(below, f"{key}.bin", array).as_facts()
        for key, array in arrays.items()
    }
    facts = {"arrays": stored, "facts": built.facts, "built": timestamp()}
    write_sealed(below / _FACTS, facts)
    settle(below)
    return TierState(name=name)
