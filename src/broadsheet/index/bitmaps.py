"""Sets of small integers as packed bits: the currency between filters and vector search.

Bit `p` of word `p >> 6` says whether `p` is in the set. A million bits are 125 kB, and two sets of
a million are intersected in some microseconds, so nothing cleverer is needed in memory.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]
#: Members of a set, ascending, each once.
Ids = npt.NDArray[np.int32]

_WORD = 64
#: Below this share of bytes with a member, only these bytes are unpacked.
_SPARSE_BELOW = 0.25
_CHUNK = 16


class Bits:
    """A set of integers in [0, size) as words of 64 bits; never changed once made.

    Args:
        words: Packed bits, least significant first; those at `size` and beyond must be zero.
        size: How many integers could be in the set.
        count: How many are, where that is known already.

    Shape:
        words [ceil(size / 64)].

    Example:
        >>> evens = Bits.of_ids(np.array([0, 2, 4], dtype=np.int32), 70)
        >>> (~evens & Bits.of_ids(np.array([4, 5, 69]), 70)).ids().tolist(), evens.count
        ([5, 69], 3)
    """

    __slots__ = ("_count", "size", "words")

    def __init__(self, words: Words, size: int, count: int = -1) -> None:
        self.words = np.ascontiguousarray(words)
        self.size = size
        self._count = count

    @classmethod
    def of_mask(cls, mask: Mask) -> Bits:
        """Return the set of the positions where a mask is true."""
        packed = np.packbits(mask, bitorder="little")
        padded = np.zeros(_words_for(len(mask)) * 8, dtype=np.uint8)
        padded[: len(packed)] = packed
        return cls(padded.view(np.uint64), len(mask))

    @classmethod
    def of_ids(cls, ids: npt.NDArray[np.integer], size: int) -> Bits:
        """Return the set of these integers, in any order."""
        mask = np.zeros(size, dtype=np.bool_)
        mask[ids] = True
        return cls.of_mask(mask)

    @classmethod
    def none(cls, size: int) -> Bits:
        """Return the empty set."""
        return cls(np.zeros(_words_for(size), dtype=np.uint64), size, 0)

    @classmethod
    def full(cls, size: int) -> Bits:
        """Return the set of all integers in [0, size)."""
        words = np.full(_words_for(size), np.iinfo(np.uint64).max, dtype=np.uint64)
        return cls(_trimmed(words, size), size, size)

    @property
    def count(self) -> int:
        """Return how many integers are in the set."""
        if self._count < 0:
            self._count = _ones(self.words)
        return self._count

    @property
    def address(self) -> int:
        """Return where the words lie in memory, for native code."""
        return int(self.words.ctypes.data)

    def ids(self) -> Ids:
        """Return the members, ascending."""
        packed = self.words.view(np.uint8)
        held = np.flatnonzero(packed.view(np.bool_))
        if len(held) < _SPARSE_BELOW * len(packed):
            bits = np.unpackbits(packed[held], bitorder="little")
            places = np.flatnonzero(bits.view(np.bool_))
            ids: Ids = (held[places >> 3] * 8 + (places & 7)).astype(np.int32)
            return ids
        bits = np.unpackbits(packed, bitorder="little")
        return np.flatnonzero(bits.view(np.bool_)).astype(np.int32)

    def mask(self) -> Mask:
        """Return whether each integer is in the set.

        Shape:
            [size].
        """
        bits = np.unpackbits(self.words.view(np.uint8), count=self.size, bitorder="little")
        return bits.view(np.bool_)

    def holds(self, ids: npt.NDArray[np.integer]) -> Mask:
        """Return, for each of these integers, whether it is in the set.

        Shape:
            [len(ids)].
        """
        places = ids.astype(np.uint64)
        bits = (self.words[ids >> 6] >> (places & np.uint64(63))) & np.uint64(1)
        held: Mask = bits.astype(np.bool_)
        return held

    def __and__(self, other: Bits) -> Bits:
        """Return what is in both sets."""
        return Bits(self.words & other.words, self.size)

    def __or__(self, other: Bits) -> Bits:
        """Return what is in either set."""
        return Bits(self.words | other.words, self.size)

    def __sub__(self, other: Bits) -> Bits:
        """Return what is in this set and not in the other."""
        return Bits(self.words & ~other.words, self.size)

    def __invert__(self) -> Bits:
        """Return what is not in the set."""
        count = self.size - self._count if self._count >= 0 else -1
        return Bits(_trimmed(~self.words, self.size), self.size, count)

    def __eq__(self, other: object) -> bool:
        """Tell whether two sets over the same range have the same members."""
        if not isinstance(other, Bits):
            return NotImplemented
        return self.size == other.size and np.array_equal(self.words, other.words)

    __hash__ = None  # type: ignore[assignment]  # equal sets are compared by their members

    def __repr__(self) -> str:
        return f"Bits({self.count:,} of {self.size:,})"


def _words_for(size: int) -> int:
    return (size + _WORD - 1) // _WORD


def _trimmed(words: Words, size: int) -> Words:
    """Clear the bits beyond `size` in place."""
    if size % _WORD:
        words[-1] &= np.uint64((1 << (size % _WORD)) - 1)
    return words


def _counter() -> Callable[[Words], int]:
    """Return the quickest way to count bits that this numpy has."""
    if hasattr(np, "bitwise_count"):
        return lambda words: int(np.bitwise_count(words).sum(dtype=np.int64))
    table = np.array([value.bit_count() for value in range(1 << _CHUNK)], dtype=np.uint8)
    return lambda words: int(table[words.view(np.uint16)].sum(dtype=np.int64))


_ones = _counter()
