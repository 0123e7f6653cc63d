"""One form for predicates that mean the same, as far as that is cheap to see.

A predicate is brought to a form in which only leaves are negated, and there:

- nested conjunctions and disjunctions are flattened, sorted and freed of repetitions;
- all conditions on one integer attribute within a conjunction become one set of ranges, and all
  excluded terms of one attribute one set of terms; of two sets of terms of which one holds the
  other, the weaker condition is dropped (a document may have several terms, so two sets of terms
  are not intersected);
- a condition beside its opposite, an empty range and an empty set are constants, and constants
  disappear; `a or (a and b)` is `a`.

A disjunction is treated as the negation of a conjunction, so every rule holds for both. Equality of
predicates is as hard as satisfiability, so not all equal ones meet in one form; they still select
equal sets, and whatever is planned is planned from the set.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass

from broadsheet.index.predicates import AllOf, AnyOf, Between, Contains, In, Not, Predicate

_Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class _Numbers:
    """The number under `name` lies in one of `ranges`: disjoint, not adjacent, ascending."""

    name: str
    ranges: _Ranges
    negated: bool = False


@dataclass(frozen=True, slots=True)
class _Terms:
    """The terms under `name` include one of `values`, which are ascending."""

    name: str
    values: tuple[str, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class _Group:
    """All (or, as its opposite, any) of `parts`; a group without parts is a constant."""

    parts: tuple[_Node, ...]
    any_of: bool = False


_Node = _Numbers | _Terms | _Group
_TRUE, _FALSE = _Group(()), _Group((), any_of=True)


@functools.lru_cache(maxsize=1024)
def canonical(predicate: Predicate) -> Predicate:
    """Return the form that equal predicates share, however they are written.

    The result selects the same documents, is built of the same pieces, and is its own form.

    Example:
        >>> one = AllOf((Not(AnyOf((Contains("cat", "b"), Contains("cat", "a")))), AllOf(())))
        >>> other = AllOf((Not(Contains("cat", "a")), Not(Contains("cat", "b"))))
        >>> canonical(one) == canonical(other)
        True
        >>> canonical(AllOf((Between("year", 2000, 2020), Not(Between("year", 2010, 2030)))))
        Between(name='year', low=2000, high=2009)
    """
    return _written(_read(predicate, negated=False))


def _read(predicate: Predicate, *, negated: bool) -> _Node:
    match predicate:
        case Contains(name, value):
            return _Terms(name, (value,), negated)
        case In(name, values):
            held = tuple(sorted(set(values)))
            return _Terms(name, held, negated) if held else _constant(negated)
        case Between(name, low, high):
            return _Numbers(name, ((low, high),), negated) if low <= high else _constant(negated)
        case Not(part):
            return _read(part, negated=not negated)
        case AllOf(parts) | AnyOf(parts):
            return _join(
                (_read(part, negated=negated) for part in parts),
                any_of=isinstance(predicate, AnyOf) != negated,
            )


def _constant(value: bool) -> _Node:
    return _TRUE if value else _FALSE


def _join(parts: Iterable[_Node], *, any_of: bool) -> _Node:
    """Return the simplest node for a conjunction, or for a disjunction by De Morgan."""
    if any_of:
        return _opposite(_conjunction([_opposite(part) for part in parts]))
    return _conjunction(list(parts))


def _opposite(node: _Node) -> _Node:
    match node:
        case _Numbers(name, ranges, negated):
            return _Numbers(name, ranges, not negated)
        case _Terms(name, values, negated):
            return _Terms(name, values, not negated)
        case _Group(parts, any_of):
            return _Group(tuple(sorted(map(_opposite, parts), key=_place)), not any_of)


def _conjunction(parts: list[_Node]) -> _Node:
    flat: list[_Node] = []
    for part in parts:
        flat += part.parts if isinstance(part, _Group) and not part.any_of else (part,)
    numbers = _merged_numbers([one for one in flat if isinstance(one, _Numbers)])
    terms = _merged_terms([one for one in flat if isinstance(one, _Terms)])
    groups = {one for one in flat if isinstance(one, _Group)}
    if _FALSE in groups or numbers is None or terms is None:
        return _FALSE
    leaves: set[_Node] = {*numbers, *terms}
    kept = {one for one in groups if not _follows(one, leaves, groups)}
    whole = leaves | kept
    if any(_opposite(one) in whole for one in kept):
        return _FALSE
    if len(whole) == 1:
        return next(iter(whole))
    return _Group(tuple(sorted(whole, key=_place)))


def _follows(group: _Group, leaves: set[_Node], groups: set[_Group]) -> bool:
    """Tell whether a disjunction follows from the other members of a conjunction."""
    parts = set(group.parts)
    if any(set(other.parts) < parts for other in groups):
        return True
    return any(_implies(leaf, part) for leaf in leaves for part in parts)


def _implies(one: _Node, other: _Node) -> bool:
    """Tell whether a leaf holding means that another holds, both about one attribute."""
    if isinstance(one, _Numbers) and isinstance(other, _Numbers) and one.name == other.name:
        if one.negated:
            return other.negated and not _without(other.ranges, one.ranges)
        within = _without(one.ranges, other.ranges)
        return not within if not other.negated else within == one.ranges
    if isinstance(one, _Terms) and isinstance(other, _Terms) and one.name == other.name:
        if one.negated != other.negated:
            return False
        narrow, wide = (other, one) if one.negated else (one, other)
        return set(narrow.values) <= set(wide.values)
    return False


def _merged_numbers(leaves: list[_Numbers]) -> list[_Numbers] | None:
    """Return one leaf for each attribute; None when no number can satisfy them."""
    inside: dict[str, _Ranges] = {}
    outside: dict[str, _Ranges] = {}
    for leaf in leaves:
        if leaf.negated:
            outside[leaf.name] = _union((*outside.get(leaf.name, ()), *leaf.ranges))
        elif leaf.name in inside:
            surplus = _without(inside[leaf.name], leaf.ranges)
            inside[leaf.name] = _without(inside[leaf.name], surplus)
        else:
            inside[leaf.name] = leaf.ranges
    left = {name: _without(ranges, outside.get(name, ())) for name, ranges in inside.items()}
    if not all(left.values()):
        return None
    merged = [_Numbers(name, ranges) for name, ranges in left.items()]
    return merged + [_Numbers(name, out, True) for name, out in outside.items() if name not in left]


def _merged_terms(leaves: list[_Terms]) -> list[_Terms] | None:
    """Return the leaves without what others say already; None when they contradict each other."""
    excluded: dict[str, set[str]] = {}
    for leaf in leaves:
        if leaf.negated:
            excluded.setdefault(leaf.name, set()).update(leaf.values)
    wanted: dict[str, set[frozenset[str]]] = {}
    for leaf in leaves:
        if not leaf.negated:
            left = frozenset(leaf.values) - excluded.get(leaf.name, set())
            if not left:
                return None
            wanted.setdefault(leaf.name, set()).add(left)
    merged = [_Terms(name, tuple(sorted(out)), True) for name, out in excluded.items()]
    for name, sets in wanted.items():
        least = [one for one in sets if not any(other < one for other in sets)]
        merged += [_Terms(name, tuple(sorted(one))) for one in least]
    return merged


def _union(ranges: _Ranges) -> _Ranges:
    joined: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], high))
        else:
            joined.append((low, high))
    return tuple(joined)


def _without(ranges: _Ranges, removed: _Ranges) -> _Ranges:
    """Return what is left of ranges when others are cut out of them."""
    left = list(ranges)
    for low, high in removed:
        cut: list[tuple[int, int]] = []
        for first, last in left:
            if last < low or high < first:
                cut.append((first, last))
                continue
            if first < low:
                cut.append((first, low - 1))
            if high < last:
                cut.append((high + 1, last))
        left = cut
    return tuple(left)


def _place(node: _Node) -> tuple[object, ...]:
    """Return the sorting key of a node; only nodes of one kind are compared beyond the first."""
    match node:
        case _Numbers(name, ranges, negated):
            return (0, name, negated, ranges)
        case _Terms(name, values, negated):
            return (1, name, negated, values)
        case _Group(parts, any_of):
            return (2, any_of, tuple(map(_place, parts)))


def _written(node: _Node) -> Predicate:
    """Return a node as a predicate."""
    match node:
        case _Numbers(name, ranges, negated):
            pieces = tuple(Between(name, low, high) for low, high in ranges)
            number: Predicate = pieces[0] if len(pieces) == 1 else AnyOf(pieces)
            return Not(number) if negated else number
        case _Terms(name, values, negated):
            term: Predicate = Contains(name, values[0]) if len(values) == 1 else In(name, values)
            return Not(term) if negated else term
        case _Group(parts, any_of):
            written = tuple(map(_written, parts))
            return AnyOf(written) if any_of else AllOf(written)
