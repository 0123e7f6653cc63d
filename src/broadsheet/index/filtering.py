"""Predicates as tantivy queries, so that the words index filters inside its search."""

from __future__ import annotations

import tantivy
from tantivy import FieldType, Occur, Query

from broadsheet.index.predicates import AllOf, AnyOf, Between, Contains, In, Not, Predicate

_LOWEST, _HIGHEST = -(2**63), 2**63 - 1


def to_filter(schema: tantivy.Schema, predicate: Predicate) -> Query:
    """Translate a predicate; attribute `cat` is looked up in the field `term_cat`, and so on.

    Raises:
        ValueError: The schema has no field for an attribute.
    """
    match predicate:
        case Contains(name, value):
            return Query.term_query(schema, f"term_{name}", value)
        case In(name, values):
            field = f"term_{name}"
            return Query.term_set_query(schema, field, list(values))
        case Between(name, low, high):
            if low > high or low > _HIGHEST or high < _LOWEST:
                return Query.empty_query()
            return Query.range_query(
                schema,
                f"number_{name}",
                FieldType.Integer,
                max(low, _LOWEST),
                min(high, _HIGHEST),
            )
        case AllOf(parts):
            inner = [(Occur.Must, to_filter(schema, part)) for part in parts]
            return Query.boolean_query(inner) if inner else Query.all_query()
        case AnyOf(parts):
            inner = [(Occur.Should, to_filter(schema, part)) for part in parts]
            return Query.boolean_query(inner) if inner else Query.empty_query()
        case Not(part):
            return Query.boolean_query(
                [(Occur.Must, Query.all_query()), (Occur.MustNot, to_filter(schema, part))]
            )
