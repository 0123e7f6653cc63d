"""What a segment is made of: the bitmap of allowed positions, the arrays, what a search returns.

Rows are renumbered by cluster; a *position* is a row's place in that order. Arrays of a segment
(n rows of `dim` numbers, L clusters; `wide` = dim rounded up to a multiple of 64):

| name | type and shape | what |
| --- | --- | --- |
| starts | int32 [L + 1] | cluster c holds positions starts[c] .. starts[c + 1] - 1 |
| centres | uint8 [L, wide] | cluster centres in 8 bits, plus 128 |
| centre_scales | float32 [L] | one step of a centre's 8 bits |
| centre_norms | float32 [L] | squared length of a centre |
| spreads | float32 [L] | root mean square distance from the centre, over sqrt(wide) |
| signs | float32 [rounds, wide] | of the random rotation |
| codes | uint64 [ceil(n / 8), wide / 64, 8] | signs of the rotated residuals, 8 rows a block |
| offsets, factors | float32 [n] | estimate = centre score + offset + factor * (signs . query) |
| rows8 | uint8 [n, wide] | rows in 8 bits, plus 128 |
| row_scales | float32 [n] | one step of a row's 8 bits |
| rows | float32 [n, dim] | the rows themselves, for the final order; may be mapped from a file |
| tail | float32 [TAIL_BINS] | share of a cluster's rows above a threshold, by normalised distance |
| graph | int32 [n, degree] | neighbours, -1 where there are fewer; with a graph only |
| entries | int32 [L] | the row nearest to each centre; with a graph only |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from broadsheet.core.errors import BadInput

Vectors = npt.NDArray[np.float32]
Words = npt.NDArray[np.uint64]
Positions = npt.NDArray[np.int32]
Arrays = Mapping[str, npt.NDArray[Any]]

#: Changes whenever arrays written by older code can't be read.
LAYOUT_VERSION = 3
#: Dimensions of codes and 8-bit rows are padded to a multiple of this.
PAD = 64
#: Rows of a block of codes.
BLOCK = 8
#: The query is rounded to whole numbers from -LEVEL to LEVEL before it meets the codes.
LEVEL = 15
#: Bits of such a number in two's complement.
PLANES = 5
#: Bins of the tail table.
TAIL_BINS = 128

_TYPES: dict[str, type[np.generic]] = {
    "starts": np.int32,
    "centres": np.uint8,
    "centre_scales": np.float32,
    "centre_norms": np.float32,
    "spreads": np.float32,
    "signs": np.float32,
    "codes": np.uint64,
    "offsets": np.float32,
    "factors": np.float32,
    "rows8": np.uint8,
    "row_scales": np.float32,
    "rows": np.float32,
    "tail": np.float32,
}


def padded(dim: int) -> int:
    """Return the length of codes and 8-bit rows for vectors of length `dim`."""
    return -(-dim // PAD) * PAD


class Bits:
    """A set of positions: bit `p & 63` of word `p >> 6`.

    Args:
        words: ceil(size / 64) words, contiguous. Bits from `size` on must be clear.
        size: Number of positions, members or not.
        count: Number of members, where it is known.

    Raises:
        BadInput: The number of words does not fit, or a bit beyond the end is set.

    Example:
        >>> Bits.of(np.array([0, 65], dtype=np.int32), 70).count
        2
    """

    __slots__ = ("address", "known", "size", "words")

    def __init__(self, words: Words, size: int, count: int | None = None) -> None:
        self.words = np.ascontiguousarray(words, dtype=np.uint64)
        self.size = size
        self.known = count
        rest = size & 63
        if len(self.words) != (size + 63) >> 6:
            raise BadInput("the bitmap has another length than the rows", received=len(self.words))
        if rest and int(self.words[-1]) >> rest:
            raise BadInput("the bitmap has members beyond its end", received=size)
        self.address: int = self.words.__array_interface__["data"][0]

    @classmethod
    def from_mask(cls, mask: npt.NDArray[np.bool_]) -> Bits:
        """Return the set of the positions where a mask is true."""
        raw = np.zeros((len(mask) + 63) // 64 * 8, dtype=np.uint8)
        packed = np.packbits(mask, bitorder="little")
        raw[: len(packed)] = packed
        return cls(raw.view("<u8").astype(np.uint64, copy=False), len(mask))

    @classmethod
    def of(cls, positions: npt.NDArray[np.integer], size: int) -> Bits:
        """Return the set of these positions."""
        mask = np.zeros(size, dtype=np.bool_)
        mask[positions] = True
        return cls.from_mask(mask)

    @property
    def count(self) -> int:
        """Return the number of members."""
        if self.known is None:
            self.known = int(np.bitwise_count(self.words).sum())
        return self.known

    def mask(self) -> npt.NDArray[np.bool_]:
        """Return a mask that is true at the members."""
        raw = self.words.astype("<u8", copy=False).view(np.uint8)
        return np.unpackbits(raw, count=self.size, bitorder="little").astype(np.bool_)

    def positions(self) -> Positions:
        """Return the members, ascending."""
        return np.flatnonzero(self.mask()).astype(np.int32)


def checked_arrays(arrays: Arrays, facts: Mapping[str, Any]) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of a segment after a look at their types and shapes.

    Raises:
        BadInput: An array is missing or does not fit the others.
    """
    if facts.get("layout") != LAYOUT_VERSION:
        raise BadInput(
            "the segment has another layout",
            received=facts.get("layout"),
            hint="broadsheet index build",
        )
    n, dim, lists = int(facts["rows"]), int(facts["dim"]), int(facts["lists"])
    wide = padded(dim)
    shapes = {
        "starts": (lists + 1,),
        "centres": (lists, wide),
        "centre_scales": (lists,),
        "centre_norms": (lists,),
        "spreads": (lists,),
        "codes": (-(-n // BLOCK), wide // 64, BLOCK),
        "offsets": (n,),
        "factors": (n,),
        "rows8": (n, wide),
        "row_scales": (n,),
        "rows": (n, dim),
        "tail": (TAIL_BINS,),
    }
    kept: dict[str, npt.NDArray[Any]] = {}
    for name, kind in _TYPES.items():
        array = arrays.get(name)
        if array is None or array.dtype != kind or not array.flags.c_contiguous:
            raise BadInput(
                "an array of the segment is missing or of another type",
                received=name,
                hint="broadsheet index build",
            )
        if array.shape != shapes.get(name, array.shape):
            raise BadInput(
                "an array of the segment has another shape",
                received=f"{name} {array.shape}",
                hint="broadsheet index build",
            )
        kept[name] = array
    for name in ("graph", "entries") if "graph" in arrays else ():
        kept[name] = arrays[name]
        expected = n if name == "graph" else lists
        if kept[name].dtype != np.int32 or len(kept[name]) != expected:
            raise BadInput(
                "an array of the segment is missing or of another type",
                received=name,
                hint="broadsheet index build",
            )
    return kept
