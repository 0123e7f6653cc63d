"""What a method may be asked: shapes of predicates, and refusing those it was not made for."""

from __future__ import annotations

import numpy as np

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.data.worlds.attributes import Attributes
from broadsheet.index.predicates import AllOf, AnyOf, Between, Contains, In, Predicate
from broadsheet.systems.retrieval.filtered_ann.interface import Ids, Mask, evaluate
from broadsheet.systems.retrieval.filtered_ann.methods.beams import Rows


def conjuncts(predicate: Predicate) -> tuple[Contains, ...]:
    """Return the labels that must all be there; () for a predicate of another shape.

    Example:
        >>> conjuncts(AllOf((Contains("a", "x"), Contains("b", "y"))))
        (Contains(name='a', value='x'), Contains(name='b', value='y'))
        >>> conjuncts(Between("day", 1, 2))
        ()
    """
    parts = predicate.parts if isinstance(predicate, AllOf) else (predicate,)
    labels = tuple(part for part in parts if isinstance(part, Contains))
    return labels if len(labels) == len(parts) else ()


def alternatives(predicate: Predicate) -> tuple[Contains, ...]:
    """Return the labels of which one must be there; () for a predicate of another shape.

    Example:
        >>> len(alternatives(AnyOf((Contains("a", "x"), In("b", ("y", "z"))))))
        3
    """
    labels: list[Contains] = []
    for part in predicate.parts if isinstance(predicate, AnyOf) else (predicate,):
        if isinstance(part, Contains):
            labels.append(part)
        elif isinstance(part, In):
            labels += [Contains(part.name, value) for value in part.values]
        else:
            return ()
    return tuple(labels)


def only_range(predicate: Predicate) -> Between | None:
    """Return the range that the predicate is, if it is one."""
    return predicate if isinstance(predicate, Between) else None


def check(name: str, *, supported: bool, predicate: Predicate, k: int) -> None:
    """Refuse a question that a method cannot answer.

    Raises:
        BadInput: The predicate is of a kind that the method does not support, or k < 1.
    """
    if k < 1:
        raise BadInput("k is at least 1", received=str(k))
    if not supported:
        raise BadInput(
            f"{name} does not answer this kind of predicate",
            received=repr(predicate),
            hint="ask supports() first, or take a method that answers any predicate",
        )


def fitted(name: str, attributes: Attributes | None) -> Attributes:
    """Return the attributes a method was fitted with.

    Raises:
        UsageError: It was not.
    """
    if attributes is None:
        raise UsageError(f"{name} searches nothing yet", hint="call fit first")
    return attributes


def mask_of(predicate: Predicate, attributes: Attributes, allowed: Mask | None) -> Mask:
    """Return the rows that satisfy a predicate, evaluating it where the caller did not.

    Shape:
        [n].
    """
    found = evaluate(predicate, attributes) if allowed is None else allowed
    return np.require(found, np.bool_, ["C", "W"])


def first(rows: Rows, allowed: Mask, k: int) -> Ids:
    """Return the first k of the rows that are allowed, in their order.

    Shape:
        rows [m], allowed [n]; returns [<= k].
    """
    return rows[allowed[rows]][:k].astype(np.int64)
