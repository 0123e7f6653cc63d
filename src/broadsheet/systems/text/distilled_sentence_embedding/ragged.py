"""Rows of different length in one array, and batches of them.

Legend: N rows, T tokens of all rows, B rows of a batch, L longest of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from broadsheet.runtime.batching import plan_batches


@dataclass(frozen=True, slots=True)
class Ragged:
    """Rows one after the other.

    Args:
        flat: (T, ...).
        starts: (N + 1,), where each row begins, and the end.

    Example:
        >>> rows = Ragged.of([[1, 2, 3], [4]])
        >>> ids, mask = rows.padded([1, 0])
        >>> ids.tolist(), mask.tolist()
        ([[4, 0, 0], [1, 2, 3]], [[1, 0, 0], [1, 1, 1]])
    """

    flat: NDArray[Any]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]]) -> Ragged:
        """Return rows of token ids."""
        starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
        flat = np.fromiter((x for row in rows for x in row), np.int64, int(starts[-1]))
        return cls(flat, starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def digest(self) -> str:
        """Return a name for exactly these rows."""
        numbers = (self.flat.tobytes(), self.starts.tobytes())
        return hashlib.sha256(b"|".join(numbers)).hexdigest()[:16]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Return the length of each row."""
        return np.diff(self.starts)

    def at(self, places: NDArray[np.int64]) -> Ragged:
        """Return some of the rows."""
        rows = [self.flat[self.starts[i] : self.starts[i + 1]] for i in places]
        starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
        return Ragged(np.concatenate(rows) if rows else self.flat[:0], starts)

    def padded(self, places: Sequence[int] | NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Return some rows, padded on the right with 0, and the mask that is 1 at real entries.

        Shape:
            -> [B, L, ...] (float32 for floats), mask [B, L] int64.
        """
        rows = [self.flat[self.starts[i] : self.starts[i + 1]] for i in places]
        longest = max((len(row) for row in rows), default=0)
        kind = np.float32 if self.flat.dtype.kind == "f" else np.int64
        out = np.zeros((len(rows), longest, *self.flat.shape[1:]), kind)
        mask_BL = np.zeros((len(rows), longest), np.int64)
        for place, row in enumerate(rows):
            out[place, : len(row)] = row
            mask_BL[place, : len(row)] = 1
        return torch.from_numpy(out), torch.from_numpy(mask_BL)

    def batches(self, tokens: int = 4096) -> Iterator[list[int]]:
        """Yield places of rows of like length, at most so many tokens together."""
        for batch in plan_batches([int(n) for n in self.lengths], tokens):
            yield list(batch)
