"""Scans of inverted lists under a mask.

Legend: n rows, d dimensions.
"""

from __future__ import annotations

import numpy as np

from broadsheet.systems.retrieval.filtered_ann.methods.beams import (
    Mask,
    Rows,
    Vectors,
    gap_to,
    insert,
)
from broadsheet.systems.retrieval.filtered_ann.methods.compiling import compiled
from broadsheet.systems.retrieval.filtered_ann.methods.labelspace import Starts


@compiled
def scan_spans(
    vectors: Vectors,
    rows: Rows,
    begins: Starts,
    ends: Starts,
    query: Vectors,
    allowed: Mask,
    k: int,
) -> Rows:
    """Return the k nearest allowed rows of several spans of a list of rows, nearest first.

    Args:
        rows: The list; span i is `rows[begins[i]:ends[i]]`; no row stands in two spans.
        allowed: [n].
    """
    gaps = np.empty(k, np.float32)
    best = np.empty(k, np.int32)
    size = 0
    for span in range(begins.shape[0]):
        for place in range(begins[span], ends[span]):
            row = rows[place]
            if not allowed[row]:
                continue
            gap = gap_to(vectors, row, query)
            if insert(gaps, best, size, gap, row) >= 0 and size < k:
                size += 1
    return best[:size]
