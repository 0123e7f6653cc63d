"""Facets: how often each year, venue, category, author and part occurs among the matches."""

from __future__ import annotations

from collections.abc import Mapping

from broadsheet.core.errors import UsageError
from broadsheet.index.attributes import AttributeStore, Mask
from broadsheet.papers.documents import category_label
from broadsheet.papers.query import Query, filter_text
from broadsheet.papers.results import FacetValue

#: Most values of one facet.
VALUES = 12

_NAMED = {"venue": "venue_name", "cat": "cat_name", "author": "author_name", "has": "has"}


def facets(
    attributes: AttributeStore, matching: Mask, query: Query
) -> Mapping[str, tuple[FacetValue, ...]]:
    """Count the values of every facet among the matching papers, most frequent first."""
    years = attributes.number_counts("year", matching)
    years.sort(key=lambda pair: (-pair[1], -pair[0]))
    counted = {"year": [(str(year), count) for year, count in years[:VALUES]]}
    for field, attribute in _NAMED.items():
        counted[field] = attributes.counts(attribute, matching, limit=VALUES)
    return {
        field: tuple(
            value
            for printed, count in pairs
            if (value := _value(field, printed, count, query)) is not None
        )
        for field, pairs in counted.items()
    }


def _value(field: str, printed: str, count: int, query: Query) -> FacetValue | None:
    label = category_label(printed) if field == "cat" else printed
    try:
        term = filter_text(field, printed)
    except UsageError:  # a printed name without any letter can't be asked for
        return None
    return FacetValue(
        value=printed, label=label, count=count, term=term, active=query.holds(field, printed)
    )
