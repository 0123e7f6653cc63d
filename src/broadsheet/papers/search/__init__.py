"""Search: words and meaning, fused by rank, with filters and facets inside both.

`searcher` answers; `refreshing` brings the indexes up to date with the store, `opened` holds what
is open, `meaning` ranks by vectors, `ranking` fuses, `facets` counts.
"""

from broadsheet.papers.search.searcher import Searcher

__all__ = ["Searcher"]
