"""The predicate language that every index evaluates *inside* its search.

A predicate speaks of two kinds of attributes of a document: *terms* (a set of normalised strings,
e.g. `cat` = {"cs.cl", "cs"}) and *numbers* (one integer, e.g. `day` = a proleptic ordinal).

Missing values: logic has two values, true and false, never "unknown". A document without an
attribute (or with an empty set of terms) satisfies no `Contains`, `In` or `Between` on it, and
therefore satisfies the `Not` of each: "not by Turing" includes what has no author, and "not after
2020" includes what has no year. Ask for `AllOf((Not(x), Between(name, lowest, highest)))` to leave
the latter out. An attribute that no document has behaves in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Contains:
    """The document's terms under `name` include `value`."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class In:
    """The document's terms under `name` include at least one of `values`; without any, none do."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """The document's number under `name` lies in [low, high], both included."""

    name: str
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part holds. Without parts it holds for every document."""

    parts: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part holds. Without parts it holds for none."""

    parts: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Predicate


Predicate = Contains | In | Between | AllOf | AnyOf | Not

#: Holds for every document.
EVERYTHING = AllOf(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What the indexes know of one document.

    Args:
        number: The store's number of the work.
        title: Plain text.
        body: Plain text.
        names: Author names as plain text, searchable as words.
        terms: Set-valued attributes, already normalised (case-folded).
        numbers: Integer attributes.
    """

    number: int
    title: str
    body: str = ""
    names: str = ""
    terms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    numbers: Mapping[str, int] = field(default_factory=dict)


def matches(predicate: Predicate, document: Document) -> bool:
    """Evaluate a predicate on one document: the slow, obviously right reference.

    Example:
        >>> paper = Document(number=1, title="A", terms={"cat": ("cs.cl",)}, numbers={"year": 2024})
        >>> matches(AllOf((Contains("cat", "cs.cl"), Between("year", 2023, 2025))), paper)
        True
        >>> matches(Not(Contains("author", "turing")), paper)
        True
    """
    match predicate:
        case Contains(name, value):
            return value in document.terms.get(name, ())
        case In(name, values):
            held = document.terms.get(name, ())
            return any(value in held for value in values)
        case Between(name, low, high):
            number = document.numbers.get(name)
            return number is not None and low <= number <= high
        case AllOf(parts):
            return all(matches(part, document) for part in parts)
        case AnyOf(parts):
            return any(matches(part, document) for part in parts)
        case Not(part):
            return not matches(part, document)
