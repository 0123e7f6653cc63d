"""Evaluates predicates to sets, over documents by number or in the order of another index.

A small set is a list of ascending positions, a large one packed bits; which of the two depends on
its size alone. The most selective part of a conjunction is evaluated first, and where it leaves few
documents the other parts are tested on these only. Sets are remembered by the canonical form of
their predicate; attributes never change under a selector, so they stay true.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import reduce

import numpy as np
import numpy.typing as npt

from broadsheet.index.bitmaps import Bits, Ids, Mask
from broadsheet.index.canonical import canonical
from broadsheet.index.columns import NO_POSTINGS, Integers, NumberColumn, Postings, holds
from broadsheet.index.ladders import Ladder
from broadsheet.index.predicates import AllOf, AnyOf, Between, Contains, In, Not, Predicate

Selection = Ids | Bits

#: A set of fewer than one in so many positions is a list.
LIST_BELOW = 64
#: A range or a term that holds more than one in so many documents is kept as bits: a term by
#: itself once it was asked for, a range as the difference of two sets of a ladder.
_KEPT_ABOVE = 16
#: A posting list that holds more than one in so many documents is brought into order as a mask.
_GATHER_ABOVE = 8
#: Looking up one document in a posting list costs about as much as reading so many of its entries.
_LOOKUP_COST = 100
_REMEMBERED = 256
_NOBODY: Ids = np.zeros(0, dtype=np.int32)


class Selector:
    """Predicates over the documents of an attribute store, as sets of positions. Thread-safe.

    Args:
        present: Whether each number has a document.
        columns: Integer attributes.
        postings: Set-valued attributes.
        numbers: The document at each position; None where positions are numbers.

    Example:
        >>> from broadsheet.index.attributes import AttributeStore
        >>> from broadsheet.index.predicates import Document
        >>> papers = [Document(number=n, title="", numbers={"year": 2020 + n}) for n in range(4)]
        >>> order = AttributeStore().apply(papers).in_order(np.array([3, 1, 0, 2]))
        >>> order.select(Between("year", 2022, 2023)).ids().tolist()
        [0, 3]
    """

    def __init__(
        self,
        present: Mask,
        columns: Mapping[str, NumberColumn],
        postings: Mapping[str, Postings],
        numbers: npt.NDArray[np.integer] | None = None,
    ) -> None:
        self._columns = columns
        self._postings = postings
        self._lock = threading.Lock()
        self._known: OrderedDict[Predicate, Selection] = OrderedDict()
        self._ladders: dict[str, Ladder] = {}
        self._frequent: dict[tuple[str, str], Bits] = {}
        self._documents = int(present.sum())
        self._numbers: Integers | None = None
        self._places: Ids | None = None
        self._slots: npt.NDArray[np.intp] | None = None
        self._complete = True
        self._capacity = len(present)
        if numbers is None:
            self.size = len(present)
            self._everything = Bits.of_mask(present)
            return
        self.size = len(numbers)
        self._numbers = np.asarray(numbers, dtype=np.int64)
        inside = (self._numbers >= 0) & (self._numbers < len(present))
        inside[inside] = present[self._numbers[inside]]
        self._everything = Bits.of_mask(inside)
        self._places = np.full(len(present), -1, dtype=np.int32)
        self._places[self._numbers[inside]] = np.flatnonzero(inside)
        self._slots = np.where(inside, self._numbers, self._capacity).astype(np.intp)
        self._complete = int(inside.sum()) == self._documents

    def select(self, predicate: Predicate) -> Bits:
        """Return the positions of the documents that satisfy a predicate.

        Equal sets come of equal predicates however they are written; a document without an
        attribute is treated as `broadsheet.index.predicates` says.
        """
        return self._bits(self._selection(canonical(predicate)))

    def selection(self, predicate: Predicate) -> Selection:
        """Return the same as a list of positions when they are few: one in `LIST_BELOW`."""
        return self._selection(canonical(predicate))

    def bounds(self, predicate: Predicate) -> tuple[int, int]:
        """Return the fewest and the most documents that can satisfy a predicate, unevaluated.

        Equality, sets of one term and ranges are exact, over all documents of the store.
        """
        return self._bounds(canonical(predicate))

    def _bounds(self, form: Predicate) -> tuple[int, int]:
        total = self._documents
        match form:
            case Contains(name, value):
                exact = len(self._postings.get(name, NO_POSTINGS).of(value))
                return exact, exact
            case In(name, values):
                postings = self._postings.get(name, NO_POSTINGS)
                each = [len(postings.of(value)) for value in values]
                return max(each), min(sum(each), total)
            case Between(name, low, high):
                column = self._columns.get(name)
                exact = column.count(low, high) if column else 0
                return exact, exact
            case Not(part):
                fewest, most = self._bounds(part)
                return total - most, total - fewest
            case AllOf(parts):
                pairs = [self._bounds(part) for part in parts]
                lacking = sum(total - fewest for fewest, _ in pairs)
                return max(total - lacking, 0), min((most for _, most in pairs), default=total)
            case AnyOf(parts):
                pairs = [self._bounds(part) for part in parts]
                most = sum(most for _, most in pairs)
                return max((fewest for fewest, _ in pairs), default=0), min(most, total)

    # -- whole sets -----------------------------------------------------------------------

    def _selection(self, form: Predicate) -> Selection:
        with self._lock:
            known = self._known.get(form)
            if known is not None:
                self._known.move_to_end(form)
                return known
        found = self._settled(self._evaluated(form))
        with self._lock:
            self._known[form] = found
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return found

    def _evaluated(self, form: Predicate) -> Selection:
        match form:
            case Contains(name, value):
                return self._term(name, value)
            case In(name, values):
                postings = self._postings.get(name, NO_POSTINGS)
                return self._placed([postings.of(value) for value in values])
            case Between(name, low, high):
                return self._range(name, low, high)
            case Not(part):
                return self._everything - self._bits(self._selection(part))
            case AllOf(parts):
                return self._conjunction(parts)
            case AnyOf(parts):
                pieces = [self._selection(part) for part in parts]
                if all(isinstance(piece, np.ndarray) for piece in pieces):
                    return _without_repetitions(np.sort(np.concatenate([_NOBODY, *pieces])))
                return reduce(Bits.__or__, map(self._bits, pieces))

    def _conjunction(self, parts: Sequence[Predicate]) -> Selection:
        if not parts:
            return self._everything
        ordered = sorted(parts, key=lambda part: self._bounds(part)[1])
        found = self._selection(ordered[0])
        for part in ordered[1:]:
            if isinstance(found, Bits):
                found = self._settled(found & self._bits(self._selection(part)))
            else:
                found = found[self._test(part, found)]
        return found

    def _range(self, name: str, low: int, high: int) -> Selection:
        column = self._columns.get(name)
        if column is None:
            return _NOBODY
        if column.count(low, high) * _KEPT_ABOVE > max(self._documents, self.size):
            return self._ladder(name, column).between(*column.ranks(low, high))
        return self._placed([column.between(low, high)])

    def _ladder(self, name: str, column: NumberColumn) -> Ladder:
        ladder = self._ladders.get(name)
        if ladder is None:
            ranked = column.ranked()
            places = ranked if self._places is None else self._places[ranked]
            ladder = self._ladders[name] = Ladder(places, self.size)
        return ladder

    def _term(self, name: str, value: str) -> Selection:
        """Return the documents of a term; those of a frequent one are brought into order once."""
        numbers = self._postings.get(name, NO_POSTINGS).of(value)
        if len(numbers) * _KEPT_ABOVE <= self.size:
            return self._placed([numbers])
        kept = self._frequent.get((name, value))
        if kept is None:
            kept = self._frequent[name, value] = self._bits(self._placed([numbers]))
        return kept

    def _placed(self, pieces: Sequence[Ids]) -> Selection:
        """Return the union of lists of documents as a set of positions."""
        total = sum(map(len, pieces))
        if total * LIST_BELOW < self.size:
            places = np.sort(self._mapped(np.concatenate(pieces)))
            return places if len(pieces) == 1 else _without_repetitions(places)
        if self._slots is None or total * _GATHER_ABOVE < self.size:
            return Bits.of_ids(np.concatenate(list(map(self._mapped, pieces))), self.size)
        return Bits.of_mask(self._flags(pieces)[self._slots])

    def _mapped(self, numbers: Ids) -> Ids:
        """Return the positions of those documents that have one."""
        if self._places is None:
            return numbers
        places = self._places.take(numbers.astype(np.intp))
        return places if self._complete else places[places >= 0]

    def _flags(self, pieces: Sequence[Ids]) -> Mask:
        """Return a mask by number that is true at these, and one more place that is false."""
        flags = np.zeros(self._capacity + 1, dtype=np.bool_)
        for numbers in pieces:
            flags[numbers.astype(np.intp)] = True
        return flags

    def _settled(self, found: Selection) -> Selection:
        """Return a set in the form that its size asks for."""
        count = found.count if isinstance(found, Bits) else len(found)
        if count * LIST_BELOW < self.size:
            return found.ids() if isinstance(found, Bits) else found
        return self._bits(found)

    def _bits(self, found: Selection) -> Bits:
        return found if isinstance(found, Bits) else Bits.of_ids(found, self.size)

    # -- a few documents ------------------------------------------------------------------

    def _test(self, form: Predicate, places: Ids) -> Mask:
        """Return which of a few documents satisfy a predicate."""
        known = self._known.get(form)
        if isinstance(known, Bits):
            return known.holds(places)
        match form:
            case Contains(name, value):
                return self._among(places, self._postings.get(name, NO_POSTINGS).of(value))
            case Between(name, low, high):
                column = self._columns.get(name)
                if column is None:
                    return np.zeros(len(places), dtype=np.bool_)
                return holds(column.values[self._named(places)], low, high)
            case Not(part):
                return ~self._test(part, places)
            case AllOf(parts) | AnyOf(parts):
                join = np.logical_and if isinstance(form, AllOf) else np.logical_or
                tests = [self._test(part, places) for part in parts]
                empty = np.full(len(places), isinstance(form, AllOf))
                return reduce(join, tests, empty)
            case In():
                return self._bits(self._selection(form)).holds(places)

    def _among(self, places: Ids, numbers: Ids) -> Mask:
        """Return which documents are in a posting list."""
        asked = self._named(places)
        if len(places) * _LOOKUP_COST > len(numbers):
            found: Mask = self._flags([numbers])[asked]
            return found
        at = np.searchsorted(numbers, asked)
        found = numbers[np.minimum(at, len(numbers) - 1)] == asked
        return found

    def _named(self, places: Ids) -> npt.NDArray[np.integer]:
        return places if self._numbers is None else self._numbers[places]


def _without_repetitions(ids: Ids) -> Ids:
    """Return sorted ids, each once."""
    if not len(ids):
        return ids
    first = np.ones(len(ids), dtype=np.bool_)
    np.not_equal(ids[1:], ids[:-1], out=first[1:])
    return ids[first]
