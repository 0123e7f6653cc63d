"""The length of a document in one byte, as Lucene stores it: exact to 40, then 8 steps an octave.

Source: the format of `SmallFloat.intToByte4` in Apache Lucene, described in its documentation: the
24 smallest values as they are, above them a number with 3 bits behind its leading one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_EXACT = 24
_BITS = 3


def length_table() -> npt.NDArray[np.int64]:
    """Return the 256 lengths that one byte can stand for, ascending.

    Example:
        >>> length_table()[[0, 39, 40, 41, 48]].tolist()
        [0, 39, 40, 42, 56]
    """
    small = np.arange(_EXACT, dtype=np.int64)
    code = np.arange(256 - _EXACT, dtype=np.int64)
    mantissa, exponent = code & 7, (code >> _BITS) - 1
    large = np.where(exponent < 0, mantissa, (mantissa | 8) << np.maximum(exponent, 0))
    return np.concatenate([small, _EXACT + large])


def stored_lengths(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return lengths as they come back from one byte: the largest known that is not larger.

    Example:
        >>> stored_lengths(np.array([7, 41, 100, 1000])).tolist()
        [7, 40, 96, 984]
    """
    table = length_table()
    return table[np.searchsorted(table, lengths, side="right") - 1]
