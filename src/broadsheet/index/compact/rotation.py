"""A fast random rotation: random signs and Hadamard transforms of overlapping blocks.

A residual is rotated so that its sign bits carry the same amount of information about every
direction. The length is any multiple of 64; the transform works on the largest power of two below
it, on the first numbers in even rounds and on the last in odd ones.

Source: the fast Johnson-Lindenstrauss transform (Ailon and Chazelle 2009); overlapping blocks for
lengths that are no power of two, as in random walks of plane rotations (Kac 1956).
"""

from __future__ import annotations

import numpy as np

from broadsheet.core.seeds import SeedTree
from broadsheet.index.compact.layout import Vectors

#: Rounds of signs and transforms.
ROUNDS = 4


def draw_signs(wide: int, seeds: SeedTree) -> Vectors:
    """Return the random signs of a rotation.

    Shape:
        [ROUNDS, wide]
    """
    return seeds.numpy().choice(np.array([-1, 1], dtype=np.float32), size=(ROUNDS, wide))


def rotate(vectors: Vectors, signs: Vectors) -> Vectors:
    """Return the vectors after the rotation, by float32 operations in a fixed order.

    Shape:
        [n, wide] -> [n, wide]
    """
    out = vectors.astype(np.float32, copy=True)
    wide = out.shape[1]
    block = 1 << (wide.bit_length() - 1)
    scale = np.float32(1) / np.sqrt(np.float32(block))
    for index, row in enumerate(signs):
        out *= row
        part = out[:, :block] if index % 2 == 0 else out[:, wide - block :]
        part[...] = _hadamard(part) * scale
    return out


def rotation_matrix(signs: Vectors) -> Vectors:
    """Return the matrix with `vectors @ matrix` equal to `rotate(vectors)` up to rounding."""
    return rotate(np.eye(signs.shape[1], dtype=np.float32), signs)


def _hadamard(block: Vectors) -> Vectors:
    out = block.copy()
    count, length = out.shape
    step = 1
    while step < length:
        pairs = out.reshape(count, length // (2 * step), 2, step)
        low, high = pairs[:, :, 0, :], pairs[:, :, 1, :]
        out = np.stack([low + high, low - high], axis=2).reshape(count, length)
        step *= 2
    return out
