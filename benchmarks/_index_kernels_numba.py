"""The kernels of the compact index in numba, for the comparison with C."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic


@intrinsic
def popcount(typing_context: Any, number: Any) -> Any:
    """Count the bits of a 64-bit number (one instruction)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


@numba.njit(cache=True, fastmath=True)
def exact(rows: Any, ids: Any, query: Any, out: Any) -> None:
    """Full scores; `fastmath` lets the compiler use vectors, the order of the sum is its own."""
    for i in range(len(ids)):
        row = rows[ids[i]]
        total = np.float32(0)
        for j in range(len(query)):
            total += row[j] * query[j]
        out[i] = total


@numba.njit(cache=True)
def eight(rows: Any, scales: Any, ids: Any, query: Any, shift: int, step: Any, out: Any) -> None:
    """8-bit scores."""
    for i in range(len(ids)):
        row = rows[ids[i]]
        total = np.int32(0)
        for j in range(len(query)):
            total += np.int32(row[j]) * np.int32(query[j])
        out[i] = (step * scales[ids[i]]) * np.float32(total - shift)


@numba.njit(cache=True)
def count_estimates(
    codes: Any, planes: Any, offsets: Any, factors: Any, octets: Any, rows: int, total: int,
    step: Any, threshold: Any,
) -> int:  # fmt: skip
    """Rows allowed whose 1-bit estimate is above the threshold."""
    count = 0
    words = codes.shape[1]
    for block in range(codes.shape[0]):
        allowed = octets[block]
        if allowed == 0:
            continue
        for lane in range(8):
            position = 8 * block + lane
            if not (allowed >> lane) & 1 or position >= rows:
                continue
            bits = np.int64(0)
            for word in range(words):
                code = codes[block, word, lane]
                for plane in range(4):
                    bits += np.int64(popcount(code & planes[word, plane])) << plane
                bits -= np.int64(popcount(code & planes[word, 4])) << 4
            width = step * np.float32(2 * bits - total)
            if offsets[position] + factors[position] * width > threshold:
                count += 1
    return count
