"""Exact search over a few rows, with the same bits in its scores as a segment's."""

from __future__ import annotations

import math

import numpy as np

from broadsheet.index.compact.reference import dots
from broadsheet.index.compact.updates import Numbers, Recent, Vectors

#: Below this share of rows asked for, gathering them first is quicker.
_GATHER_BELOW = 0.2
#: One rounding of a float32.
_ROUNDING = 2.0**-24


def nearest(recent: Recent, chosen: Numbers, query: Vectors, k: int) -> tuple[Numbers, Vectors]:
    """Return the documents and scores of the k rows with the largest inner product.

    A matrix product finds the candidates, its rounding allowed for; their scores are then computed
    in the one order of additions that all paths end with.

    Args:
        recent: The rows.
        chosen: Places in `recent.numbers`, ascending.
        query: [dim].
        k: How many; equal scores are ordered by number.

    Shape:
        Both [min(k, len(chosen))].
    """
    rows = recent.rows[chosen]
    if len(rows) < _GATHER_BELOW * len(recent.matrix):
        rough = recent.matrix[rows] @ query
    else:
        rough = (recent.matrix @ query)[rows]
    places = np.arange(len(rows))
    if k < len(rows):
        length = math.sqrt(float(query @ query))
        slack = 2 * len(query) * _ROUNDING * recent.reach * length
        least = np.partition(rough, len(rows) - k)[len(rows) - k] - slack
        places = np.flatnonzero(rough >= least)
    scores = dots(recent.matrix[rows[places]], query)
    numbers = recent.numbers[chosen[places]]
    order = np.lexsort((numbers, -scores))[:k]
    return numbers[order], scores[order]
