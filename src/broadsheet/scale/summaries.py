"""What a shard's attributes can be, in few bytes: enough to leave out shards that hold no match."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from broadsheet.index.canonical import canonical
from broadsheet.index.predicates import AllOf, AnyOf, Between, Contains, In, Not, Predicate
from broadsheet.scale.rows import MISSING, Attributes

#: Values of a set-valued attribute are listed up to this many.
LISTED = 1000


class Chance(Enum):
    """How many of a shard's rows satisfy a predicate, as far as its summary tells."""

    NONE = "none"
    SOME = "some or none"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Range:
    """An integer attribute: rows that have it, smallest and largest value.

    Example:
        >>> Range(2, 5, 9).high
        9
    """

    rows: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A set-valued attribute: rows with a value, and the values unless they are too many.

    Example:
        >>> Listed(3, frozenset({"cs.cl"})).rows
        3
    """

    rows: int
    values: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Summary:
    """What the rows of a shard have in common.

    Args:
        rows: How many there are.
        numbers: Integer attributes that a row has.
        terms: Set-valued attributes that a row has.

    Example:
        >>> days = Summary(2, {"day": Range(2, 5, 9)}, {})
        >>> days.chance(Between("day", 10, 20)).name, days.chance(Between("day", 1, 20)).name
        ('NONE', 'ALL')
    """

    rows: int
    numbers: Mapping[str, Range]
    terms: Mapping[str, Listed]

    @classmethod
    def of(cls, attributes: Attributes, rows: int) -> Summary:
        """Look at the attributes of a shard."""
        numbers, terms = {}, {}
        for name, column in attributes.numbers.items():
            held = column[column != MISSING]
            if len(held):
                numbers[name] = Range(len(held), int(held.min()), int(held.max()))
        for name, labels in attributes.labels.items():
            with_any = int((labels.starts[1:] > labels.starts[:-1]).sum())
            used = labels.frequencies().nonzero()[0]
            few = frozenset(labels.values[code] for code in used) if len(used) <= LISTED else None
            if with_any:
                terms[name] = Listed(with_any, few)
        return cls(rows, numbers, terms)

    def as_facts(self) -> dict[str, Any]:
        """Return this as JSON values."""
        return {
            "rows": self.rows,
            "numbers": {name: [r.rows, r.low, r.high] for name, r in self.numbers.items()},
            "terms": {
                name: [one.rows, None if one.values is None else sorted(one.values)]
                for name, one in self.terms.items()
            },
        }

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Summary:
        """Read what `as_facts` wrote."""
        return cls(
            int(facts["rows"]),
            {name: Range(*map(int, three)) for name, three in facts["numbers"].items()},
            {
                name: Listed(int(rows), None if values is None else frozenset(values))
                for name, (rows, values) in facts["terms"].items()
            },
        )

    def chance(self, predicate: Predicate) -> Chance:
        """Return whether none or all of the rows surely satisfy a predicate."""
        return self._chance(canonical(predicate)) if self.rows else Chance.NONE

    def _chance(self, form: Predicate) -> Chance:
        match form:
            case Contains(name, value):
                return self._holding(name, (value,))
            case In(name, values):
                return self._holding(name, values)
            case Between(name, low, high):
                return self._between(name, low, high)
            case Not(part):
                inner = self._chance(part)
                opposite = {Chance.NONE: Chance.ALL, Chance.ALL: Chance.NONE}
                return opposite.get(inner, inner)
            case AllOf(parts):
                each = {self._chance(part) for part in parts}
                if Chance.NONE in each:
                    return Chance.NONE
                return Chance.SOME if Chance.SOME in each else Chance.ALL
            case AnyOf(parts):
                each = {self._chance(part) for part in parts}
                if Chance.ALL in each:
                    return Chance.ALL
                return Chance.SOME if Chance.SOME in each else Chance.NONE

    def _holding(self, name: str, values: tuple[str, ...]) -> Chance:
        listed = self.terms.get(name)
        if listed is None or not values:
            return Chance.NONE
        if listed.values is not None and listed.values.isdisjoint(values):
            return Chance.NONE
        every = listed.values is not None and listed.values.issubset(values)
        return Chance.ALL if every and listed.rows == self.rows else Chance.SOME

    def _between(self, name: str, low: int, high: int) -> Chance:
        held = self.numbers.get(name)
        if held is None or low > high or high < held.low or low > held.high:
            return Chance.NONE
        every = low <= held.low and held.high <= high and held.rows == self.rows
        return Chance.ALL if every else Chance.SOME
