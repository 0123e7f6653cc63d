"""The published filtered methods, each with what makes it what it is, behind one interface."""

from __future__ import annotations

from broadsheet.core.seeds import SeedTree
from broadsheet.systems.retrieval.filtered_ann.interface import Method


def all_methods(seeds: SeedTree) -> list[Method]:
    """Return every method, fresh and not fitted, the general ones first.

    Raises:
        UsageError: numba is not installed; the message names the extra that brings it.

    Example:
        >>> methods = all_methods(SeedTree(7))
        >>> len(methods) == len({method.name for method in methods}) == 14
        True
    """
    # Imported here: these modules need numba, which the interface and the reports do not.
    from broadsheet.systems.retrieval.filtered_ann.methods.acorn import Acorn
    from broadsheet.systems.retrieval.filtered_ann.methods.caps import Caps
    from broadsheet.systems.retrieval.filtered_ann.methods.exact import ExactPreFilter
    from broadsheet.systems.retrieval.filtered_ann.methods.hnsw_filters import (
        InFilterHnsw,
        PostFilterHnsw,
    )
    from broadsheet.systems.retrieval.filtered_ann.methods.ivf_selector import IvfSelector
    from broadsheet.systems.retrieval.filtered_ann.methods.ivf_squared import IvfSquared
    from broadsheet.systems.retrieval.filtered_ann.methods.label_graphs import (
        FilteredVamana,
        StitchedVamana,
    )
    from broadsheet.systems.retrieval.filtered_ann.methods.nhq import Nhq
    from broadsheet.systems.retrieval.filtered_ann.methods.segment_tree import SegmentTreeGraph
    from broadsheet.systems.retrieval.filtered_ann.methods.serf import Serf
    from broadsheet.systems.retrieval.filtered_ann.methods.ung import Ung

    return [
        ExactPreFilter(),
        PostFilterHnsw(seeds.child("post-filter")),
        InFilterHnsw(seeds.child("in-filter")),
        Acorn.variant_gamma(seeds.child("acorn-gamma")),
        Acorn.variant_one(seeds.child("acorn-1")),
        IvfSelector(seeds.child("ivf")),
        IvfSquared(seeds.child("ivf-squared")),
        Caps(seeds.child("caps")),
        Nhq(seeds.child("nhq")),
        FilteredVamana(seeds.child("filtered-vamana")),
        StitchedVamana(seeds.child("stitched-vamana")),
        Ung(seeds.child("ung")),
        Serf(),
        SegmentTreeGraph(),
    ]
