"""Codes of rows: 8 bits a number for near-exact scores, one bit a number for estimates.

A row x of the cluster with centre c is kept as the signs s of its rotated residual
r' = rotate(x - c). For a query q, with q' and c' rotated likewise, <q - c, x - c> is estimated by
f * (s . (q' - c')) with f = |r|^2 / sum(|r'|), which is right on average over rotations; so

    <q, x> = <q, c> + <c, r> + <q - c, r>  ~  <q, c> + b + f * (s . q'),   b = <c, r> - f * (s . c')

where b does not depend on the query. The error is proportional to f and to |q - c|.

Source: RaBitQ (Gao and Long 2024), equations 5-13; here with one rotation for all clusters and the
part that depends on the centre alone folded into b.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from broadsheet.core.progress import Advance
from broadsheet.index.compact.clusters import Clusters
from broadsheet.index.compact.layout import BLOCK, Vectors, padded
from broadsheet.index.compact.rotation import rotation_matrix

_CHUNK = 8192
#: Numbers smaller than this have no direction worth a code.
TINY = np.float32(1e-30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Eights:
    """Rows in 8 bits: number j of row i is about `(codes[i, j] - 128) * scales[i]`.

    Example:
        >>> eights = to_eights(np.array([[1.0, -0.5]], dtype=np.float32))
        >>> (eights.codes[0, :2].astype(int) - 128).tolist()
        [127, -64]
    """

    codes: npt.NDArray[np.uint8]
    scales: Vectors


def to_eights(rows: Vectors) -> Eights:
    """Return rows in 8 bits, padded with zeros to a multiple of 64."""
    wide = padded(rows.shape[1])
    codes = np.full((len(rows), wide), 128, dtype=np.uint8)
    scales = np.zeros(len(rows), dtype=np.float32)
    for start in range(0, len(rows), _CHUNK):
        part = rows[start : start + _CHUNK]
        top = np.abs(part).max(axis=1)
        top = np.where(top < TINY, np.float32(0), top)
        step = top / np.float32(127)
        inverse = np.where(top > 0, np.float32(127) / np.maximum(top, TINY), np.float32(0))
        rounded = np.rint(part * inverse[:, None])
        codes[start : start + len(part), : rows.shape[1]] = (rounded + 128).astype(np.uint8)
        scales[start : start + len(part)] = step
    return Eights(codes=codes, scales=scales)


def encode(
    rows: Vectors, clusters: Clusters, signs: Vectors, advance: Advance
) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays `codes`, `offsets`, `factors` and `spreads` of rows in cluster order.

    Args:
        rows: float32 [n, dim], already in cluster order.
        clusters: Their clusters.
        signs: The rotation.
        advance: Is told how many rows were done.
    """
    count, dim = rows.shape
    wide = signs.shape[1]
    matrix = np.ascontiguousarray(rotation_matrix(signs)[:dim])
    turned = clusters.centres @ matrix
    octets = -(-count // BLOCK)
    codes = np.zeros((octets * BLOCK, wide // 64), dtype=np.uint64)
    offsets = np.zeros(count, dtype=np.float32)
    factors = np.zeros(count, dtype=np.float32)
    squares = np.zeros(count, dtype=np.float64)
    owner = np.repeat(np.arange(len(clusters.centres)), np.diff(clusters.starts))
    for start in range(0, count, _CHUNK):
        part = slice(start, min(start + _CHUNK, count))
        residuals = rows[part] - clusters.centres[owner[part]]
        rotated = residuals @ matrix
        positive = rotated > 0
        sums = np.abs(rotated).sum(axis=1)
        square = np.einsum("nd,nd->n", residuals, residuals)
        factor = np.where(sums > TINY, square / np.maximum(sums, TINY), np.float32(0))
        centre = turned[owner[part]]
        along = 2 * np.where(positive, centre, 0).sum(axis=1) - centre.sum(axis=1)
        across = np.einsum("nd,nd->n", residuals, clusters.centres[owner[part]])
        codes[part] = np.packbits(positive, axis=1, bitorder="little").view("<u8")
        factors[part] = factor
        offsets[part] = across - factor * along
        squares[part] = square
        advance(len(residuals))
    return {
        "codes": np.ascontiguousarray(codes.reshape(octets, BLOCK, wide // 64).transpose(0, 2, 1)),
        "offsets": offsets,
        "factors": factors,
        "spreads": _spreads(squares, clusters, wide),
    }


def _spreads(squares: npt.NDArray[np.float64], clusters: Clusters, wide: int) -> Vectors:
    """Return the spread of each cluster, never nothing, so that one can divide by it."""
    sizes = np.diff(clusters.starts)
    if not len(sizes):
        return np.zeros(0, dtype=np.float32)
    means = np.add.reduceat(squares, clusters.starts[:-1]) / sizes
    floor = 1e-4 * float(squares.mean()) + 1e-20
    return np.sqrt(np.maximum(means, floor) / wide).astype(np.float32)
