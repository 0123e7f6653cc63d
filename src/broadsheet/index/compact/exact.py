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


def nearest(
    recent: Recent, chosen: Numbers, query: Vectors, k: int, least: float = -math.inf
) -> tuple[Numbers, Vectors]:
    """Return the documents and scores of the k rows with the largest inner product.

    A matrix product finds the candidates, its rounding allowed for; their scores are then computed
    in the one order of additions that all paths end with.

    Args:
        recent: The rows.
        chosen: Places in `recent.numbers`, ascending.
        query: [dim].
        k: How many; equal scores are ordered by number.
        least: Rows below this score are not wanted, so most need no exact score.

    Shape:
        Both [m]; m is min(k, len(chosen)), or fewer where others are below `least`.
    """
    rows = recent.rows[chosen]
    if len(rows) < _GATHER_BELOW * len(recent.matrix):
        rough = recent.matrix[rows] @ query
    else:
        rough = (recent.matrix @ query)[rows]
    if k < len(rows) and least == -math.inf:
        least = float(np.partition(rough, len(rows) - k)[len(rows) - k])
    slack = 2 * len(query) * _ROUNDING * recent.reach * math.sqrt(float(query @ query))
    places = np.flatnonzero(rough >= least - slack)
    if not len(places):
        return chosen[:0], rough[:0]
    scores = dots(recent.matrix[rows[places]], query)
    numbers = recent.numbers[chosen[places]]
    order = np.lexsort((numbers, -scores))[:k]
    return numbers[order], scores[order]
