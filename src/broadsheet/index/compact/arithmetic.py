"""Float arithmetic in a fixed order, and the forms of a query: the native code does the same.

Every float is a float32. Inner products are sums of sixteen partial sums, taken from
`j = lane, lane + 16, ...` and added as a fixed tree; whole numbers are exact in any order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from broadsheet.index.compact.layout import BLOCK, LEVEL, Vectors, padded
from broadsheet.index.compact.rotation import rotate

Whole = npt.NDArray[np.int32]


@dataclass(slots=True)
class Query:
    """A query in all its forms.

    Attributes:
        exact: As given.
        eight: Rounded to whole numbers up to 127 and padded; one is worth `step`.
        shift: 128 times their sum, what a row's "plus 128" adds to an inner product.
        norm2: Squared length.
        norm: Length.
        whole: Rotated, then rounded to whole numbers up to `LEVEL`; one is worth `whole_step`.

    Example:
        >>> prepare(np.array([1.0, -1.0], np.float32), np.ones((1, 64), np.float32)).norm2
        np.float32(2.0)
    """

    exact: Vectors
    eight: Whole
    step: np.float32
    shift: int
    norm2: np.float32
    norm: np.float32
    whole: Whole
    whole_step: np.float32


def dots(rows: Vectors, query: Vectors) -> Vectors:
    """Return inner products with a query, summed in the fixed order.

    Shape:
        [n, d], [d] -> [n]
    """
    count, dim = rows.shape
    wide = -(-dim // 16) * 16
    products = np.zeros((count, wide), dtype=np.float32)
    products[:, :dim] = rows * query
    lanes = np.zeros((count, 16), dtype=np.float32)
    for start in range(0, wide, 16):
        lanes = lanes + products[:, start : start + 16]
    for width in (8, 4, 2, 1):
        lanes = lanes[:, :width] + lanes[:, width : 2 * width]
    return lanes[:, 0]


def prepare(query: Vectors, signs: Vectors) -> Query:
    """Return a query in 8 bits and, rotated, in `LEVEL` steps."""
    wide = padded(len(query))
    spread = np.zeros((1, wide), dtype=np.float32)
    spread[0, : len(query)] = query
    eight, step = rounded_to(spread[0], 127)
    turned = rotate(spread, signs)[0]
    whole, whole_step = rounded_to(turned, LEVEL)
    norm2 = dots(query[None, :], query)[0]
    return Query(
        exact=query,
        eight=eight,
        step=step,
        shift=128 * int(eight.sum()),
        norm2=norm2,
        norm=np.sqrt(norm2),
        whole=whole,
        whole_step=whole_step,
    )


def eight_dots(rows8: npt.NDArray[np.uint8], scales: Vectors, query: Query) -> Vectors:
    """Return 8-bit inner products of rows with a query."""
    sums = rows8.astype(np.int32) @ query.eight - query.shift
    return (query.step * scales) * sums.astype(np.float32)


def sign_sums(codes: npt.NDArray[np.uint64], whole: Whole) -> Whole:
    """Return, for rows of blocks of codes, the signed sums of a rounded query.

    Shape:
        [b, words, 8], [wide] -> [8 b]
    """
    blocks, words, _ = codes.shape
    by_row = np.ascontiguousarray(codes.transpose(0, 2, 1)).reshape(blocks * BLOCK, words)
    bits = np.unpackbits(by_row.astype("<u8").view(np.uint8), axis=1, bitorder="little")
    return 2 * (bits.astype(np.int32) @ whole) - int(whole.sum())


def rounded_to(numbers: Vectors, level: int) -> tuple[Whole, np.float32]:
    """Return numbers as whole numbers up to `level`, and what one is worth."""
    top = np.abs(numbers).max()
    if not top > np.float32(1e-30):
        return np.zeros(len(numbers), dtype=np.int32), np.float32(0)
    whole = np.rint(numbers * (np.float32(level) / top)).astype(np.int32)
    return whole, top / np.float32(level)


def lane_sum(numbers: Vectors) -> np.float32:
    """Return a sum in the fixed order; the length is a multiple of 16."""
    lanes = np.zeros(16, dtype=np.float32)
    for row in numbers.reshape(-1, 16):
        lanes = lanes + row
    for width in (8, 4, 2, 1):
        lanes = lanes[:width] + lanes[width : 2 * width]
    return np.float32(lanes[0])
